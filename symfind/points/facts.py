"""Where the slope of an operation jumps, and which operations meet parameters."""

from typing import Any

from symfind.ops.facts import ARGUMENTS, facts
from symfind.trace import Op

_GUARD = 100.0  # bounds as large as this guard against overflow, and are not to be reached


def compares(op: Op) -> bool:
    """Whether an operation says on which side of another its operand lies."""
    known = facts(op)
    return known.truth and known.kinks == ARGUMENTS


def switches(op: Op) -> bool:
    """Whether the derivative, or the value, of an operation jumps where its operand crosses."""
    if not facts(op).kinks or not isinstance(op.args[0], Op):
        return False
    return op.args[0].varies or not compares(op)


def bends(op: Op) -> bool:
    """Whether an operation is smooth, and as good as linear or constant far from one place."""
    return bool(facts(op).bends) and isinstance(op.args[0], Op) and op.args[0].varies


def chooses(op: Op) -> bool:
    """Whether it says which entries are the largest."""
    return op.base in ("topk", "argmax", "sort", "argsort") and isinstance(op.args[0], Op)


def kinks(op: Op) -> tuple[float, ...]:
    """Where: values of the operand, of its difference with the other for a comparison."""
    if compares(op):
        return (float(op.args[1]),) if isinstance(op.args[1], (int, float)) else (0.0,)
    places = facts(op).kinks
    if isinstance(places, tuple):
        return places
    given = [op.args[1]] if op.base == "threshold" else [*op.args[1:3], *_named(op)]
    found = tuple(float(x) for x in given if isinstance(x, (int, float)) and abs(x) < _GUARD)
    return found or ((-1.0, 1.0) if op.base == "hardtanh" else (0.0,))


def _named(op: Op) -> list[Any]:
    return [op.kwargs[key] for key in ("min", "max", "min_val", "max_val") if key in op.kwargs]


def bias(op: Op) -> Op | None:
    """What an operation adds to all it is run on: a wire that parameters make, if any."""
    if op.base in ("add", "sub"):
        return next((x for x in op.args[:2] if parametric(x)), None)
    return _operand(op, facts(op).bias)


def weight(op: Op) -> Op | None:
    """What it multiplies with."""
    if op.base == "mul":
        return next((x for x in op.args[:2] if parametric(x)), None)
    if op.base == "einsum":
        return next((x for x in op.operands if parametric(x)), None)
    return _operand(op, facts(op).weight)


def _operand(op: Op, place: int | None) -> Op | None:
    found = op.args[place] if place is not None and place < len(op.args) else None
    return found if isinstance(found, Op) and parametric(found) else None


def parametric(x: Any) -> bool:
    """Whether a wire is made of parameters alone."""
    return isinstance(x, Op) and x.trainable and not x.varies


def carried(op: Op) -> bool:
    """Whether an operation hands its first operand on, perhaps in part."""
    return facts(op).moves or op.base in ("neg", "dropout")


def channel_dim(op: Op) -> int:
    """The dimension of a result along which its channels lie: the second of maps, else the last."""
    return (
        1 if op.base.startswith(("conv", "batch_norm", "group_norm")) else len(op.shape or ()) - 1
    )


def by_channel(op: Op) -> bool:
    """Whether every channel of the result depends on one channel of what is read only."""
    if op.base.startswith("conv") and len(op.args) > 6 and isinstance(op.args[0], Op):
        shape = op.args[0].shape or (0, 0)
        groups = op.args[8] if op.base.startswith("convolution") else op.args[6]
        return isinstance(groups, int) and groups > 1 and groups == shape[1]
    return op.base in ("batch_norm", "mul")


def leaves(x: Op) -> list[Op]:
    """The parameters that a wire is made of, each once."""
    found: dict[int, Op] = {}
    stack, seen = [x], set[int]()
    while stack:
        op = stack.pop()
        if id(op) in seen or op.constant:
            continue
        seen.add(id(op))
        if op.target == "parameter":
            found[id(op)] = op
        stack.extend(op.operands)
    return list(found.values())
