"""From the traced graph to primitives."""

from dataclasses import dataclass, field
from typing import Any

import torch

from symfind.algebra.axes import Tangled
from symfind.graph.bilinear import pair_up
from symfind.graph.builder import Builder
from symfind.graph.copies import sink_copies
from symfind.graph.piecemeal import take_pieces
from symfind.graph.primitives import Instance, Node, Output, Source
from symfind.graph.quotient import weigh
from symfind.graph.regroup import regroup
from symfind.graph.straighten import straighten
from symfind.graph.uniform import is_uniform
from symfind.ops import registry
from symfind.ops.data import balanced, selects, shares
from symfind.ops.interval import interval
from symfind.ops.pieces import Packed, find_packed
from symfind.ops.repeated import repeated
from symfind.ops.rotary import Rotation, find_rotations
from symfind.trace import Graph, Op


@dataclass(frozen=True)
class Lowered:
    """The primitives that the outputs depend on, in topological order."""

    nodes: list[Node]
    parameters: dict[str, list[Source]]
    outputs: list[Output]
    gaps: list[tuple[Op, str]]  # operations treated as rigid for want of a rule
    _met: dict[Node, list[Instance]] = field(init=False, default_factory=dict, repr=False)

    @property
    def charted(self) -> bool:
        """Whether parameters stand for weights that those of another graph make up."""
        return any(w.chart is not None for wires in self.parameters.values() for w in wires)

    def instances(self, node: Node) -> list[Instance]:
        """Blocks of a primitive, found once: for when no operand changes any more."""
        if node not in self._met:
            self._met[node] = list(node.instances())
        return self._met[node]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all parameters, by name."""
        return {key: wires[0].shape for key, wires in self.parameters.items()}


def lower(graph: Graph, output: str = "raw") -> Lowered:
    """Lower a traced graph.

    Args:
        graph: what `symfind.trace.trace` returns.
        output: "raw", or "softmax" where constants along the last dimension of an output are
            invisible.
    """
    rotations = find_rotations(graph)
    inside = {id(op) for r in rotations.values() for op in r.inside}
    packed = find_packed(graph, inside | rotations.keys())
    builder, outputs, cut = _lower(graph, output, rotations, {}, packed)
    if cut:  # with an index for each piece instead of one for all
        builder, outputs, _ = _lower(graph, output, rotations, cut, {})
    sink_copies(builder.nodes)
    take_pieces(builder.nodes)
    pair_up(builder.nodes)
    weigh(builder.nodes)
    regroup(builder.nodes)
    straighten(builder.nodes)
    return _live(builder, outputs)


def _lower(
    graph: Graph,
    output: str,
    rotations: dict[int, Rotation],
    packed: dict[int, Packed],
    whole: dict[int, Packed],
) -> tuple[Builder, list[Output], dict[int, Packed]]:
    """All operations as primitives.

    Args:
        graph: what is lowered.
        output: "raw" or "softmax".
        rotations: by the operations that they end in.
        packed: wires by the operations that take pieces of them.
        whole: more of these, that are taken as one.

    Returns:
        The primitives, the outputs, and what of `whole` had an index that one piece cuts.
    """
    builder = Builder()
    made: dict[int, Any] = {}
    repeats: dict[int, frozenset[int]] = {}
    inside = {id(op) for r in rotations.values() for op in r.inside}
    inside |= {id(op) for one in packed.values() for op in one.inside}
    outputs: list[Output] = []
    for op in graph.ops:
        builder.op = op
        if op.target == "output":
            softened = (len(op.args[0].shape) - 1,) if output == "softmax" else ()
            outputs.append(builder.output(made[id(op.args[0])], softened))
        elif id(op) in rotations:
            made[id(op)] = _rotate(builder, rotations[id(op)], made)
        elif id(op) not in inside:
            if not op.trainable:
                repeats[id(op)] = repeated(op, repeats)
            made[id(op)] = _one(builder, op, made, packed.get(id(op)))
        result = made.get(id(op))
        if isinstance(result, Source) and id(op) in repeats:
            result.repeats = repeats[id(op)]
        if isinstance(result, Node) and result.result_of is None:
            result.result_of = op
        _like_data(op, result)
    return builder, outputs, {k: one for k, one in whole.items() if one.cut(made[id(one.view)])}


def _like_data(op: Op, result: Any) -> None:
    """Complex numbers made of weights are treated as data: no real matrix passes through them."""
    several = isinstance(result, tuple)
    dtypes = [dtype for _, dtype in op.outputs] if several else [op.dtype]
    for node, dtype in zip(result if several else [result], dtypes, strict=False):
        if isinstance(node, Node) and not isinstance(node, Source):
            node.varies |= dtype is not None and dtype.is_complex


def _rotate(builder: Builder, rotation: Rotation, made: dict[int, Any]) -> Node:
    """What is turned by itself where it is one range, and the rest as it is.

    All in the order in which it leaves the region, for there the index meets others.
    """
    x, dim, pairs, even = made[id(rotation.root)], rotation.dim, rotation.pairs, rotation.even
    order = list(rotation.order)
    if order != sorted(order):
        x = builder.take(x, dim, builder.constant(torch.tensor(order)))
        pairs = tuple((order.index(i), order.index(j)) for i, j in pairs)
    turned = {i for pair in pairs for i in pair}
    n, start, length = x.axes[dim].size, min(turned), len(turned)
    if length == n or max(turned) != start + length - 1:
        return builder.commute(x, dim, pairs, even)
    try:
        first, middle, last = (
            builder.narrow(x, dim, at, size)
            for at, size in ((0, start), (start, length), (start + length, n - start - length))
        )
    except Tangled:
        return builder.commute(x, dim, pairs, even)
    inside = builder.commute(middle, dim, [(i - start, j - start) for i, j in pairs], even)
    return builder.join([first, inside, last], dim)


def _always_zero(op: Op, node: Source) -> bool:
    """Whether a constant is zero at every checkpoint."""
    if op.dtype is None or not op.dtype.is_floating_point or not is_uniform(node, 0.0):
        return False
    stack, seen = [op], {op.name}
    while stack:
        one = stack.pop()
        if one.stored:
            return False
        fresh = [o for o in one.operands if o.name not in seen]
        seen.update(o.name for o in fresh)
        stack.extend(fresh)
    return True


def _one(builder: Builder, op: Op, made: dict[int, Any], packed: Packed | None = None) -> Any:
    if op.target == "parameter" and op.trainable:
        return builder.source("parameter", op.shape or (), op, op.key)
    if op.target == "getitem" and (op.trainable or op.varies):
        return made[id(op.args[0])][op.args[1]]
    if not op.trainable and not _multiplied(op):
        # A complex number is no gain that a real change of basis could be taken through.
        whole = op.dtype is not None and op.dtype.is_complex
        role = "input" if op.varies or whole else "constant"
        if op.shape is None:
            return tuple(builder.source(role, shape or ()) for shape, _ in op.outputs)
        if op.varies and op.dtype is not None and op.dtype.is_floating_point:
            if interval(op) == (0.0, 0.0):  # an input times zero
                return builder.zeros(op.shape)
        key = "one-hot" if op.varies and selects(op) else op.key
        node = builder.source(role, op.shape, op, key)
        if op.varies:
            node.balanced, node.shares = balanced(op), shares(op)
        node.zero = _always_zero(op, node)
        return node
    rule = registry.lower.find(op.target)
    wires = op.operands if packed is None else packed.view.operands
    inputs = [made[id(x)] for x in wires]
    shapes = [op.shape] if op.shape is not None else [s for s, _ in op.outputs]
    if rule is None and op.dtype is not None and not _differentiable(op.dtype):
        return builder.opaque(inputs, op.shape or ())  # locally constant
    if rule is None:
        return _rigid(builder, op, inputs, shapes, "no rule")
    result: Any
    try:
        if packed is not None:
            result = packed.pieces(builder, inputs[0], op)
        else:
            result = rule(builder, *_fill(op.args, made), **_fill(op.kwargs, made))
    except Tangled as tangle:
        return _rigid(builder, op, inputs, shapes, f"index structure: {tangle}")
    except Exception as error:  # arguments that a rule was not written for (a complex number)
        why = f"its rule does not take these arguments ({type(error).__name__}: {error})"
        return _rigid(builder, op, inputs, shapes, why)
    if op.shape is not None and result.shape != tuple(op.shape):
        return _rigid(builder, op, inputs, shapes, "a rule of another shape")
    return result


def _multiplied(op: Op) -> bool:
    """Whether data is multiplied by a fixed matrix, and a weight reads what that makes."""
    if not op.varies or op.base not in ("linear", "matmul", "mm", "addmm"):
        return False
    if op.dtype is None or not op.dtype.is_floating_point or balanced(op) or shares(op):
        return False
    fixed = [o for o in op.operands if not o.varies]
    plain = len(op.operands) - len(fixed) == 1 and all(o.value() is not None for o in fixed)
    wide = any(len([n for n in o.shape or () if n > 1]) == 2 for o in fixed)
    return plain and wide and any(user.trainable for user in op.users)


def _differentiable(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


def _rigid(builder: Builder, op: Op, inputs: list, shapes: list, why: str) -> Any:
    nodes = tuple(builder.opaque(inputs, shape or (), why) for shape in shapes)
    return nodes[0] if op.shape is not None else nodes


def _fill(tree: Any, made: dict[int, Any]) -> Any:
    if isinstance(tree, Op):
        return made[id(tree)]
    if isinstance(tree, tuple | list):
        return type(tree)(_fill(item, made) for item in tree)
    if isinstance(tree, dict):
        return {key: _fill(item, made) for key, item in tree.items()}
    return tree


def _parameter(node: Node, held: set[str]) -> bool:
    """Whether a node is a parameter itself, and not one that another wire stands for."""
    return isinstance(node, Source) and node.role == "parameter" and node.key not in held


def _reached(roots: list[Node], *, offsets: bool) -> set[int]:
    """What some wires depend on, by identity; with or without what parameters are offset by."""
    found: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) in found:
            continue
        found.add(id(node))
        stack.extend((*node.inputs, *node.silent))
        if offsets and isinstance(node, Source) and node.offset is not None:
            stack.append(node.offset)
    return found


def _live(builder: Builder, outputs: list[Output]) -> Lowered:
    """Drop what no output depends on: abandoned halves of recognised patterns constrain nothing.

    Parameters stay: one that is only multiplied by zero has no reader left, and is free.
    """
    held = {n.key for n in builder.nodes if isinstance(n, Source) and n.offset is not None}
    roots = [*outputs, *(n for n in builder.nodes if _parameter(n, held))]
    # What is only taken off a parameter, which follows, is no reader of anything.
    read, live = _reached(roots, offsets=False), _reached(roots, offsets=True)
    nodes = [n for n in builder.nodes if id(n) in live]
    parameters: dict[str, list[Source]] = {}
    for i, node in enumerate(nodes):
        node.index = i
        node.users = [u for u in node.users if id(u) in read]
        if isinstance(node, Source) and node.role == "parameter":
            parameters.setdefault(node.key, []).append(node)
    gaps = {id(op): (op, why) for op, why in builder.rigid if op is not None}
    return Lowered(nodes, parameters, outputs, list(gaps.values()))
