"""Taps of a kernel that only ever meet padding, or places from which nothing is read."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of


def causal(read: Any) -> Any:
    """A causal convolution over five places, of which some are read."""

    def run(m: Any, x: Tensor) -> Tensor:
        return m.h(read(m.c(x)[..., :-2].tanh().mT))

    return of(run, (20, 3, 5), c=lambda: nn.Conv1d(3, 3, 3, padding=2, groups=3),
              h=lambda: linear(3, 2))  # fmt: skip


def patched(read: Any) -> Any:
    """A dilated convolution, and patches of which some are read."""

    def run(m: Any, x: Tensor) -> Tensor:
        return m.h(read(m.p(m.c(x).tanh()).tanh().flatten(2).mT))

    return of(run, (20, 2, 4, 4), c=lambda: nn.Conv2d(2, 2, 3, padding=2, dilation=2),
              p=lambda: nn.Conv2d(2, 3, 2, stride=2), h=lambda: linear(3, 2))  # fmt: skip


def dilated(by: int) -> Any:
    """A dilated convolution of four places by four."""
    return of(lambda m, x: m.r(m.c(x).tanh()), (9, 2, 4, 4), r=lambda: nn.Conv2d(2, 2, 1),
              c=lambda: nn.Conv2d(2, 2, 3, padding=by, dilation=by))  # fmt: skip


def stepped(stride: int) -> Any:
    """A convolution of which another one reads every so many places."""
    return of(lambda m, x: m.b(m.a(x).tanh()).tanh(), (20, 2, 5), a=lambda: nn.Conv1d(2, 2, 2),
              b=lambda: nn.Conv1d(2, 3, 1, stride=stride))  # fmt: skip


def joined(read: Any) -> Any:
    """A token of its own before four others."""

    def run(m: Any, x: Tensor) -> Tensor:
        whole = torch.cat([m.p.weight.expand(len(x), -1, -1), m.a(x).tanh()], 1)
        return m.h(read(whole)).tanh()

    return of(run, (20, 4, 3), p=lambda: nn.Linear(3, 1, bias=False), a=lambda: linear(3, 3),
              h=lambda: linear(3, 4))  # fmt: skip


CASES = [
    Case("causal, first place", "conv1d", causal(lambda y: y[:, 0])),
    Case("causal, first two places", "conv1d", causal(lambda y: y[:, :2])),
    Case("causal, all places", "conv1d", causal(lambda y: y)),
    Case("patches, the first", "conv2d", patched(lambda y: y[:, 0])),
    Case("patches, the first row", "conv2d", patched(lambda y: y[:, :2])),
    Case("patches, all", "conv2d", patched(lambda y: y)),
    Case("dilated beyond the edges", "conv2d", dilated(4)),
    Case("dilated up to the edges", "conv2d", dilated(3)),
    Case("read at every third place", "conv1d", stepped(3)),
    Case("what follows a token of its own is not read", "cat", joined(lambda z: z[:, 1])),
    Case("a token of its own is not read", "cat", joined(lambda z: z[:, 1:3])),
]  # fmt: skip
