"""What is seen of values from the operations that make them: finite, and rows that allow an entry.

A parameter and an input are finite. Sums, products and continuous functions of finite values are;
quotients, logarithms and roots need not be, nor is the softmax of a row of which nothing is left.
"""

import math
from typing import Any

import torch

from symfind.ops.facts import facts
from symfind.trace import Op, walk
from symfind.trace.constants import determined

_CONTINUOUS = frozenset(
    "add sub rsub mul neg matmul mm bmm addmm baddbmm addbmm linear bilinear einsum dot mv outer "
    "conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d "
    "relu leaky_relu prelu rrelu abs sign elu celu selu relu6 hardswish hardsigmoid hardtanh clamp "
    "clamp_min clamp_max threshold maximum minimum tanh sigmoid log_sigmoid softplus gelu silu "
    "mish erf erfc atan sin cos exp expm1 square softmax log_softmax logsumexp glu sum mean cumsum "
    "amax amin max min where masked_fill cat stack pad constant_pad_nd embedding layer_norm "
    "group_norm batch_norm native_layer_norm avg_pool1d avg_pool2d max_pool1d max_pool2d "
    "adaptive_avg_pool1d adaptive_avg_pool2d upsample_nearest2d upsample_bilinear2d tril triu "
    "zeros_like dropout scaled_dot_product_attention movedim take_along_dim repeat_interleave"
    .split()
)  # fmt: skip
_ALWAYS = frozenset(("nan_to_num", "_safe_softmax"))
_KEEPS_ROWS = (
    "expand",
    "unsqueeze",
    "squeeze",
    "view",
    "clone",
    "contiguous",
    "detach",
    "_to_copy",
)


def finite(op: Op) -> bool:
    """Whether all that an operation can return at finite inputs is seen to be finite."""
    stack, seen = [op], set[int]()
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if one.constant:
            value = one.value()
            if value is None or not bool(torch.isfinite(value).all()):
                return False
        elif not _whole(one):
            known = one.base in _CONTINUOUS or facts(one).moves or _divided(one) or _power(one)
            if not known or not all(math.isfinite(v) for v in _numbers((one.args, one.kwargs))):
                return False
            stack.extend(one.operands)
    return True


def _whole(op: Op) -> bool:
    """Whether a value is finite whatever it is made of."""
    exact = op.dtype is not None and not op.dtype.is_floating_point and not op.dtype.is_complex
    return exact or op.target in ("input", "parameter") or op.base in _ALWAYS


def _numbers(tree: Any) -> list[float]:
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (tuple, list)):
        return [v for item in tree for v in _numbers(item)]
    return [tree] if isinstance(tree, float) else []


def _divided(op: Op) -> bool:
    """Whether an operation divides by a constant that is zero nowhere."""
    if op.base != "div":
        return False
    by = op.args[1]
    value = by.value() if isinstance(by, Op) else torch.tensor(float(by))
    return value is not None and bool((value != 0).all())


def _power(op: Op) -> bool:
    """Whether an operation is a power with a whole exponent that is not negative."""
    power = op.args[1] if op.base == "pow" and len(op.args) > 1 else None
    return isinstance(power, (int, float)) and power >= 0 and power == int(power)


def allows(mask: Op) -> bool:
    """Whether every row of the mask of an attention is seen to allow an entry.

    A row is one of the last dimension; allowed is what is true, or above minus infinity.
    """
    value = determined(mask)
    if value is not None:
        return bool((value if value.dtype == torch.bool else value > -torch.inf).any(-1).all())
    truth = mask.dtype == torch.bool
    if not truth and finite(mask):
        return True
    parts = list(walk(mask.args))
    if mask.base in _KEEPS_ROWS and parts and parts[0].dtype is not None:
        last = (parts[0].shape or (0,))[-1:]
        same = truth == (parts[0].dtype == torch.bool)
        return same and last in ((mask.shape or ())[-1:], (1,)) and allows(parts[0])
    if truth and mask.base in ("logical_or", "bitwise_or"):
        return any(allows(x) for x in parts)
    if truth and mask.base in ("logical_and", "bitwise_and") and len(parts) == 2:
        return any(_all(x) and allows(y) for x, y in (parts, parts[::-1]))
    if mask.base == "masked_fill" and finite(parts[0]):
        held = determined(parts[1])
        return held is not None and bool((held == 0).any(-1).all())
    if mask.base == "where" and len(mask.args) == 3 and isinstance(mask.args[0], Op):
        kept = mask.args[1]
        return allows(mask.args[0]) and (not isinstance(kept, Op) or finite(kept))
    if not truth and mask.base == "add" and len(parts) == 2:
        return any(finite(x) and allows(y) for x, y in (parts, parts[::-1]))
    return False


def _all(mask: Op) -> bool:
    """Whether a mask is known to be true everywhere."""
    value = determined(mask)
    return value is not None and bool((value != 0).all())
