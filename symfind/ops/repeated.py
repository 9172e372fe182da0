"""Along which dimensions the entries of some data repeat: a mask that was expanded to features.

Data that repeats is one number for a whole fibre, and whatever mixes the entries of a fibre (a
change of basis of features) commutes with it. The graph has it whole, as wide as what it meets.
"""

from collections.abc import Mapping

import torch

from symfind.errors import TraceError
from symfind.trace import Op
from symfind.trace.kernels import resolve

Dims = frozenset[int]
_NONE: Dims = frozenset()
_COPIES = ("_to_copy", "clone", "detach", "alias", "contiguous", "lift_fresh_copy")


def repeated(op: Op, known: Mapping[int, Dims]) -> Dims:
    """Dimensions of more than one entry along which all entries of some data are equal.

    Args:
        op: what no trainable parameter reaches.
        known: the same for its operands, by their ids; none where they are not there.
    """
    shape = op.shape
    if shape is None or not op.target.startswith("aten."):
        return _NONE
    first = op.args[0] if op.args and isinstance(op.args[0], Op) else None
    if first is None or first.shape is None:
        return _NONE
    if op.base in ("expand", "repeat"):
        found = _spread(op, first, known)
    elif op.base in ("unsqueeze", "squeeze", "transpose", "permute", "slice", "select"):
        found = _moved(op, first, known)
    elif op.base in _COPIES or _tagged(op, torch.Tag.pointwise):
        found = {d for d in range(len(shape)) if all(_along(x, d, op, known) for x in op.operands)}
    elif _tagged(op, torch.Tag.reduction) and len(shape) == len(first.shape):
        found = {d for d in known.get(id(first), _NONE) if shape[d] == first.shape[d]}
    elif _tagged(op, torch.Tag.reduction):
        found = _reduced(op, first, known)
    else:
        return _NONE
    return frozenset(d for d in found if shape[d] > 1)


def _along(x: Op, dim: int, op: Op, known: Mapping[int, Dims]) -> bool:
    """Whether an operand of a broadcast has equal entries along a dimension of the result."""
    if x.shape is None:
        return False
    at = dim - (len(op.shape or ()) - len(x.shape))
    return at < 0 or x.shape[at] == 1 or at in known.get(id(x), _NONE)


def _spread(op: Op, x: Op, known: Mapping[int, Dims]) -> set[int]:
    return {d for d in range(len(op.shape or ())) if _along(x, d, op, known)}


def _moved(op: Op, x: Op, known: Mapping[int, Dims]) -> set[int]:
    """Where dimensions go, which numbers of the operand's own name them."""
    names = torch.empty(x.shape or (), device="meta")
    rank = names.dim()
    found = set()
    for d in known.get(id(x), _NONE):
        marked = names.as_strided(names.shape, [int(i == d) for i in range(rank)])
        moved = resolve(op.target)(marked, *op.args[1:], **op.kwargs)
        found |= {i for i, step in enumerate(moved.stride()) if step and moved.shape[i] > 1}
    return found


def _reduced(op: Op, x: Op, known: Mapping[int, Dims]) -> set[int]:
    """Along what is left, where the dimensions that go are named."""
    dims = op.args[1] if len(op.args) > 1 else None
    if isinstance(dims, int):
        dims = [dims]
    rank = len(x.shape or ())
    if not isinstance(dims, (list, tuple)) or not all(isinstance(d, int) for d in dims):
        return set()
    left = [d for d in range(rank) if d not in {d % rank for d in dims}]
    if len(left) != len(op.shape or ()):
        return set()
    return {i for i, d in enumerate(left) if d in known.get(id(x), _NONE)}


def _tagged(op: Op, tag: torch.Tag) -> bool:
    try:
        tags = getattr(resolve(op.target), "tags", ())
    except TraceError:
        return False
    return tag in tags and torch.Tag.nondeterministic_seeded not in tags
