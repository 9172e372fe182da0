"""Means: sums, divided by how many terms they have."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from symfind.exact.rules.registry import rule
from symfind.exact.tape import Tape, Value

Sizes = int | Sequence[int]


@rule("mean")
def mean(t: Tape, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    """Over some dimensions, or all."""
    dims = list(range(len(x.shape))) if dim is None or dim == [] else dim
    total = t.linear(lambda a: a.sum(dims, keepdim), x)
    count = max(x.real.numel(), 1) // max(total.real.numel(), 1)
    return t.scale(total, Fraction(1, count))


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    t: Tape,
    x: Value,
    kernel: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Value:
    """Over windows; how many entries count may differ at the edges."""
    spatial = 1 if isinstance(kernel, int) else len(kernel)
    kernel, padding = _listed(kernel, spatial), _listed(padding, spatial)
    stride = _listed(stride, spatial) if stride else kernel
    if spatial == 1:  # only the others take a divisor
        wide = t.linear(lambda a: a.unsqueeze(-2), x)
        kernel, stride, padding = [1, *kernel], [1, *stride], [0, *padding]
        y = avg_pool(t, wide, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
        return t.linear(lambda a: a.squeeze(-2), y)
    pool = functional.avg_pool2d if spatial == 2 else functional.avg_pool3d

    def total(a: Tensor) -> Tensor:
        return pool(a, kernel, stride, padding, ceil_mode, count_include_pad, 1)

    ones = torch.ones_like(x.real)
    counts = total(ones) / pool(
        ones, kernel, stride, padding, ceil_mode, count_include_pad, divisor
    )
    return _divided(t, t.linear(total, x), counts.round())


def _listed(value: Sizes, count: int) -> list[int]:
    sizes = [value] if isinstance(value, int) else list(value)
    return sizes * count if len(sizes) == 1 else sizes


@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(t: Tape, x: Value, sizes: Sizes) -> Value:
    """Over windows that cover the input, which differ in size: [i n / m, (i + 1) n / m)."""
    targets = [sizes] if isinstance(sizes, int) else list(sizes)
    y = x
    for dim, target in zip(range(-len(targets), 0), targets, strict=True):
        length = x.shape[dim]
        ends = [(i * length // target, -(-(i + 1) * length // target)) for i in range(target)]
        window = torch.zeros(target, length, dtype=torch.float64)
        for i, (first, last) in enumerate(ends):
            window[i, first:last] = 1.0
        y = t.linear(lambda a, d=dim, w=window: (a.movedim(d, -1) @ w.T).movedim(-1, d), y)
        counts = torch.tensor([last - first for first, last in ends], dtype=torch.float64)
        y = _divided(t, y, counts.reshape(-1, *[1] * (-dim - 1)))
    return y


def _divided(t: Tape, total: Value, counts: Tensor) -> Value:
    """Divide by whole numbers, exactly; over their least common multiple."""
    whole = math.lcm(*(int(n) for n in counts.unique()))
    return t.scale(t.multiply(total, t.lift(whole / counts)), Fraction(1, whole))
