"""Convolutions of small pictures that are padded with themselves, enlarged, or shrunk behind."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.rules.harness import Case, of


def around(mode: str, n: int, taps: int = 3, d: int = 1, **more: Any) -> Any:
    """A convolution of pictures with a border of their own, and one of single places."""
    kind: Any = (nn.Conv1d, nn.Conv2d)[d - 1]
    return of(lambda m, x: m.r(F.relu(m.a(x))), (9, 2, *[n] * d), r=lambda: kind(4, 2, 1),
              a=lambda: kind(2, 4, taps, padding=taps // 2, padding_mode=mode, **more))  # fmt: skip


def enlarged(run: Any, places: int, taps: int = 3, padding: int = 1) -> Any:
    """A small picture, enlarged before a convolution."""
    return of(lambda m, x: torch.tanh(m.r(run(torch.tanh(m.a(x))))), (9, 2, places, places),
              a=lambda: nn.Conv2d(2, 3, 1),
              r=lambda: nn.Conv2d(3, 2, taps, padding=padding))  # fmt: skip


def shrunk(run: Any, n: int) -> Any:
    """Means of what a convolution makes."""
    return of(lambda m, x: m.r(torch.tanh(run(m.a(x)))), (9, 2, n, n),
              a=lambda: nn.Conv2d(2, 3, 3, padding=1), r=lambda: nn.Conv2d(3, 2, 1))  # fmt: skip


def twice(z: Any) -> Any:
    return F.interpolate(z, scale_factor=2)


CASES = [
    *(Case(f"{n} places {mode}", "conv1d", around(mode, n))
      for mode in ("circular", "reflect", "replicate") for n in (2, 3, 4)),
    *(Case(f"{n} places in a circle, five taps", "conv1d", around("circular", n, 5))
      for n in (3, 4, 5)),
    *(Case(f"{n} places by {n} in a circle", "conv2d", around("circular", n, d=2))
      for n in (2, 3)),
    Case("places in a circle, every other", "conv1d", around("circular", 4, stride=2)),
    Case("places in a circle, by channel", "conv1d", around("circular", 2, groups=2)),
    *(Case(f"a picture of {n} enlarged", "upsample_nearest2d", enlarged(twice, n))
      for n in (1, 2)),
    Case("a picture of one, a function of it enlarged", "upsample_nearest2d",
         enlarged(lambda z: torch.sigmoid(F.interpolate(z, scale_factor=3)), 1, padding=0)),
    Case("a picture of two, a function before it is filled", "upsample_bilinear2d",
         enlarged(lambda z: torch.sin(F.interpolate(z, scale_factor=2, mode="bilinear")), 2)),
    Case("a picture of two, smoothly enlarged", "upsample_bilinear2d",
         enlarged(lambda z: F.interpolate(z, scale_factor=2, mode="bilinear"), 2)),
    *(Case(f"means of {n} places by {n}", "avg_pool2d", shrunk(lambda z: F.avg_pool2d(z, 2), n))
      for n in (2, 4)),
    Case("largest of two places by two", "max_pool2d", shrunk(lambda z: F.max_pool2d(z, 2), 2)),
    Case("places in a circle and as they are", "conv1d", of(
        lambda m, x: torch.tanh(m.a(x)) + F.conv1d(x, m.a.weight), (9, 2, 3),
        a=lambda: nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"))),
    Case("a weight that is padded in two ways", "conv1d", of(
        lambda m, x: torch.tanh(m.a(x)) + torch.tanh(F.conv1d(x, m.a.weight, padding=1)),
        (9, 2, 2), a=lambda: nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"))),
]  # fmt: skip
