"""Shapes and layouts that are told at once are those that torch finds."""

import pytest
import torch
from torch import Tensor

from symfind.trace import shapes

aten = torch.ops.aten


def x(*sizes: int) -> Tensor:
    return torch.randn(sizes)


def numbered(calls: list) -> list[str]:
    """The operation of every call, and a number: random values make no names."""
    return [f"{call[0]}-{k}" for k, call in enumerate(calls)]


CALLS = [
    (aten.linear.default, (x(2, 3, 4), x(5, 4), x(5)), {}),
    (aten.linear.default, (x(4), x(5, 4)), {}),
    (aten.matmul.default, (x(2, 3, 4), x(4, 5)), {}),
    (aten.matmul.default, (x(7, 1, 3, 4), x(2, 4, 5)), {}),
    (aten.layer_norm.default, (x(2, 3, 4), [3, 4], x(3, 4), x(3, 4), 1e-5), {}),
    (aten.batch_norm.default, (x(2, 3, 4), x(3), x(3), x(3), x(3), False, 0.1, 1e-5, False), {}),
    (aten.softmax.int, (x(2, 3), -1), {}),
    (aten.mean.dim, (x(2, 3, 4), [-1, 0]), {}),
    (aten.sum.dim_IntList, (x(2, 3, 4), [1], True), {}),
    (aten.add.Tensor, (x(2, 3, 4), x(3, 1)), {"alpha": 2}),
    (aten.mul.Tensor, (x(2, 3, 4).transpose(0, 2), x(1, 2)), {}),
    (aten.mul.Tensor, (x(2, 3, 4).transpose(1, 2), x(2, 3, 4).transpose(1, 2)), {}),
    (aten.gelu.default, (x(2, 3, 4, 5).to(memory_format=torch.channels_last),), {}),
    (aten.pow.Tensor_Scalar, (x(3), 2), {}),
    (aten.scaled_dot_product_attention.default, (x(2, 4, 3, 8), x(2, 4, 5, 8), x(2, 4, 5, 8)), {}),
]


@pytest.mark.parametrize(("func", "args", "kwargs"), CALLS, ids=numbered(CALLS))
def test_told_is_what_torch_finds(func, args, kwargs) -> None:
    hollow = [a.to("meta") if isinstance(a, Tensor) else a for a in args]
    told, found = shapes.result(func, tuple(hollow), kwargs), func(*args, **kwargs)
    assert told is not None
    assert (told.shape, told.stride(), told.dtype) == (found.shape, found.stride(), found.dtype)


REFUSED = [
    (aten.linear.default, (x(2, 3), x(5, 4))),
    (aten.matmul.default, (x(4), x(4, 5))),
    (aten.add.Tensor, (x(2, 3), x(2))),
    (aten.add.Tensor, (x(2, 3), x(2, 3).double())),
    (aten.add.Tensor, (x(2, 3), x(3, 2).T)),
    (aten.mul.Tensor, (x(2), 1j)),
    (aten.relu.default, (torch.arange(3),)),
    (aten.layer_norm.default, (x(2, 4), [3])),
]


@pytest.mark.parametrize(("func", "args"), REFUSED, ids=numbered(REFUSED))
def test_what_does_not_fit_is_left_to_torch(func, args) -> None:
    assert shapes.result(func, args, {}) is None
