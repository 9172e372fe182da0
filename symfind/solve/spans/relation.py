"""One affine relation, and how a movement carries it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment


@dataclass(frozen=True)
class Relation:
    """Σ κ w = c over the given dimensions, at every other index; one or several such κ."""

    dims: tuple[int, ...]
    vector: Callable[[Environment], Tensor]  # κ: [count, *sizes of dims]
    constant: Callable[[Environment], Tensor]  # c: [count]
    count: Callable[[Sizes | None], int]
    zero: bool = False  # c = 0
    even: bool = False  # κ = 1
    unit: bool = False  # κ = 1 and c = 1
    copies: bool = False  # κ compares entries that are equal
    piecewise: bool = False  # how many there are depends on which of several sizes is the smallest


def moved_along(relation: Relation, node: Node) -> list[Relation]:
    """A relation of the operand of a movement: moved, or one for each value of what it joins."""
    moves: dict[int, int] = {}
    for run in node.index_map():
        inside = [d for d in run.ins if d in relation.dims]
        if not inside:
            continue
        if run.way is Way.SAME:
            moves[run.ins[0]] = run.outs[0]
        elif run.way is Way.RESHAPED and len(run.outs) == 1 and len(inside) == len(relation.dims):
            return [_flattened(relation, node.inputs[0], list(run.ins), run.outs[0])]
        else:
            return []
    return [moved(relation, moves)] if all(d in moves for d in relation.dims) else []


def _flattened(relation: Relation, x: Node, ins: list[int], out: int) -> Relation:
    others = [d for d in ins if d not in relation.dims]
    places = {d: i for i, d in enumerate([*others, *relation.dims])}

    def copies(sizes: Sizes | None) -> int:
        return math.prod(extent(x.axes[d], sizes) for d in others)

    def vector(env: Environment) -> Tensor:
        kappa = relation.vector(env)
        shape = [env.shape(x)[d] for d in others]
        n = math.prod(shape)
        unit = torch.eye(n, **env.like).reshape(n, *shape)
        full = torch.einsum("ax,by->abxy", unit.reshape(n, -1), kappa.flatten(1))
        full = full.reshape(n * kappa.shape[0], *shape, *kappa.shape[1:])
        return full.permute(0, *[1 + places[d] for d in ins]).flatten(1)

    def constant(env: Environment) -> Tensor:
        return relation.constant(env).repeat(copies(env.sizes))

    return Relation(
        (out,),
        vector,
        constant,
        lambda sizes: relation.count(sizes) * copies(sizes),
        relation.zero,
        copies=relation.copies,
    )


def moved(relation: Relation, moves: dict[int, int]) -> Relation:
    """The relation with each of its dimensions at another place."""
    targets = [moves[d] for d in relation.dims]
    order = sorted(range(len(targets)), key=lambda i: targets[i])
    dims = tuple(targets[i] for i in order)
    return Relation(
        dims,
        _permuted(relation.vector, order),
        relation.constant,
        relation.count,
        relation.zero,
        relation.even,
        relation.unit,
        relation.copies,
    )


def _permuted(
    vector: Callable[[Environment], Tensor], order: list[int]
) -> Callable[[Environment], Tensor]:
    if order == sorted(order):
        return vector
    return lambda env: vector(env).permute(0, *[1 + i for i in order])
