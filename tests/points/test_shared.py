"""What a weight is made of is evaluated once for each change, on however many ways it is read."""

import torch
from torch import Tensor, nn

import symfind
from symfind.points.run import Run


class Again(nn.Module):
    """A weight that is divided by its norm again and again."""

    def __init__(self, times: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w, self.b, self.times = nn.Parameter(torch.randn(5, 6)), nn.Linear(5, 3), times

    def forward(self, x: Tensor) -> Tensor:
        w = self.w
        for _ in range(self.times):
            w = w / w.norm()
        return self.b(torch.tanh(x @ w.T))


def test_what_is_read_on_many_ways_is_evaluated_once(monkeypatch) -> None:
    times, inputs = 9, torch.randn(4, 6)
    graph = symfind.open(Again(times), inputs).graph
    visited: list[str] = []
    visit = Run.visit
    monkeypatch.setattr(Run, "visit", lambda run, op: (visited.append(op.name), visit(run, op))[1])
    theta = {name: p.detach().double() for name, p in Again(times).named_parameters()}
    run = Run(graph, theta, [{op.key: inputs.double() for op in graph.inputs}])
    for op in graph.ops:
        run.visit(op)
    visited.clear()
    first = next(op for op in graph.ops if op.varies and op.target != "input")
    run.change(graph.parameters["w"], 2 * theta["w"], [first])
    assert max(map(visited.count, visited)) == 1
    assert len(visited) <= len(graph.ops)
    assert torch.allclose(run.values[id(first)][0], inputs.double() @ (
        theta["w"] / theta["w"].norm()).T)  # fmt: skip
