"""Wires that are never negative, or never positive, whatever the weights: what a function makes."""

import torch

from symfind.ops.facts import facts
from symfind.trace import Op

_ABOVE = frozenset({
    "abs", "exp", "hardsigmoid", "relu", "relu6", "sigmoid", "softmax", "softplus",
    "_softmax", "square",
})  # fmt: skip
_BELOW = frozenset({"log_sigmoid", "log_softmax", "_log_softmax"})
_ALIKE = frozenset({
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "amax", "amin",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "max", "max_pool1d", "max_pool2d", "max_pool3d",
    "mean", "min", "sum", "tanh", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
})  # fmt: skip
_RISING = frozenset({"leaky_relu", "prelu"})  # above zero; below, a slope may have any sign
_TOGETHER = frozenset({"add", "cat", "maximum", "minimum", "stack"})
DEPTH = 12  # operations


def sign(op: object, depth: int = DEPTH) -> int:
    """1 of what is never negative, -1 of what is never positive, 0 where neither is known."""
    if not isinstance(op, Op) or not depth:
        return 0
    if op.target == "getitem" and (op.args[1] == 0 or facts(op.args[0]).moves):
        return sign(op.args[0], depth - 1)
    if not op.target.startswith("aten."):
        return 0
    name = op.base
    if op.dtype in (torch.bool, torch.uint8):
        return 1
    if op.target == "aten.view.dtype":
        return 0
    if name in _ABOVE or (name == "clamp_min" and op.args[1:] == (0,)):
        return 1
    if name in _BELOW:
        return -1
    if name == "neg":
        return -sign(op.args[0], depth - 1)
    if name in _TOGETHER or op.target in ("aten.max.other", "aten.min.other"):
        signs = {sign(x, depth - 1) for x in op.operands}
        whole = len(op.operands) == _parts(op) and not op.kwargs
        return signs.pop() if len(signs) == 1 and whole else 0
    if name in _ALIKE or facts(op).moves:
        return sign(op.args[0], depth - 1)
    return max(0, sign(op.args[0], depth - 1)) if name in _RISING else 0


def _parts(op: Op) -> int:
    """How many wires are summed or joined."""
    return len(op.args[0]) if isinstance(op.args[0], tuple | list) else 2
