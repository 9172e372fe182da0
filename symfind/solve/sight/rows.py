"""Perturbations k ⊗ r of a wire, and what is seen of them: rows over the indices of k."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, least
from symfind.graph.einsum import einsum
from symfind.graph.indices import Index, indices
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment

Width = Callable[[Sizes | None], int]


@dataclass(frozen=True)
class Form:
    """Indices that k runs over, and those along which nothing changes; r runs over the rest."""

    inner: tuple[Index, ...]
    flat: frozenset[Index]

    def of(self, spot: Index) -> str:
        """Which of the three an index is."""
        return "inner" if spot in self.inner else "flat" if spot in self.flat else "free"


def form(inner: Iterable[Index], flat: Iterable[Index]) -> Form:
    """Indices in order."""
    return Form(tuple(sorted(inner)), frozenset(flat))


@dataclass(frozen=True)
class Seen:
    """Rows over the inner indices of a form.

    Attributes:
        rank: their rank, by the sizes; never too small.
        rows: a matrix [at least rank, *sizes of the inner indices].
        settled: whether the rank is the same function for all sizes, and no other weight matters.
        plain: whether all that is unseen are constants.
    """

    rank: Width
    rows: Callable[[Environment], Tensor]
    settled: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Factor:
    """The other factor of a product, which no input reaches: its labels, and where it is still."""

    node: Node
    labels: list
    still: set
    axes: dict[Any, Axis]  # of all labels of both factors

    @property
    def wide(self) -> list:
        """Labels along which it varies."""
        return [n for n in self.labels if n not in self.still]

    def value(self, env: Environment) -> Tensor:
        """Its value, one dimension for each of these."""
        value = env.value(self.node).reshape([extent(self.axes[n], env.sizes) for n in self.labels])
        for d, n in reversed(list(enumerate(self.labels))):
            if n in self.still:
                value = value.select(d, 0)
        return value


def volume(node: Node, some: Iterable[Index]) -> Width:
    """How many values some indices have together."""
    own = indices(node)
    axes = [own[s] for s in some]
    return lambda sizes: math.prod(extent(a, sizes) for a in axes)


def lengths_of(node: Node, some: Iterable[Index]) -> Callable[[Environment], list[int]]:
    """How many values each of some indices has."""
    own = indices(node)
    axes = [own[s] for s in some]
    return lambda env: [extent(a, env.sizes) for a in axes]


def ordered(seen: Seen | None, inner: Sequence[Index]) -> Seen | None:
    """What is seen of indices in order, for indices that come in another."""
    order = sorted(range(len(inner)), key=lambda i: inner[i])
    if seen is None or order == list(range(len(inner))):
        return seen
    rows, back = seen.rows, [0, *(1 + order.index(i) for i in range(len(order)))]
    return replace(seen, rows=lambda env: rows(env).permute(back))


def varying(env: Environment, x: Node, inner: Sequence[Index], along: Sequence[Index]) -> Tensor:
    """Rows that see all of the inner indices but what is constant along some of them."""
    own = indices(x)
    size = {s: extent(own[s], env.sizes) for s in inner}
    rest = [s for s in inner if s not in along]
    n, m = (math.prod(size[s] for s in some) for some in (along, rest))
    centred = (torch.eye(n, **env.like) - 1.0 / n).reshape(n, *(size[s] for s in along))
    unit = torch.eye(m, **env.like).reshape(m, *(size[s] for s in rest))
    return einsum([unit, centred], [["a", *rest], ["b", *along]], ["a", "b", *inner]).flatten(0, 1)


def by_copy(seen: Seen | None, x: Node, shape: Form, copies: Sequence[Index]) -> Seen | None:
    """What is seen where each value of some inner indices must vanish by itself.

    A wire that is multiplied by one that varies along them is another for each.
    """
    if seen is None:
        return None
    whole, several, rank, outer = (
        volume(x, shape.inner), volume(x, copies), seen.rank, seen.rows
    )  # fmt: skip
    lengths = lengths_of(x, shape.inner)

    def rows(env: Environment) -> Tensor:
        size = dict(zip(shape.inner, lengths(env), strict=True))
        apart = [("copy", s) for s in copies]
        values = [outer(env).reshape(-1, *lengths(env)), *(
            torch.eye(size[s], **env.like) for s in copies
        )]  # fmt: skip
        labels: list[list[Any]] = [["row", *shape.inner], *([("copy", s), s] for s in copies)]
        return einsum(values, labels, ["row", *apart, *shape.inner]).flatten(0, len(copies))

    return Seen(lambda sizes: least(whole(sizes), several(sizes) * rank(sizes)), rows)
