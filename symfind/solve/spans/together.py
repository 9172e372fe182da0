"""Sums of linear maps of one wire: x + W x + s x is (1 + W + s) x, and reaches no more than x does.

The summands are looked through sums, slopes and gains down to what they are maps of.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.spans.linear import linears

MOST = 8  # summands


@dataclass(frozen=True)
class Image:
    """A linear map of a wire along one of its dimensions."""

    wire: Node
    dim: int
    matrix: Callable[[Environment], Tensor]  # [size of the result, size of the wire]

    def times(self, factor: float) -> "Image":
        """A multiple."""
        matrix = self.matrix
        return self if factor == 1 else Image(
            self.wire, self.dim, lambda env: factor * matrix(env))  # fmt: skip


def summands(node: p.Add, sign: float = 1.0) -> Iterator[tuple[Node, float]]:
    """What a sum is a sum of, sums within it taken apart, with signs."""
    for x, own in zip(node.inputs, node.signs, strict=True):
        if isinstance(x, p.Add) and x.varies and x.shape == node.shape:
            yield from summands(x, sign * own)
        else:
            yield x, sign * own


def image(x: Node, dim: int) -> Image:
    """A wire as a map of what it is made of by one linear map, else of itself."""
    for layer in linears(x):
        if layer.wire.varies and layer.names == (x.out[dim],):  # type: ignore[attr-defined]
            return Image(layer.wire, layer.read, layer.matrix)
    if isinstance(x, p.Contract) and len(x.inputs) == 2 and not x.windows:
        for at in (0, 1):
            wire, gain = x.inputs[at], x.inputs[1 - at]
            whole = wire.varies and wire.shape == x.shape and x.labels[at] == x.out
            wide = [n for n, a in zip(x.labels[1 - at], gain.axes, strict=True) if a.size > 1]
            if whole and not gain.varies and set(wide) <= {x.out[dim]}:
                return Image(wire, dim, _diagonal(x, gain, dim))
    if isinstance(x, p.Pointwise) and x.slope is not None and x.slope == x.slope:
        return Image(x.inputs[0], dim, _unit(x, dim)).times(x.slope)
    return Image(x, dim, _unit(x, dim))


def _unit(x: Node, dim: int) -> Callable[[Environment], Tensor]:
    return lambda env: torch.eye(env.shape(x)[dim], **env.like)


def _diagonal(x: Node, gain: Node, dim: int) -> Callable[[Environment], Tensor]:
    def matrix(env: Environment) -> Tensor:
        return torch.diag(env.value(gain).reshape(-1).expand(env.shape(x)[dim]))

    return matrix


def together(node: p.Add, dim: int) -> tuple[list[Image], list[tuple[Node, float]]] | None:
    """Maps of one wire that are added up, one for each wire, and all that is no such map.

    None where no two summands are maps of the same wire.
    """
    found = list(summands(node))
    if len(found) > MOST:
        return None
    whole = [(x, sign) for x, sign in found if x.varies and x.shape == node.shape]
    rest = [(x, sign) for x, sign in found if not (x.varies and x.shape == node.shape)]
    groups: dict[tuple[int, int], list[Image]] = {}
    for x, sign in whole:
        made = image(x, dim).times(sign)
        groups.setdefault((id(made.wire), made.dim), []).append(made)
    if all(len(images) == 1 for images in groups.values()):
        return None
    return [_added(images) for images in groups.values()], rest


def _added(images: list[Image]) -> Image:
    def matrix(env: Environment) -> Tensor:
        return torch.stack([one.matrix(env) for one in images]).sum(0)

    return Image(images[0].wire, images[0].dim, matrix)
