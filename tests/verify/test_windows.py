"""Convolutions as products with windows: the same values, and the same rows of Jacobians."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from symfind.verify import Function
from symfind.verify.rows import Rows
from symfind.verify.windows import Windows

_aten = torch.ops.aten
CASES = {
    "stride, dilation and groups": (torch.conv1d, (2, 4, 9), (6, 2, 3), (2, 1, 2, 2)),
    "a size for each axis": (torch.conv2d, (2, 4, 9, 8), (6, 2, 3, 2), ((2, 1), (1, 0), 1, 2)),
    "without a batch": (torch.conv2d, (4, 9, 8), (6, 4, 3, 2), ()),
    "one size for all axes": (_aten.conv2d.default, (2, 4, 9, 8), (6, 4, 3, 2), ([2], [1])),
    "three axes": (torch.conv3d, (2, 4, 5, 4, 3), (6, 2, 3, 2, 2), (1, (1, 0, 1), (1, 2, 1), 2)),
    "three axes, transposed": (
        torch.conv_transpose3d, (2, 4, 3, 2, 3), (4, 3, 2, 2, 3), (2, 1, 1, 1),
    ),
    "in groups, transposed": (torch.conv_transpose2d, (2, 4, 3, 5), (4, 3, 2, 3), (2, 1, 0, 2)),
    "transposed": (torch.conv_transpose1d, (2, 4, 5), (4, 3, 4), (2, 1, 0, 1, 2)),
    "with output padding": (
        torch.conv_transpose2d, (2, 4, 5, 6), (4, 3, 4, 3), (2, 1, 1, 2, 1),
    ),
    "same": (torch.conv2d, (2, 4, 9, 8), (6, 4, 3, 3), (1, "same")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_values(case: str) -> None:
    function, shape, kernel, settings = CASES[case]
    torch.manual_seed(0)
    x, weight = torch.randn(shape).double(), torch.randn(kernel).double()
    with torch.no_grad():
        channels = function(x, weight, None, *settings).shape[1 if len(shape) == len(kernel) else 0]
    bias = torch.randn(channels).double()
    expected = function(x, weight, bias, *settings)
    with Windows():
        found = function(x, weight, bias, *settings)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", CASES)
def test_derivatives(case: str) -> None:
    """By input and weights: backwards twice, forwards, of many inputs and cotangents at once."""
    function, shape, kernel, settings = CASES[case]
    rng = torch.Generator().manual_seed(0)
    draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64)  # noqa: E731
    x, weight, dx, dw = draw(*shape), draw(*kernel), draw(*shape), draw(*kernel)

    def value(x: Tensor, w: Tensor) -> Tensor:
        return function(x, w, None, *settings)

    def turned(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        back = draw(*value(x, w).shape)
        first = torch.autograd.grad((value(x, w) * back).sum(), (x, w), create_graph=True)
        again = sum(g.square().sum() for g in first)
        return *first, *torch.autograd.grad(again, (x, w))

    def of_many(w: Tensor) -> tuple[Tensor, Tensor]:
        several, cotangents = draw(3, *shape), draw(2, *value(x, w).shape)

        def one(x: Tensor) -> Tensor:
            _, pull = torch.func.vjp(lambda w: value(x, w), w)
            return torch.func.vmap(lambda c: pull(c)[0])(cotangents)

        def along(x: Tensor) -> Tensor:
            return torch.func.vmap(lambda d: torch.func.jvp(lambda w: value(x, w), (w,), (d,))[1])(
                directions
            )

        directions = draw(2, *kernel)
        return torch.func.vmap(one)(several), torch.func.vmap(along)(several)

    def all_of_it() -> list[Tensor]:
        rng.manual_seed(1)
        leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
        moved = torch.func.jvp(value, (x, weight), (dx, dw))[1]
        return [*turned(*leaves), moved, *of_many(weight)]

    expected = all_of_it()
    with Windows():
        found = all_of_it()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = weight_norm(nn.Conv1d(2, 3, 3, padding=2, dilation=2))
        self.two = nn.ConvTranspose1d(3, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.tanh(self.one(x)))


def test_rows_of_many_inputs_are_those_of_each() -> None:
    function = Function(Normed(), (torch.randn(1, 2, 6),))
    theta = function.random_point(torch.Generator().manual_seed(0))
    rows = Rows(
        function,
        lambda rng: function.inputs._replace(args=(torch.randn(1, 2, 6, generator=rng).double(),)),
        torch.Generator().manual_seed(1),
    )
    rows.prepare(theta)
    block = rows.block(theta, 0)
    assert rows.batched
    calls = rows._inputs(0).calls
    rows._rng = torch.Generator().manual_seed(function.count)
    again = function.pullback(theta, calls[0], rows._cotangents(len(calls))[0])
    torch.testing.assert_close(block[: len(again)], again)
