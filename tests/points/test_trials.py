"""A parameter is tried on one draw, and what was there before is there again."""

import pytest
import torch
from torch import nn

import symfind
from symfind.points import run as running
from symfind.points.moves import shift_of
from symfind.points.run import Run

DRAWS = 5


def test_trials_evaluate_one_draw_and_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    subject = symfind.open(nn.Sequential(nn.Linear(3, 4), nn.GELU()), torch.randn(2, 3)).subject
    graph = subject.graph
    theta = {
        key: torch.randn(op.shape, dtype=torch.float64) for key, op in graph.parameters.items()
    }
    (key,) = (op.key for op in graph.inputs)
    run = Run(graph, dict(theta), [{key: torch.randn(2, 3)} for _ in range(DRAWS)])
    for op in graph.ops:
        run.visit(op)
    wire = next(op for op in graph.ops if op.base == "linear")
    before, numbers = dict(run.values), run.numbers
    evaluated: list[str] = []
    plain = running.run
    monkeypatch.setattr(
        running, "run", lambda op, *rest: (evaluated.append(op.base), plain(op, *rest))[1]
    )
    found = shift_of(run, wire, torch.Generator().manual_seed(0))
    assert found is not None and found.leaf.key == "0.bias" and found.rate == pytest.approx(1.0)
    assert evaluated.count("linear") == 1
    assert run.theta["0.bias"] is theta["0.bias"] and run.numbers == numbers
    assert run.values.keys() == before.keys()
    assert all(run.values[k] is v for k, v in before.items())
