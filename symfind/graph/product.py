"""Wires multiplied out: products of products, through what moves dimensions and sums over them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node

MOST = 6  # factors
Labels = tuple[Any, ...]  # None for a dimension of size one


@dataclass(frozen=True)
class Product:
    """A number times factors, summed over all labels that `out` has not."""

    factors: tuple[tuple[Node, Labels], ...]
    out: Labels
    scale: float = 1.0

    @property
    def summed(self) -> set[Any]:
        """Labels that the result has not."""
        return {n for _, own in self.factors for n in own} - {*self.out, None}


class Products:
    """Every wire as a product of others, as far as it is one; each multiplied out once."""

    def __init__(self) -> None:
        """Nothing is computed until asked."""
        self._known: dict[int, Product] = {}

    def of(self, node: Node) -> Product:
        """The factors of a wire: itself, where it is no product."""
        if id(node) not in self._known:
            self._known[id(node)] = self._made(node) or _alone(node)
        return self._known[id(node)]

    def _made(self, node: Node) -> Product | None:
        match node:
            case p.Contract() if not node.windows:
                return self._multiplied(node, node.inputs, node.labels, node.out)
            case p.Pointwise() if _squares(node):
                own = tuple(range(len(node.axes)))
                return self._multiplied(node, node.inputs * 2, (own, own), own)
            case p.Pointwise() if node.slope and math.isfinite(node.slope):
                below = self.of(node.inputs[0])
                return replace(below, scale=below.scale * node.slope)
            case p.Permute():
                below = self.of(node.inputs[0])
                return replace(below, out=tuple(below.out[d] for d in node.order))
            case p.View():
                return _reshaped(node, self.of(node.inputs[0]))
            case p.Mix():
                return _added_up(node, self.of(node.inputs[0]))
        return None

    def _multiplied(
        self, node: Node, inputs: Sequence[Node], labels: Sequence[Labels], out: Labels
    ) -> Product | None:
        """Factors of factors; what one of them sums over has labels that nothing else has."""
        found: list[tuple[Node, Labels]] = []
        scale = 1.0
        for at, (x, own) in enumerate(zip(inputs, labels, strict=True)):
            below = self.of(x)
            pairs = zip(below.out, own, strict=True)
            place = {inner: (id(node), n) for inner, n in pairs if inner is not None}
            scale *= below.scale
            for wire, names in below.factors:
                new = [None if n is None else place.get(n, (id(node), at, n)) for n in names]
                found.append((wire, tuple(new)))
        if len(found) > MOST:
            return None
        sizes = zip(out, node.axes, strict=True)
        wide = tuple(None if a.size == 1 else (id(node), n) for n, a in sizes)
        return Product(tuple(found), wide, scale)


def _alone(node: Node) -> Product:
    own = tuple(None if a.size == 1 else (id(node), d) for d, a in enumerate(node.axes))
    return Product(((node, own),), own)


def _squares(node: p.Pointwise) -> bool:
    base, args = getattr(node.op, "base", ""), list(getattr(node.op, "args", ()))
    power = base == "pow" and len(args) > 1 and args[1] == 2
    return node.degree == 2 and node.slope is None and (base == "square" or power)


def _reshaped(node: p.View, below: Product) -> Product | None:
    """Where dimensions of size one alone come and go."""
    one, two = ([n for n in x.shape if n > 1] for x in (node.inputs[0], node))
    if one != two:
        return None
    names = iter([n for n in below.out if n is not None])
    return replace(below, out=tuple(None if a.size == 1 else next(names) for a in node.axes))


def _added_up(node: p.Mix, below: Product) -> Product | None:
    base = getattr(node.op, "base", "")
    if type(node) is not p.Mix or not node.drop or base not in ("sum", "mean"):
        return None
    n = 1 if base == "sum" else math.prod(node.inputs[0].shape[d] for d in node.dims)
    out = tuple(n for d, n in enumerate(below.out) if d not in node.dims)
    return replace(below, out=out, scale=below.scale / n)
