"""Elements that are tried: they generate, and one that fails is enough."""

import math

import pytest
import torch
from torch import nn

from symfind.discrete.elements import drawn, failing, involutions, permutations
from symfind.discrete.spec import PermutationSpec
from symfind.discrete.tensors import Permutation
from symfind.verify import Function
from tests.discrete.generators import derived, net

X = torch.randn(6, 3)


def generated(generators: list[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """All products."""
    found = {tuple(range(len(generators[0])))}
    fresh = set(found)
    while fresh:
        fresh = {tuple(p[i] for i in g) for p in fresh for g in generators} - found
        found |= fresh
    return found


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_two_generate_every_copy(n: int, seed: int) -> None:
    spec = PermutationSpec({"P": Permutation("P", n, (2,))})
    rng = torch.Generator().manual_seed(seed)
    two = [e.perms["P"] for e in permutations(spec, ["P"], 0, rng)]
    for copy in range(2):
        assert len(generated([tuple(e[copy].tolist()) for e in two])) == math.factorial(n)


@pytest.mark.parametrize("seed", range(20))
def test_no_element_is_the_identity(seed: int) -> None:
    spec = PermutationSpec({"P": Permutation("P", 2)})
    rng = torch.Generator().manual_seed(seed)
    for e in permutations(spec, ["P"], 16, rng):
        assert e.perms["P"].tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("unit", [0, 3])
def test_one_sign_of_many_that_does_not_hold_is_seen(seed: int, unit: int) -> None:
    """Half of all elements leave that sign alone; what acts on all does not."""

    def mixed(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(x @ m.a.T)
        even = torch.arange(4) == unit
        return torch.where(even, h + h.square(), h) @ m.c.T

    odd = net(lambda m, x: torch.tanh(x @ m.a.T) @ m.c.T, a=(4, 3), c=(2, 4))
    _, sites = derived(odd, X)
    (family,) = (s.family for s in sites if s.family is not None)
    rng = torch.Generator().manual_seed(seed)
    for model, expected in ((odd, set()), (net(mixed, a=(4, 3), c=(2, 4)), {"sign"})):
        function = Function(model, (X,))
        tried = {"sign": list(involutions(family, drawn(function), rng))}
        worst, failed = failing(function, function.random_point(rng), tried)
        assert failed == expected and worst < 1e-12
