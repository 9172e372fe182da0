"""Zeros: coordinates at which a wire is zero whatever its other indices are.

A constant says so itself; products, sums and what maps zero to zero hand it on.
"""

import math

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.limits import Limits

LARGEST = 4_000_000  # entries of a constant that is looked through
Masks = dict[int, Tensor]  # by dimension, one truth value per coordinate; absent where all false


class Zeros:
    """Answers for one lowered graph, each derived once."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is computed until asked."""
        self.limits = limits
        self._known: dict[int, Masks] = {}

    def of(self, node: Node) -> Masks:
        """Coordinates at which a wire is zero whatever the other indices are."""
        if node.index not in self._known:
            self._known[node.index] = some(self._forward(node))
        return self._known[node.index]

    def _forward(self, node: Node) -> Masks:
        if isinstance(node, p.Source):
            constant = node.compute is not None or (node.role == "constant" and not node.zero)
            if constant and math.prod(node.shape) > LARGEST:
                self.limits.reached(node, f"zeros among more than {LARGEST:,} entries")
            return _of_constant(node)
        match node:
            case p.Contract():
                found: Masks = {}
                for at in range(len(node.inputs)):
                    found = either(found, self._carried(node, at))
                return found
            case p.Movement() | p.Add():
                return both([self._carried(node, at) for at in range(len(node.inputs))])
            case p.Pointwise() if node.slope is not None or (node.degree or 0) > 0:
                return self.of(node.inputs[0])
        return {}

    def _carried(self, node: Node, at: int) -> Masks:
        """Zeros of one operand, where they are in the result; a piece says nothing of others."""
        below, found = self.of(node.inputs[at]), {}
        for run in node.index_map(at):
            if len(run.ins) == len(run.outs) == 1:
                (d,), (i,) = run.ins, run.outs
                mask, n = below.get(d), node.axes[i].size
                if run.way is Way.PIECE:
                    rest = torch.ones(n, dtype=torch.bool)
                    rest[node.begin(at) : node.begin(at) + node.inputs[at].axes[d].size] = (
                        False if mask is None else mask
                    )
                    found[i] = rest
                elif mask is not None and run.way is Way.SAME:
                    found[i] = mask
                elif mask is not None and run.way is Way.PART:
                    found[i] = mask[node.begin(at) : node.begin(at) + n]
        return found


def constant_value(node: Node) -> Tensor | None:
    """The value of a constant, or of a constant mask that is treated as data."""
    if not isinstance(node, p.Source) or node.role == "parameter":
        return None
    if math.prod(node.shape) > LARGEST or node.orders:
        return None
    value = node.value()
    return value if value is None or value.dim() == len(node.axes) else None


def _of_constant(node: p.Source) -> Masks:
    value = constant_value(node)
    if value is None or value.is_complex():
        return {}
    zero = value == 0
    return {d: slices(zero, d) for d in range(zero.dim())}


def slices(t: Tensor, dim: int) -> Tensor:
    """For every coordinate of a dimension, whether all of its slice is true."""
    return t.movedim(dim, 0).reshape(t.shape[dim], -1).all(1)


def some(masks: Masks) -> Masks:
    """Without those that are false everywhere."""
    return {d: m for d, m in masks.items() if bool(m.any())}


def both(parts: list[Masks]) -> Masks:
    """Where all hold."""
    first, *rest = parts
    return {
        d: torch.stack([m, *(part[d] for part in rest)]).all(0)
        for d, m in first.items()
        if all(d in part for part in rest)
    }


def either(one: Masks, two: Masks) -> Masks:
    """Where one or the other holds."""
    shared = {d: one[d] | two[d] for d in one if d in two}
    return {**one, **two, **shared}
