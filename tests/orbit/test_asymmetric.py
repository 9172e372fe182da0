"""Networks made asymmetric on purpose (Lim et al. 2024): what is left of their symmetry.

Linear 5-6-4-3 with biases: 79 entries, of which k in each of the 13 rows are fixed.
"""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import symfind
from tests.orbit.models import mlp

SIZES = [(5, 6), (6, 4), (4, 3)]


class WAsymmetric(nn.Module):
    """Weights are trained where a mask has ones; `published`: as weight · mask + fixed."""

    def __init__(self, k: int, activation: Callable[[Tensor], Tensor], published: bool) -> None:
        super().__init__()
        self.activation, self.published = activation, published
        for i, (n, m) in enumerate(SIZES):
            free = torch.rand(m, n).argsort(1) >= k
            self.register_buffer(f"free{i}", free)
            self.register_buffer(f"fixed{i}", torch.randn(m, n) * ~free)
            shape = (m, n) if published else (int(free.sum()),)
            self.register_parameter(f"weight{i}", nn.Parameter(torch.randn(shape)))
            self.register_parameter(f"bias{i}", nn.Parameter(torch.randn(m)))

    def forward(self, x: Tensor) -> Tensor:
        for i in range(len(SIZES)):
            free, fixed, weight, bias = (
                getattr(self, f"{part}{i}") for part in ("free", "fixed", "weight", "bias")
            )
            w = weight * free + fixed if self.published else fixed.masked_scatter(free, weight)
            x = F.linear(self.activation(x) if i else x, w, bias)
        return x


class SigmaAsymmetric(nn.Module):
    """Every unit is gated by a fixed mixture of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in SIZES)
        for i, (_, m) in enumerate(SIZES):
            self.register_buffer(f"mix{i}", torch.randn(m, m))

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = x * torch.sigmoid(x @ getattr(self, f"mix{i}"))
        return self.layers[-1](x)


def linear(x: Tensor) -> Tensor:
    return x


def counted(model: nn.Module) -> tuple[int, int | None, int, int]:
    """Entries, measured and derived nullity, permutations."""
    session = symfind.open(model, torch.randn(7, 5))
    found = session.report().certificate
    assert found.status == "complete"
    return found.parameters, found.nullity, found.redundant, len(session.group.spec.perms)


@pytest.mark.parametrize(
    ("activation", "nullity"), [(nn.ReLU, 10), (nn.GELU, 0), (nn.Identity, 61)]
)
def test_plain_layers(activation: type[nn.Module], nullity: int) -> None:
    assert counted(mlp(5, 6, 4, 3, activation=activation))[:3] == (79, nullity, nullity)


@pytest.mark.parametrize(
    ("activation", "k", "entries", "nullity"),
    [
        (torch.relu, 1, 66, 0), (torch.relu, 2, 53, 0), (F.gelu, 2, 53, 0),
        (linear, 1, 66, 48), (linear, 2, 53, 35), (linear, 3, 40, 22),
    ],
)  # fmt: skip
def test_fixed_entries_leave_the_group_of_linear_layers(
    activation: Callable[[Tensor], Tensor], k: int, entries: int, nullity: int
) -> None:
    torch.manual_seed(0)
    model = WAsymmetric(k, activation, published=False)
    assert counted(model) == (entries, nullity, nullity, 0)


def test_the_published_form_keeps_inert_entries() -> None:
    torch.manual_seed(0)
    model = WAsymmetric(2, torch.relu, published=True)
    assert counted(model) == (79, 26, 26, 0)
    kinds = {f.kind for f in symfind.analyze(model, torch.randn(7, 5)).factors}
    assert kinds == {"inert"}


def test_mixed_gates_leave_nothing() -> None:
    torch.manual_seed(0)
    assert counted(SigmaAsymmetric()) == (79, 0, 0, 0)


@pytest.mark.parametrize("form", ["pins", "balanced", "canonical"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_mask_holds_what_fixed_entries_left(k: int, form: str) -> None:
    torch.manual_seed(0)
    model = WAsymmetric(k, linear, published=False)
    found = symfind.fix(model, model.state_dict(), torch.randn(7, 5), form)
    assert found.proof.redundant == found.proof.nullity == {1: 48, 2: 35, 3: 22}[k]
    assert found.proof.unexplained == 0 and found.residual < 1e-10
