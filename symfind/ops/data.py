"""What is known of data before any parameter meets it: rows of the identity, shares, differences.

No equation is asked of what no parameter reaches. But its readers may add what its values never
see, so that it matters along which dimensions it sums to one, or to zero.
"""

from collections.abc import Sequence

from symfind.trace import Op

COPIES = ("_to_copy", "clone", "detach", "alias")


def _copied(op: Op, *more: str) -> Op:
    """What some data is a copy of, entry by entry; rounding to integers changes a sum."""
    while op.base in (*COPIES, *more) and isinstance(op.args[0], Op):
        if op.base == "_to_copy" and not (_floats(op) and _floats(op.args[0])):
            break
        op = op.args[0]
    return op


def _floats(op: Op) -> bool:
    return op.dtype is not None and op.dtype.is_floating_point


def selects(op: Op) -> bool:
    """Whether the last dimension of some data is a row of the identity, in numbers of any kind."""
    while op.base in COPIES and isinstance(op.args[0], Op):
        op = op.args[0]
    return op.base == "one_hot"


def shares(op: Op) -> tuple[int, ...]:
    """Dimensions over which some data sums to one: it was normalised by a softmax."""
    op = _copied(op)
    if op.base not in ("softmax", "_softmax") or not op.shape:
        return ()
    return (op.args[1] % len(op.shape),)


def balanced(op: Op) -> tuple[int, ...]:
    """Dimensions over which some data sums to zero: it was centred, and scaled at most."""
    op = _copied(op, "neg")
    order = _order(op)
    if order:
        found = balanced(op.args[0])
        return tuple(d for d, old in enumerate(order) if old in found)
    if op.target.startswith("aten.layer_norm") and not any(op.args[2:4]):
        rank = len(op.shape or ())
        return tuple(range(rank - len(op.args[1]), rank))
    if op.target == "aten.sub.Tensor" and all(isinstance(x, Op) for x in op.args):
        return _mean(*op.args[:2]) if op.kwargs.get("alpha", 1) == 1 else ()
    if op.target in ("aten.div.Tensor", "aten.mul.Tensor") and isinstance(op.args[0], Op):
        found = balanced(op.args[0])
        return found if found and _flat(op.args[0], op.args[1], found) else ()
    return ()


def _order(op: Op) -> list[int]:
    """Where the dimensions of a permuted operand come from; nothing of what is not permuted."""
    rank = len(op.shape or ())
    if op.target.startswith("aten.permute"):
        return [d % rank for d in op.args[1]]
    if not op.target.startswith("aten.transpose"):
        return []
    order, (a, b) = list(range(rank)), op.args[1:3]
    order[a], order[b] = order[b], order[a]
    return order


def _mean(x: Op, y: Op) -> tuple[int, ...]:
    """Dimensions over which y is the mean of x, kept with size one."""
    if (
        y.target != "aten.mean.dim"
        or y.args[0] is not x
        or len(y.shape or ()) != len(x.shape or ())
    ):
        return ()
    rank = len(x.shape or ())
    dims: Sequence[int] = y.args[1] or range(rank)
    return tuple(sorted(d % rank for d in dims))


def _flat(x: Op, factor: object, dims: Sequence[int]) -> bool:
    """Whether a factor is one number along some dimensions of x, which it does not widen."""
    if not isinstance(factor, Op):
        return True
    shape, mine = factor.shape, x.shape
    if shape is None or mine is None or len(shape) > len(mine):
        return False
    lead = len(mine) - len(shape)
    return all(d < lead or shape[d - lead] == 1 for d in dims)
