"""Fixed linear maps of one index: what a constant matrix, or an operation of its own kind, does.

What an operation makes of unit vectors is its matrix; that it is one, the same for all other
indices, is tried at random values.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node
from symfind.solve.point.values import Environment, known_value
from symfind.trace.graph import Op, replace
from symfind.trace.kernels import run

LARGEST = 4_000_000  # entries of a matrix
EXACT = 1e-12  # of what it makes, relative: rounding


@dataclass(frozen=True)
class Fixed:
    """A matrix [made, read] along one index of one operand.

    Attributes:
        at: which operand it is applied to.
        read: the label of the index there.
        made: the label in the result.
        block: the matrix of one block of the operation, None where it is none.
    """

    at: int
    read: object
    made: object
    block: Callable[[Instance], Tensor | None]  # which takes time


def fixed_map(node: Node) -> Fixed | None:
    """The matrix by which an operation acts along one index, None where it is another."""
    if node.fixed or not node.inputs:
        return None
    match node:
        case p.Contract() if len(node.inputs) == 2 and not node.windows:
            return next((f for at in (0, 1) if (f := _product(node, at)) is not None), None)
        case p.Mix() if type(node) is p.Mix and len(node.dims) == 1 and not node.drop:
            (d,) = node.dims
            whole = len(node.cells) == len(node.inputs[0].cells) == 1
            names, out = node.labelled()
            if whole and not node.stiff and _alone(node) is not None:
                return Fixed(0, names[0][d], out[d], lambda _: measured(node, d))
    return None


def _product(node: p.Contract, at: int) -> Fixed | None:
    c, x = node.inputs[1 - at], node.inputs[at]
    own, theirs = node.labels[1 - at], node.labels[at]
    if not (c.fixed and not x.fixed):
        return None
    wide = [n for n, a in zip(own, c.axes, strict=True) if a.size > 1]
    read = [n for n in wide if n in theirs and n not in node.out]
    made = [n for n in wide if n in node.out and n not in theirs]
    if len(wide) != 2 or len(read) != 1 or len(made) != 1:
        return None
    if theirs.count(read[0]) != 1 or node.out.count(made[0]) != 1:
        return None
    turned = wide != [made[0], read[0]]

    def block(instance: Instance) -> Tensor | None:
        port, value = instance.inputs[1 - at], known_value(c)
        if value is None or value.numel() > LARGEST or value.is_complex():
            return None
        part = Environment({}).take(c, port.cell, value.double())
        if part.dim() != 2:
            return None
        return part.T if turned else part

    return Fixed(at, read[0], made[0], block)


def _alone(node: Node) -> Op | None:
    """The one traced operation that a wire is the result of, its operand being the wire before."""
    x, op = node.inputs[0], node.op
    moving = [o for o in op.operands if o.varies or o.trainable] if op is not None else []
    whole = len(moving) == 1 and tuple(moving[0].shape or ()) == x.shape
    real = all(o.dtype is not None and o.dtype.is_floating_point for o in moving)
    plain = node.result_of is op and not x.orders and not node.orders
    return op if whole and plain and real else None


@functools.cache
def measured(node: Node, dim: int) -> Tensor | None:
    """What an operation makes of unit vectors along a dimension."""
    x, op = node.inputs[0], _alone(node)
    if op is None or math.prod(x.shape) * x.shape[dim] > LARGEST:
        return None
    (moving,) = (o for o in op.operands if o.varies or o.trainable)

    def apply(value: Tensor) -> Tensor:
        def given(o: object) -> object:
            return value if o is moving else o.value()  # type: ignore[attr-defined]

        args, kwargs = replace(op.args, given), replace(op.kwargs, given)
        made = run(op, args, kwargs, torch.device("cpu"))
        if not isinstance(made, Tensor) or made.is_complex() or tuple(made.shape) != node.shape:
            raise LookupError
        return made.double()

    try:
        return _tried(apply, x.shape, dim)
    except (LookupError, RuntimeError, NotImplementedError, AttributeError):
        return None


def _tried(apply: Callable[[Tensor], Tensor], shape: tuple[int, ...], dim: int) -> Tensor | None:
    """The matrix, where at random values the operation is no other map."""
    columns = []
    for j in range(shape[dim]):
        unit = torch.zeros(shape, dtype=torch.float64)
        unit.select(dim, j).fill_(1.0)
        made = apply(unit).movedim(dim, -1)
        columns.append(made.reshape(-1, made.shape[-1])[0])
    matrix = torch.stack(columns, 1)
    rng = torch.Generator().manual_seed(0)
    for scale in (1.0, 1e-4, 1e4):
        value = scale * torch.randn(shape, generator=rng, dtype=torch.float64)
        wanted = (value.movedim(dim, -1) @ matrix.T).movedim(-1, dim)
        size = (value.abs().movedim(dim, -1) @ matrix.T.abs()).movedim(-1, dim)
        if bool(((apply(value) - wanted).abs() > EXACT * size).any()):
            return None
    return matrix
