"""The relations among all sizes of a traced graph."""

from symfind.algebra.axes import Axis
from symfind.graph.extents import Relations, is_pointwise, pointwise
from symfind.ops import registry
from symfind.trace import Graph


def relate(graph: Graph) -> Relations:
    """The relations among all sizes of a graph."""
    found = Relations(graph)
    for op in graph.ops:
        shapes = [op.shape] if op.shape is not None else [s for s, _ in op.outputs]
        found.op = op
        found.axes[id(op)] = [[Axis(n) for n in shape or ()] for shape in shapes]
        rule = registry.sizes.find(op.target)
        if rule is None and is_pointwise(op):
            rule = pointwise
        if rule is None:
            found.pin_all()
            continue
        rewrite = rule(found, op)
        if rewrite is not None:
            found.rewrites[id(op)] = rewrite
    return found
