"""Fields tensor by tensor: what is absorbed is exact, nothing is lost, and size has a limit."""

import pytest
import torch
from torch import nn

import symfind.discovery.equation as equation
from symfind.discovery.absorb import absorb
from symfind.discovery.dictionary import NEAR, Dictionary, tier
from symfind.discovery.equation import independent, solve
from symfind.discovery.gains import dresses
from symfind.discovery.rationalise import rationalise
from symfind.discovery.search import search
from tests.discovery.test_equation import plain, samples_of, two_layers


def test_what_is_absorbed_is_exact() -> None:
    """A bond without a nonlinearity: columns are multiples of ones with entries 1 and -1."""
    part, shapes = samples_of(two_layers(nn.Identity()), 16, 3)
    unknowns = independent(plain(shapes), part)
    columns, used = absorb(unknowns.by_target(), unknowns.count, part)
    assert columns.shape[1] == 16 and used > 0
    scaled = columns / columns.abs().amax(0)
    assert set(scaled.unique().tolist()) <= {-1.0, 0.0, 1.0}
    # and exactly null at a point that was not used
    sample = part[used + 50]
    seen = unknowns.apply(sample.rows, sample, part.slices)[:, unknowns.kept] @ columns
    assert float(seen.norm()) < 1e-13


@pytest.mark.parametrize("eps", [0.0, 1e-2])
def test_a_larger_dictionary_loses_nothing(eps: float) -> None:
    """With many more fields than a bias has entries, few points would let in accidents."""
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5, eps=eps), nn.Linear(5, 10))
    part, shapes = samples_of(model, 16, 4)
    gains = dresses(shapes, part)
    dictionary = Dictionary()
    dimension = 0
    for name in NEAR:
        dictionary.extend(tier(name, shapes, gains), 10_000)
        solution = solve(independent(dictionary.blocks, part), part)
        assert solution.settled and solution.null.shape[1] >= dimension
        assert solution.spectrum.kept - solution.spectrum.dropped > 6
        dimension = solution.null.shape[1]
    assert dimension >= 28 - (eps > 0)  # so many directions there are, some times functions of θ


def test_points_decide_what_few_entries_cannot() -> None:
    """Irrational solutions are kept as they are: absorption rounds nothing that is no fraction."""
    part, shapes = samples_of(nn.Sequential(nn.Linear(3, 3, bias=False), Turned()), 16, 3)
    unknowns = independent(plain([s for s in shapes if s.name == "0.weight"]), part)
    columns, _ = absorb(unknowns.by_target(), unknowns.count, part)
    solution = solve(unknowns, part)
    assert columns.shape[1] == solution.null.shape[1] == 1
    ratio = columns[:, 0] / columns[:, 0].abs().max()
    assert not rationalise(ratio)[1]


class Turned(nn.Module):
    """The length of two coordinates, in a frame that no fraction describes."""

    def forward(self, x):
        scale = torch.tensor([1.0, 2.0**0.25, 0.0], dtype=x.dtype)
        rest = torch.tensor([0.0, 0.0, 1.0], dtype=x.dtype)
        return torch.stack([(x * scale).square().sum(-1), (x * rest).sum(-1)], -1)


def test_what_is_too_large_to_solve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    part, shapes = samples_of(two_layers(nn.Identity()), 16, 3)
    unknowns = independent(plain(shapes), part)
    assert not solve(unknowns, part).crowded
    monkeypatch.setattr(equation, "MOST_UNKNOWNS", 15)  # sixteen are left
    crowded = solve(unknowns, part)
    assert crowded.crowded and not crowded.settled
    result = search(shapes, part, dict, lambda found: False, 10_000, ("own",), lambda text: None)
    assert result.found is None and "0.weight -> {} 0.weight" in result.left_out
