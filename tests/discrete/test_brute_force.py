"""Every swap that trying finds is derived, and the other way round."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import symfind
from symfind.verify import Function
from tests.discrete.brute import Axes, symmetric_sets, unions
from tests.discrete.models import Asymmetric, Experts, Frozen, Gated, Recurrence, chain

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.GELU, nn.Identity)


def derived(model: nn.Module, x: Tensor, size: int) -> list[Axes]:
    spec = symfind.permutations(model, x, verify=False)
    return [
        frozenset((key, axis) for key, axes in spec.acts_on(name).items() for axis in axes)
        for name, p in spec.perms.items()
        if p.size == size
    ]


def check(model: nn.Module, x: Tensor, *sizes: int) -> int:
    """Compare at every size; returns how many sets were found."""
    function = Function(model, (x,))
    total = 0
    for size in sizes:
        tried = symmetric_sets(function, size)
        assert tried == unions(derived(model, x, size))
        total += len(tried)
    return total


@pytest.mark.parametrize(
    ("model", "inputs", "sizes", "count"),
    [
        (lambda: chain(3, 5, 4, 2, activation=nn.ReLU()), (6, 3), (5, 4, 3, 2), 2),
        (lambda: chain(3, 4, 4, 2, activation=nn.ReLU()), (6, 3), (4, 3), 3),
        (Recurrence, (6, 3), (4,), 1),
        (Gated, (6, 3), (5, 3), 1),
        (Experts, (6, 4), (3, 5), 2),
        (Asymmetric, (6, 4), (5, 4), 0),
        (lambda: Frozen(torch.arange(1.0, 5.0)), (6, 3), (4,), 0),
        (lambda: Frozen(torch.ones(4)), (6, 3), (4,), 1),
    ],
)  # fmt: skip
def test_known_networks(model, inputs, sizes, count) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    assert check(model(), torch.randn(inputs), *sizes) == count


class Random(nn.Module):
    """Layers of few widths with skips, so that indices are shared at random."""

    def __init__(self, widths: list[int], activation: type[nn.Module], norm: bool) -> None:
        super().__init__()
        pairs = zip([3, *widths], widths, strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
        self.norm = nn.LayerNorm(widths[-1]) if norm else nn.Identity()
        self.act, self.head = activation(), nn.Linear(widths[-1], 2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = self.act(layer(x))
            x = x + y if x.shape == y.shape else y
        return self.head(self.norm(x))


@given(
    st.lists(st.sampled_from([4, 5]), min_size=1, max_size=3),
    st.sampled_from(ACTIVATIONS),
    st.booleans(),
)
@settings(max_examples=8, derandomize=True, deadline=None)
def test_random_networks(widths: list[int], activation: type[nn.Module], norm: bool) -> None:
    torch.manual_seed(0)
    check(Random(widths, activation, norm), torch.randn(6, 3), *set(widths))
