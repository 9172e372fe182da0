"""What is set aside as independent is so in numbers, never where an algebra has a stabiliser."""

import pytest
import torch
from torch import nn

from symfind.count.independence import independent
from symfind.count.rank import directions, rank
from symfind.count.representatives import representatives
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.ground_truth.models import CASES

ASIDE = {  # at least so many; fewer would mean that the structure is no longer seen
    "relu-6-5-4-6": 2, "attention-bias": 4, "gpt2-2-tied": 17, "llama-2-untied": 12, "vit-2": 20,
}  # fmt: skip


def families_of(model, args, kwargs=None, **more):
    graph = trace(model, args, kwargs or {}, **more)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
    return derive(graph).families, shapes


def spanned(families, shapes):
    generator = torch.Generator().manual_seed(0)
    values = {
        n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()
    }
    sizes = {name: value.numel() for name, value in values.items()}
    return rank(directions(Point(values), families, sizes))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_what_is_set_aside_adds_all_that_it_has(case):
    families, shapes = families_of(*case.build(), train=case.train)
    families = [f for f in families if f.count() and f.kind != "inert"]
    aside = independent(families)
    rest = [f for i, f in enumerate(families) if i not in aside]
    added = sum(families[i].count() for i in aside)
    assert spanned(families, shapes) == added + spanned(rest, shapes)
    assert len(aside) >= ASIDE.get(case.name, 0)


def test_a_bond_wider_than_its_sides_is_not_set_aside():
    """Linear 3 -> 9 -> 2: gl(9) has matrices that fix both weights."""
    model = nn.Sequential(nn.Linear(3, 9, bias=False), nn.Linear(9, 2, bias=False))
    families, shapes = families_of(model, (torch.zeros(1, 3),))
    assert not independent(families)
    assert spanned(families, shapes) < sum(f.count() for f in families)


def test_two_ways_to_move_one_block_are_not_independent():
    """Both bonds of 4 -> 4 -> 4 act on the middle weight, and have a block each beside it."""
    layers = [nn.Linear(4, 4, bias=False) for _ in range(3)]
    families, _ = families_of(nn.Sequential(*layers), (torch.zeros(1, 4),))
    assert len(independent(families)) == 2
    outer = [f for f in families if len(f.names) == 2]
    middle = "1.weight"
    for family in outer:
        family.members[:] = [m for m in family.members if m.source.key == middle]
        family.sources = tuple(m.source for m in family.members)
    assert not independent(families)


def test_layers_that_share_nothing_are_counted_once():
    class Layers(nn.Module):
        def __init__(self, depth):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).softmax(-1)
            return x

    families, _ = families_of(Layers(7), (torch.zeros(2, 4),))
    chosen, stands = representatives(families)
    assert sorted(stands) == list(range(len(families)))
    assert len(chosen) <= 3 * len(families) // 7
