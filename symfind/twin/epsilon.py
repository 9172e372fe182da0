"""The small number that keeps a normalisation away from zero, on a twin.

With 1e-12 under the root the scale of a normalised wire is a symmetry but for a part in 1e12, which
no measurement in double precision tells from a symmetry. What counts is whether the number is zero:
norm(x, ε) = norm(c x, c² ε), so that at other parameters a network with one positive ε is the same
network with another one, and a rank that is generic in the parameters belongs to both. A twin has
an ε that can be seen.
"""

from symfind.ops.facts import facts
from symfind.trace import Op

VISIBLE = 1e-2
_ROOTS = ("rsqrt", "sqrt", "pow")


def visible(op: Op, args: list) -> list:
    """The arguments of an operation, with an ε that is neither zero nor negligible raised."""
    place = facts(op).eps
    if op.base == "add" and any(user.base in _ROOTS for user in op.users):
        place = 1
    if op.base == "batch_norm" and not op.args[5]:
        place = None  # beside a variance that is a buffer
    if place is not None and place < len(args):
        value = args[place]
        if isinstance(value, float) and 0 < value < VISIBLE:
            return [*args[:place], VISIBLE, *args[place + 1 :]]
    return args
