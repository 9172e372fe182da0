"""What families add to a growing span is what ranks say, also where they nearly depend."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.count import tally as module
from symfind.count.counted import counted
from symfind.count.growing import Basis, added
from symfind.count.rank import Span
from symfind.count.rank_increment import press, remainder
from symfind.count.symbols import AxisSymbols, Symbols
from symfind.count.tally import tally
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.ground_truth.models import CASES


def rank(matrix: Tensor) -> int:
    return int(torch.linalg.matrix_rank(matrix, rtol=1e-9)) if matrix.shape[1] else 0


def unit(block: Tensor) -> Tensor:
    norms = block.norm(dim=0)
    return block / torch.where(norms > 0, norms, torch.ones_like(norms))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=5),
    st.sampled_from([0.0, 1e-3, 1e-6]),
)
def test_every_block_adds_the_difference_of_ranks(
    blocks: list[tuple[int, int]], apart: float
) -> None:
    rng = torch.Generator().manual_seed(len(blocks))
    whole, basis = torch.zeros(12, 0, dtype=torch.float64), Basis(12)
    for inside, outside in blocks:  # in the span so far, or beside it by a little; and outside
        mix = torch.randn(whole.shape[1], inside, generator=rng, dtype=torch.float64)
        near = torch.randn(12, inside, generator=rng, dtype=torch.float64)
        free = torch.randn(12, outside, generator=rng, dtype=torch.float64)
        block = unit(torch.cat([whole @ mix + apart * near, free, torch.zeros(12, 1)], 1))
        grown = torch.cat([whole, block], 1)
        assert basis.add(block) == rank(grown) - rank(whole)
        whole = grown


NAMES = ("multihead-self", "vit-2", "mixer-1", "lora", "residual-linear")


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda c: c.name)
def test_families_add_at_once_what_they_add_one_by_one(case) -> None:
    model, args, kwargs = (*case.build(), {})[:3]
    graph = trace(model, args, kwargs or {}, train=case.train)
    rng = torch.Generator().manual_seed(0)
    theta = {
        n: torch.randn(tuple(op.shape), generator=rng, dtype=torch.float64)
        for n, op in graph.parameters.items()
    }
    families, point = derive(graph).families, Point(theta)
    span = Span(families, [point])
    assert added(families, [point]) == [span.increment(i) for i in range(len(families))]


def test_directions_that_are_too_many_to_be_made_at_once(monkeypatch) -> None:
    model = torch.nn.Sequential(*(torch.nn.Linear(n, m, bias=False) for n, m in ((3, 9), (9, 2))))
    args = (torch.zeros(1, 3),)
    graph = trace(model, args, {})
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}

    def orbits() -> list[tuple[int, int]]:
        derivation = derive(graph)
        found = tally(derivation.families, derivation.parameters, shapes, AxisSymbols())
        return [(t.algebra, t.orbit) for t in found]

    at_once = orbits()
    monkeypatch.setattr(module, "affordable", lambda *_: False)
    assert orbits() == at_once
    assert sum(orbit for _, orbit in at_once) == 9 * 5 - 2 * 3  # of rank two they have as many left


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-6])
def test_what_is_left_of_columns_is_orthogonal_however_little_it_is(apart: float) -> None:
    rng = torch.Generator().manual_seed(3)
    q = torch.linalg.qr(torch.randn(40, 12, generator=rng, dtype=torch.float64)).Q
    inside = q @ torch.randn(12, 5, generator=rng, dtype=torch.float64)
    block = unit(inside + apart * torch.randn(40, 5, generator=rng, dtype=torch.float64))
    left = remainder(q, block)
    assert float((q.T @ (left / left.norm(dim=0))).abs().max()) < 1e-13


def test_a_count_with_other_names_looks_at_no_twin_again(monkeypatch) -> None:
    widths = ((300, 9), (9, 300))
    model = torch.nn.Sequential(*(torch.nn.Linear(n, m, bias=False) for n, m in widths))
    graph = trace(model, (torch.zeros(1, 300),), {})
    derivation = derive(graph)
    first = counted(graph, derivation, Symbols({"inner": 9}))
    assert first.seen
    fresh = counted(graph, derivation, AxisSymbols())
    monkeypatch.setattr(module, "_measured", None)
    again = counted(graph, derivation, AxisSymbols(), seen=first.seen)
    assert [str(t.orbit_formula) for t in again.tallies] == [
        str(t.orbit_formula) for t in fresh.tallies
    ]
    assert again.redundant == first.redundant == 81


def test_numbers_alone_are_counted_at_the_sizes_that_are_there() -> None:
    widths = ((70, 30), (30, 61))
    model = torch.nn.Sequential(*(torch.nn.Linear(n, m, bias=False) for n, m in widths))
    graph = trace(model, (torch.zeros(1, 70),), {})
    derivation = derive(graph)
    one, other = (counted(graph, derivation, Symbols({}), numbers=n) for n in (False, True))
    assert one.seen and not other.seen
    assert one.redundant == other.redundant == 900


def test_tall_directions_are_pressed_and_add_the_same() -> None:
    widths = ((40, 3), (3, 60), (60, 4))
    layers = [torch.nn.Linear(n, m) for n, m in widths]
    model = torch.nn.Sequential(layers[0], torch.nn.LayerNorm(3), layers[1], layers[2])
    graph = trace(model, (torch.zeros(1, 40),), {})
    rng = torch.Generator().manual_seed(0)
    theta = {
        n: torch.randn(tuple(op.shape), generator=rng, dtype=torch.float64)
        for n, op in graph.parameters.items()
    }
    families, points = derive(graph).families, [Point(theta)]
    small = [f for f in families if f.count() < 40]
    assert small and press(sum(v.numel() for v in theta.values()), 40) is not None
    span = Span(small, points)
    assert added(small, points) == [span.increment(i) for i in range(len(small))]
