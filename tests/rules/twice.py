"""Wires that stand in one place twice, and parameters that meet themselves in a product."""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight

Run = Callable[[Any, Tensor], Tensor]
COPIES = "readers of several copies of one wire are not parallel paths"


def _behind(inner: Run) -> Run:
    return lambda m, x: m.r(inner(m, x).tanh())


def _joined(
    name: str, run: Run, out: int = 4, counts: tuple[int, int] = (0, 0), **parts: Any
) -> Case:
    """A wire of width two with a bias, joined with itself."""
    return Case(name, "cat", of(
        _behind(lambda m, x: run(m, m.a(x))), (12, 3), a=lambda: linear(3, 2),
        r=lambda: linear(out, 2), **parts,
    ), gap=COPIES if any(counts) else "", counts=counts)  # fmt: skip


def _added(name: str, bias: Callable[[Any], Tensor], **parts: Any) -> Case:
    """A bias made of parameters, beside one that can take back what they do."""
    return Case(name, "", of(
        _behind(lambda m, x: m.a(x) + bias(m)), (12, 3), a=lambda: linear(3, 2),
        r=lambda: linear(2, 2), **parts,
    ))  # fmt: skip


def _biased(m: Any, y: Tensor) -> Tensor:
    return torch.cat([y, y], -1) + m.p


size = functools.partial(functools.partial, weight)
CASES = [
    _joined("a wire joined with itself, and a bias of each", _biased,
            p=size(4)),
    _joined("a wire joined with itself, and a bias of all", _biased,
            counts=(1, 5), p=size(1)),
    _joined("a wire on both sides of another",
            lambda m, y: torch.cat([y, m.d * y[:, :1].detach().sign(), y], -1) + m.p, 5,
            counts=(1, 4), d=size(1), p=size(5)),
    _joined("a wire joined with itself, of which one copy is read",
            lambda m, y: torch.cat([y, y], -1)[:, 2:], 2),
    Case("a wire stacked with itself and summed", "stack", of(
        _behind(lambda m, x: torch.stack([m.a(x), m.b(x), m.a(x)], 1).sum(1) + m.p), (12, 3),
        a=lambda: linear(3, 2), b=lambda: linear(3, 2), p=size(2), r=lambda: linear(2, 2)),
        gap=COPIES, counts=(4, 10)),
    Case("a bias joined with itself", "cat", of(
        _behind(lambda m, x: m.a(x) + torch.cat([m.b, m.b]) + m.p), (12, 3),
        a=lambda: linear(3, 4), b=size(2), p=size(4), r=lambda: linear(4, 2))),
]  # fmt: skip
CURVED = [
    _added("a squared bias", lambda m: m.b * m.b, b=size(2)),
    _added("a squared bias through a weight", lambda m: m.v(m.b * m.b), b=size(3),
           v=lambda: linear(3, 2)),
    _added("a bias to the third power", lambda m: m.b * m.b * m.b, b=size(2)),
    _added("a bias times its sum", lambda m: m.b.sum() * m.b.flip(0), b=size(2)),
    _added("a bias of a Gram matrix", lambda m: (m.b @ m.b.T).sum(0), b=size(2, 3)),
    _added("a bias of unit norm through a weight", lambda m: m.v(m.b / m.b.norm()), b=size(4),
           v=lambda: linear(4, 2)),
    Case("a bias of unit norm behind a weight", "elu", of(
        lambda m, x: m.r(F.elu(m.v(m.a(x) + m.b / m.b.norm()))), (12, 3), a=lambda: linear(3, 4),
        b=size(4), v=lambda: linear(4, 2), r=lambda: linear(2, 2)),
        gap="a weight that turns against a bias of unit norm", counts=(21, 22)),
]  # fmt: skip
CASES += CURVED
