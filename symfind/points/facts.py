"""Where the slope of an operation jumps, and which operations meet parameters."""

from typing import Any

from symfind.trace import Op

_KINKED = {"relu", "leaky_relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max",
           "threshold", "hardswish", "hardsigmoid", "prelu", "rrelu", "elu", "celu", "selu",
           "abs", "sign"}  # fmt: skip
_COMPARISONS = {"gt", "ge", "lt", "le"}  # of a wire with a number or a parameter
_FIXED = {"relu6": (0.0, 6.0), "hardswish": (-3.0, 3.0), "hardsigmoid": (-3.0, 3.0)}
_BOUNDED = {"hardtanh", "clamp", "clamp_min", "clamp_max", "threshold"}  # kinks are arguments
_GUARD = 100.0  # bounds as large as this guard against overflow, and are not to be reached

_BIAS = {"batch_norm": 2, "linear": 2, "conv1d": 2, "conv2d": 2, "conv3d": 2, "addmm": 0,
         "conv_transpose1d": 2, "conv_transpose2d": 2, "group_norm": 3, "layer_norm": 3,
         "instance_norm": 2}  # fmt: skip
_WEIGHT = {"batch_norm": 1, "linear": 1, "conv1d": 1, "conv2d": 1, "conv3d": 1, "addmm": 2,
           "conv_transpose1d": 1, "conv_transpose2d": 1, "group_norm": 2, "layer_norm": 2,
           "instance_norm": 1, "matmul": 1, "mm": 1}  # fmt: skip
_CARRIED = {"view", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "clone",
            "dropout", "slice", "select", "neg", "contiguous", "getitem", "split", "chunk",
            "flatten", "reshape"}  # fmt: skip


def name(op: Op) -> str:
    """Of an operation, without namespace and overload."""
    return op.target.removeprefix("aten.").split(".")[0]


def switches(op: Op) -> bool:
    """Whether the derivative, or the value, of an operation jumps where its operand crosses."""
    if name(op) in _COMPARISONS:
        return isinstance(op.args[0], Op) and op.args[0].varies
    return name(op) in _KINKED and isinstance(op.args[0], Op)


def kinks(op: Op) -> tuple[float, ...]:
    """Where: values of the operand, of its difference with the other for a comparison."""
    if name(op) in _COMPARISONS:
        return (float(op.args[1]),) if isinstance(op.args[1], (int, float)) else (0.0,)
    if name(op) not in _BOUNDED:
        return _FIXED.get(name(op), (0.0,))
    given = [op.args[1]] if name(op) == "threshold" else [*op.args[1:3], *_named(op)]
    found = tuple(float(x) for x in given if isinstance(x, (int, float)) and abs(x) < _GUARD)
    return found or ((-1.0, 1.0) if name(op) == "hardtanh" else (0.0,))


def _named(op: Op) -> list[Any]:
    return [op.kwargs[key] for key in ("min", "max", "min_val", "max_val") if key in op.kwargs]


def bias(op: Op) -> Op | None:
    """What an operation adds to all it is run on: a wire that parameters make, if any."""
    if name(op) in ("add", "sub"):
        return next((x for x in op.args[:2] if parametric(x)), None)
    return _operand(op, _BIAS)


def weight(op: Op) -> Op | None:
    """What it multiplies with."""
    if name(op) == "mul":
        return next((x for x in op.args[:2] if parametric(x)), None)
    if name(op) == "einsum":
        return next((x for x in op.operands if parametric(x)), None)
    return _operand(op, _WEIGHT)


def _operand(op: Op, table: dict[str, int]) -> Op | None:
    place = table.get(name(op), len(op.args))
    found = op.args[place] if place < len(op.args) else None
    return found if isinstance(found, Op) and parametric(found) else None


def parametric(x: Any) -> bool:
    """Whether a wire is made of parameters alone."""
    return isinstance(x, Op) and x.trainable and not x.varies


def carried(op: Op) -> bool:
    """Whether an operation hands its first operand on, perhaps in part."""
    return name(op) in _CARRIED


def by_channel(op: Op) -> bool:
    """Whether every channel of the result depends on one channel of what is read only."""
    if name(op).startswith("conv") and len(op.args) > 6 and isinstance(op.args[0], Op):
        shape = op.args[0].shape or (0, 0)
        groups = op.args[8] if name(op).startswith("convolution") else op.args[6]
        return isinstance(groups, int) and groups > 1 and groups == shape[1]
    return name(op) in ("batch_norm", "mul")


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
