"""Layers and blocks on [batch, channels, *space], as torch.nn offers them and papers publish."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fuzz.draw import Draw, Run, Shape, Step
from tests.fuzz.layers import activation, divisor

CONV: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
BACK: Any = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH: Any = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE: Any = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
LARGEST: Any = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEAN: Any = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def channels(d: Draw) -> int:
    return d.one((3, 4, 4, 6))


class LastNorm(nn.LayerNorm):
    """A LayerNorm over channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def norm_of(d: Draw, x: Shape) -> nn.Module:
    n, k = x[0], len(x) - 1
    return d.one([
        lambda: BATCH[k](n), lambda: BATCH[k](n), lambda: BATCH[k](n, affine=False),
        lambda: nn.GroupNorm(divisor(d, n), n), lambda: nn.GroupNorm(1, n),
        lambda: INSTANCE[k](n, affine=True), lambda: INSTANCE[k](n),
        lambda: LastNorm(n) if n > 2 else BATCH[k](n),
    ])()  # fmt: skip


def conv(d: Draw, x: Shape, out: int, k: int = 3, groups: int = 1, **more: Any) -> nn.Module:
    made: nn.Module = CONV[len(x) - 1](x[0], out, k, groups=groups, padding=k // 2,
                                       bias=d.chance(0.5), **more)  # fmt: skip
    return made


def convolution(d: Draw, x: Shape) -> Step:
    n, how = x[0], d.one(("plain", "plain", "pointwise", "depthwise", "grouped", "strided",
                          "dilated", "back", "wider depthwise"))  # fmt: skip
    k = len(x) - 1
    groups = divisor(d, n) if how == "grouped" else n
    wide = groups * max(1, channels(d) // groups)
    space = 3 if k < 3 else 2
    f = {
        "plain": lambda: conv(d, x, channels(d)), "pointwise": lambda: conv(d, x, channels(d), 1),
        "depthwise": lambda: conv(d, x, n, groups=n),
        "wider depthwise": lambda: conv(d, x, 2 * n, groups=n),
        "grouped": lambda: conv(d, x, wide, groups=groups),
        "strided": lambda: conv(d, x, channels(d), stride=2),
        "dilated": lambda: CONV[k](n, channels(d), space, dilation=2, padding=2),
        "back": lambda: BACK[k](n, channels(d), 2, stride=2, bias=d.chance(0.5)),
    }[how]()  # fmt: skip
    return Step(lambda m, x: m.f(x), f"convolution: {how}", f=f)


def plain(d: Draw, x: Shape) -> Step:
    """What stands behind a convolution: a norm or none, and a function."""
    f = nn.PReLU(x[0]) if d.chance(0.1) else activation(d)
    between = d.one([lambda: nn.Identity()] * 3 + [lambda: norm_of(d, x)] * 2 + [
        lambda: nn.LocalResponseNorm(2)])()  # fmt: skip
    text = f"{type(between).__name__} {type(f).__name__}"
    return Step(lambda m, x: m.f(m.g(x)), text, f=f, g=between)


def resized(d: Draw, x: Shape) -> Step:
    k, how = len(x) - 1, d.one(("largest", "mean", "nearest", "smooth", "power", "adaptive"))
    if min(x[1:]) < 4:
        how = d.one(("nearest", "smooth", "adaptive"))
    runs: dict[str, Any] = {
        "largest": lambda: LARGEST[k](2), "mean": lambda: MEAN[k](2),
        "nearest": lambda: nn.Upsample(scale_factor=2), "power": lambda: nn.LPPool2d(2, 2)
        if k == 2 else MEAN[k](2),
        "smooth": lambda: nn.Upsample(scale_factor=2, mode=LINEAR[k]),
        "adaptive": lambda: [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d
                             ][k - 1](2),
    }  # fmt: skip
    return Step(lambda m, x: m.f(x), f"resized: {how}", f=runs[how]())


def shuffled(d: Draw, x: Shape) -> Step:
    n, k, how = x[0], len(x) - 1, d.one(("channels", "out", "in", "unit"))
    if how == "channels" and n % 2 == 0:
        return Step(lambda m, x: m.b(m.f(m.g(m.a(x)))), "ChannelShuffle", f=nn.ChannelShuffle(2),
                    a=conv(d, x, n, 1, 2), g=activation(d), b=conv(d, x, n, 1, 2))  # fmt: skip
    if how == "unit" and n % 2 == 0:
        half = (n // 2, *x[1:])

        def run(m: Any, x: Tensor) -> Tensor:
            one, two = x.chunk(2, 1)
            return m.s(torch.cat([one, m.g(m.b(m.a(two)))], 1))

        return Step(run, "shuffle unit", a=conv(d, half, n // 2, 1), g=activation(d),
                    b=conv(d, half, n // 2, 3, n // 2), s=nn.ChannelShuffle(2))  # fmt: skip
    if how == "in" and k == 2 and x[1] % 2 == 0 and x[2] % 2 == 0:
        return Step(lambda m, x: m.a(m.f(x)), "PixelUnshuffle", f=nn.PixelUnshuffle(2),
                    a=conv(d, (4 * n, *x[1:]), channels(d), 1))  # fmt: skip
    if k == 2:
        return Step(lambda m, x: m.f(m.a(x)), "PixelShuffle", f=nn.PixelShuffle(2),
                    a=conv(d, x, 4 * d.size(), 1))  # fmt: skip
    return convolution(d, x)


def residual(d: Draw, x: Shape) -> Step:
    n, k = x[0], d.one((3, 4))
    how = d.one(("after", "before", "inverted", "next", "rep", "ghost"))
    inner, deep = (k, *x[1:]), d.one((1, 3))
    a, f, g = conv(d, x, k, deep), activation(d), activation(d)
    parts: dict[str, Any] = {
        "after": lambda: {"a": a, "na": norm_of(d, inner), "b": conv(d, inner, n, 1),
                          "nb": norm_of(d, x)},
        "before": lambda: {"na": norm_of(d, x), "a": a, "nb": norm_of(d, inner),
                           "b": conv(d, inner, n, 1)},
        "inverted": lambda: {"a": conv(d, x, k, 1), "na": norm_of(d, inner),
                             "c": conv(d, inner, k, 3, k), "nb": norm_of(d, inner),
                             "b": conv(d, inner, n, 1)},
        "next": lambda: {"c": conv(d, x, n, 3, n), "na": LastNorm(n), "a": conv(d, x, k, 1),
                         "b": conv(d, inner, n, 1), "s": d.weight(n, *[1] * (len(x) - 1))},
        "rep": lambda: {"a": conv(d, x, n), "na": BATCH[len(x) - 1](n), "b": conv(d, x, n, 1),
                        "nb": BATCH[len(x) - 1](n)},
        "ghost": lambda: {"a": conv(d, x, k, 1), "c": conv(d, inner, k, 3, k)},
    }[how]()  # fmt: skip
    runs: dict[str, Run] = {
        "after": lambda m, x: m.g(x + m.nb(m.b(m.f(m.na(m.a(x)))))),
        "before": lambda m, x: x + m.b(m.g(m.nb(m.a(m.f(m.na(x)))))),
        "inverted": lambda m, x: x + m.b(m.g(m.nb(m.c(m.f(m.na(m.a(x))))))),
        "next": lambda m, x: x + m.s * m.b(m.f(m.a(m.na(m.c(x))))),
        "rep": lambda m, x: m.f(m.na(m.a(x)) + m.nb(m.b(x))),
        "ghost": lambda m, x: torch.cat([m.f(m.a(x)), m.g(m.c(m.f(m.a(x))))], 1),
    }  # fmt: skip
    return Step(runs[how], f"residual: {how}", f=f, g=g, **parts)


def looked(d: Draw, x: Shape) -> Step:
    """Attention of all kinds to channels and places."""
    n, dims, how = x[0], tuple(range(2, len(x) + 1)), d.one(("squeeze", "efficient", "both",
                                                             "far", "gate"))  # fmt: skip
    r, one = d.one((2, 3)), (1,) * (len(x) - 1)
    parts: dict[str, Any] = {
        "squeeze": lambda: {"a": nn.Linear(n, r), "b": nn.Linear(r, n), "f": activation(d)},
        "efficient": lambda: {"c": nn.Conv1d(1, 1, 3, padding=1, bias=False)},
        "both": lambda: {"a": nn.Linear(n, r), "b": nn.Linear(r, n),
                         "c": conv(d, (2, *x[1:]), 1)},
        "far": lambda: {w: CONV[len(x) - 1](n, r if w != "o" else n, 1, bias=d.chance(0.5))
                        if w != "o" else CONV[len(x) - 1](r, n, 1) for w in "qkvo"},
        "gate": lambda: {"a": conv(d, x, n, 1), "b": conv(d, x, n)},
    }[how]()  # fmt: skip

    def run(m: Any, x: Tensor) -> Tensor:
        if how == "squeeze":
            return x * m.b(m.f(m.a(x.mean(dims)))).sigmoid().unflatten(1, (-1, *one))
        if how == "efficient":
            return x * m.c(x.mean(dims)[:, None])[:, 0].sigmoid().unflatten(1, (-1, *one))
        if how == "gate":
            return m.a(x).sigmoid() * m.b(x)
        if how == "far":
            q, key, v = (w(x).flatten(2) for w in (m.q, m.k, m.v))
            return x + m.o((v @ (q.mT @ key).softmax(-1).mT).unflatten(2, x.shape[2:]))
        ends = (m.b(F.relu(m.a(y))) for y in (x.mean(dims), x.amax(dims)))
        x = x * sum(ends).sigmoid().unflatten(1, (-1, *one))
        return x * m.c(torch.cat([x.mean(1, True), x.amax(1, True)], 1)).sigmoid()

    return Step(run, f"looked: {how}", **parts)


def joined(d: Draw, x: Shape) -> Step:
    """Concatenations: dense blocks, several kernels side by side, and what a U joins."""
    n, k, how = x[0], d.size(), d.one(("dense", "kernels", "cross-stage"))
    if how == "dense":
        return Step(lambda m, x: torch.cat([x, m.a(m.f(m.norm(x)))], 1), "joined: dense",
                    norm=norm_of(d, x), a=conv(d, x, k), f=activation(d))  # fmt: skip
    if how == "cross-stage" and n % 2 == 0:
        half = (n // 2, *x[1:])

        def run(m: Any, x: Tensor) -> Tensor:
            one, two = x.chunk(2, 1)
            return m.b(torch.cat([one, two + m.f(m.a(two))], 1))

        return Step(run, "joined: cross-stage", a=conv(d, half, n // 2), f=activation(d),
                    b=conv(d, x, channels(d), 1))  # fmt: skip
    return Step(lambda m, x: m.f(torch.cat([m.a(x), m.b(x)], 1)), "joined: kernels",
                a=conv(d, x, k, 1), b=conv(d, x, k), f=activation(d))  # fmt: skip


def modulated(d: Draw, x: Shape, c: Shape) -> Step:
    """FiLM, by a condition that is one vector."""
    n, one = x[0], (1,) * (len(x) - 1)

    def run(m: Any, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = m.make(c).unflatten(1, (-1, *one)).chunk(2, 1)
        return m.norm(x) * (1 + scale) + shift

    return Step(run, "FiLM of channels", make=nn.Linear(c[-1], 2 * n), norm=norm_of(d, x))


def met(d: Draw, x: Shape, y: Shape) -> Step:
    """What a U joins, at the size of the first."""
    how = d.one(("cat", "sum"))
    f = conv(d, (x[0] + y[0] if how == "cat" else y[0], *x[1:]), x[0], 1)

    def run(m: Any, x: Tensor, y: Tensor) -> Tensor:
        y = F.interpolate(y, x.shape[2:])
        return m.f(torch.cat([x, y], 1)) if how == "cat" else x + m.f(y)

    return Step(run, f"{how} of two pictures", f=f)


def gathered(d: Draw, x: Shape) -> Step:
    """One vector of all places."""
    dims, how = tuple(range(2, len(x) + 1)), d.one(("mean", "largest", "flat"))
    runs: dict[str, Run] = {
        "mean": lambda m, x: x.mean(dims),
        "largest": lambda m, x: x.amax(dims),
        "flat": lambda m, x: x.flatten(1),
    }
    return Step(runs[how], f"gathered: {how}")


def patches(d: Draw, x: Shape) -> Step:
    """Places as tokens."""
    f = CONV[len(x) - 1](x[0], channels(d), 2, stride=2)
    return Step(lambda m, x: m.f(x).flatten(2).mT, "patches", f=f)


PICTURES = [convolution, convolution, convolution, plain, plain, plain, resized, shuffled, residual,
            residual, residual, looked, looked, joined, joined]  # fmt: skip
