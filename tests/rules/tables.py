"""Tables that are looked up together: tokens, and positions that leave padding out."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

PADDING = 1
Places = Callable[[Tensor], Tensor]


def counted(tokens: Tensor) -> Tensor:
    """Positions of RoBERTa: of what is no padding, behind that of padding."""
    mask = tokens.ne(PADDING).int()
    return ((mask.cumsum(1) + 0) * mask).long() + PADDING


def otherwise(tokens: Tensor) -> Tensor:
    mask = tokens == PADDING
    return torch.where(mask, 0, mask.logical_not().long().cumsum(1))


def unmasked(tokens: Tensor) -> Tensor:
    """Padding has the position of what was before it."""
    return tokens.ne(PADDING).long().cumsum(1) + PADDING


def begun(tokens: Tensor) -> Tensor:
    """What is before padding has its position too: counts begin at zero."""
    mask = tokens.ne(PADDING).long()
    return (mask.cumsum(1) - 1) * mask


def read(places: Places, ending: Callable[[Any, Tensor], Tensor], **parts: Any) -> Any:
    """Sums of rows for a token and its place, and what is made of them."""
    make = of(lambda m, i: ending(m, m.n(m.e(i) + m.t + m.p(places(i)))), (4, 5), **parts,
              e=lambda: nn.Embedding(6, 3), p=lambda: nn.Embedding(7, 3), t=lambda: weight(3),
              n=lambda: nn.LayerNorm(3))  # fmt: skip

    def build() -> Any:
        net, _ = make()
        return net, (torch.randint(6, (4, 5)),)

    return build


def apart(places: Places) -> Any:
    return read(places, lambda m, y: m.out((y + m.b(y.tanh().mean(1, keepdim=True))).tanh()),
                b=lambda: linear(3, 3), out=lambda: linear(3, 2))  # fmt: skip


def tied(places: Places) -> Any:
    """The table of tokens is read again behind a norm."""

    def ending(m: Any, y: Tensor) -> Tensor:
        y = m.last(m.b((y + y.mean(1, keepdim=True)).tanh()).sin())
        found: Tensor = y @ m.e.weight.T + m.c
        return found

    return read(places, ending, b=lambda: linear(3, 3), last=lambda: nn.LayerNorm(3),
                c=lambda: weight(6))  # fmt: skip


CASES = [
    Case(f"padding has a place of its own: {name}, {kind.__name__}", "embedding",
         kind(places), bounds={"0": 6})
    for kind in (apart, tied)
    for name, places in (("counted", counted), ("chosen", otherwise), ("none", unmasked),
                         ("shared", begun))
]  # fmt: skip
