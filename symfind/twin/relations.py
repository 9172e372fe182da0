"""The relations among all sizes of a traced graph."""

import torch

from symfind.algebra.axes import Axis
from symfind.graph.extents import Relations, pointwise
from symfind.ops import registry
from symfind.trace import Graph, Op
from symfind.trace.kernels import resolve


def relate(graph: Graph) -> Relations:
    """The relations among all sizes of a graph."""
    found = Relations(graph)
    for op in graph.ops:
        shapes = [op.shape] if op.shape is not None else [s for s, _ in op.outputs]
        found.op = op
        found.axes[id(op)] = [[Axis(n) for n in shape or ()] for shape in shapes]
        rule = registry.sizes.find(op.target)
        if rule is None and _is_pointwise(op):
            rule = pointwise
        if rule is None:
            found.pin_all()
            continue
        rewrite = rule(found, op)
        if rewrite is not None:
            found.rewrites[id(op)] = rewrite
    return found


def _is_pointwise(op: Op) -> bool:
    if op.shape is None or not op.target.startswith("aten."):
        return False
    if torch.Tag.pointwise in getattr(resolve(op.target), "tags", ()):
        return True
    # one operand, no integers, and its own shape: nothing that has to do with sizes
    operands = op.operands
    return (
        len(operands) == 1
        and operands[0].shape == op.shape
        and not any(isinstance(a, (int, list, tuple)) and a is not True for a in op.args[1:])
    )
