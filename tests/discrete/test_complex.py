"""Complex numbers: their two parts are not exchanged, and no part changes its sign alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symfind.solve.families.family import MatrixFamily
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.discrete.generators import false, groups, net

X = torch.randn(6, 3)
tanh, whole = torch.tanh, torch.view_as_complex


def pairs(z: Tensor) -> Tensor:
    return z.unflatten(-1, (-1, 2))


def parts(z: Tensor) -> Tensor:
    return torch.view_as_real(z).flatten(1)


def gram(m: nn.Module, x: Tensor) -> Tensor:
    u = whole(m.u)
    return (x.to(u.dtype) @ (u @ u.mH)).real @ m.c.T


def filtered(m: nn.Module, x: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(x @ m.a.T) * whole(m.w), n=4) @ m.c.T


MODELS: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "product": (
        lambda: net(lambda m, x: parts(whole(pairs(x @ m.a.T)) * whole(m.w)) @ m.c.T,
                    a=(6, 3), w=(3, 2), c=(2, 6)), ["S_3"],
    ),
    "angle": (
        lambda: net(lambda m, x: whole(pairs(x @ m.a.T)).angle().sin() @ m.c.T,
                    a=(6, 3), c=(2, 3)), [],
    ),
    "square": (
        lambda: net(lambda m, x: (whole(pairs(x @ m.a.T)) ** 2).imag @ m.c.T,
                    a=(6, 3), c=(2, 3)), ["S_3"],
    ),
    "gram": (lambda: net(gram, u=(3, 2, 2), c=(2, 3)), []),  # S_2 lies in O(2)
    "filter": (lambda: net(filtered, a=(4, 3), w=(3, 2), c=(2, 4)), []),
    "rolled": (
        lambda: net(lambda m, x: parts(whole(pairs(tanh(x @ m.a.T))).roll(1, -1)) @ m.c.T,
                    a=(6, 3), c=(2, 6)), ["S_3"],
    ),
    "two-wires": (
        lambda: net(lambda m, x: (torch.complex(x @ m.a.T, x @ m.b.T) * whole(m.w)).real @ m.c.T,
                    a=(3, 3), b=(3, 3), w=(3, 2), c=(2, 3)), ["S_3"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_numbers_are_permuted_and_their_parts_are_not(name: str) -> None:
    build, expected = MODELS[name]
    model = build()
    assert groups(model, X) == expected
    assert not false(model, X)


def test_pairs_of_reals_that_are_added_are_exchanged() -> None:
    model = net(lambda m, x: pairs(tanh(x @ m.a.T)).sum(-1) @ m.c.T, a=(6, 3), c=(2, 3))
    assert groups(model, X) == ["S_2 wr S_3"]
    assert not false(model, X)


def mixing(model: nn.Module) -> list[MatrixFamily]:
    families = derive(trace(model, (X,), {})).families
    return [f for f in families if isinstance(f, MatrixFamily) and f.axis.size == 3]


@pytest.mark.parametrize("phase", ["polar", "exp", "sum"])
def test_no_real_matrix_passes_through_complex_numbers_made_of_weights(phase: str) -> None:
    """Γ R Γ⁻¹ is complex where Γ is, and the weights behind it are real."""
    gains = {
        "polar": lambda m: torch.polar(m.r, m.t),
        "exp": lambda m: m.r * torch.exp(1j * m.t),
        "sum": lambda m: m.r + 1j * m.t,
    }[phase]
    complexes = net(lambda m, x: parts(gains(m) * whole(pairs(x @ m.a.T))) @ m.c.T,
                    r=(3,), t=(3,), a=(6, 3), c=(2, 6))  # fmt: skip
    reals = net(lambda m, x: (m.r * m.t * (x @ m.a.T)) @ m.c.T,
                r=(3,), t=(3,), a=(3, 3), c=(2, 3))  # fmt: skip
    assert not mixing(complexes)
    assert mixing(reals)
    assert not false(complexes, X)
