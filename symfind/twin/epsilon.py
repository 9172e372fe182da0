"""The small number that keeps a normalisation away from zero, on a twin.

With 1e-12 under the root the scale of a normalised wire is a symmetry but for a part in 1e12, which
no measurement in double precision tells from a symmetry. What counts is whether the number is zero:
norm(x, ε) = norm(c x, c² ε), so that at other parameters a network with one positive ε is the same
network with another one, and a rank that is generic in the parameters belongs to both. A twin has
an ε that can be seen.
"""

from symfind.ops.facts import facts
from symfind.trace import Op

VISIBLE = 0.1
UNSEEN = 1e-6  # below this it is lost among singular values that are nearly zero
_ROOTS = ("rsqrt", "sqrt", "pow")
_POLES = ("div", "reciprocal", "log", *_ROOTS)


def visible(op: Op, args: list) -> list:
    """The arguments of an operation, with an ε that is neither zero nor negligible raised."""
    place = facts(op).eps
    if op.base == "add" and len(args) == 2 and _guards(op, args[1]):
        place = 1
    if op.base == "batch_norm" and not op.args[5]:
        place = None  # beside a variance that is a buffer
    if place is not None and place < len(args):
        value = args[place]
        if isinstance(value, float) and 0 < value < VISIBLE:
            return [*args[:place], VISIBLE, *args[place + 1 :]]
    return args


def _guards(op: Op, value: object) -> bool:
    """Whether a number is added that keeps a root or a quotient from its singularity."""
    known = _POLES if isinstance(value, float) and value < UNSEEN else _ROOTS
    return any(
        user.base in known and (user.base != "div" or user.args[1] is op) for user in op.users
    )


def guarded(op: Op) -> bool:
    """Whether an operation has an ε that `visible` raises."""
    return any(a is not b for a, b in zip(op.args, visible(op, list(op.args)), strict=True))


def hidden(op: Op) -> bool:
    """Whether an operation has an ε whose effect double precision does not show."""
    new = visible(op, list(op.args))
    return any(
        a is not b and isinstance(a, float) and a < UNSEEN
        for a, b in zip(op.args, new, strict=True)
    )
