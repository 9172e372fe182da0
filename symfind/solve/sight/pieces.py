"""Pieces of a wire that are joined again: what is the same in all of them is seen once.

Every second row and the rows between, side by side: a vector that is added everywhere is added to
both, and a norm behind them sees nothing of it where each alone would be seen.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from symfind.algebra.axes import least
from symfind.graph import primitives as p
from symfind.graph.indices import indices, passage
from symfind.graph.primitives import Node
from symfind.graph.rejoined import rejoined
from symfind.solve.point.values import Environment
from symfind.solve.sight.rows import Form, Seen, form, lengths_of, volume

Joined = Mapping[p.Join, Form]  # with the form of every piece


def joined(node: Node, shape: Form) -> tuple[Joined, Sequence[Node]]:
    """Where all operands are pieces of a wire that are alike, and its other readers.

    Args:
        node: the wire.
        shape: of a perturbation of it.
    """
    return rejoined(node, shape, _carried)


def _carried(user: Node, at: int, shape: Form) -> Form | None:
    """The form behind an operation that moves or mixes entries along flat indices alone."""
    x = user.inputs[at]
    if isinstance(user, p.Mix):
        kept = user.unit == 1.0 and not user.drop and not isinstance(user, p.Order)
        mixed = {s for s in indices(x) if s[0] in user.dims}
        if not kept or any(shape.of(s) != "flat" for s in mixed):
            return None
        here = {s for s in indices(user) if s[0] in user.dims}
        return form(shape.inner, (shape.flat - mixed) | here)
    stiff = getattr(user, "stiff", ())
    if stiff or not isinstance(user, p.Movement):
        return None
    if isinstance(user, p.Narrow):
        if any(shape.of(s) != "flat" for s in indices(x) if s[0] == user.dim):
            return None
        here = {s for s in indices(user) if s[0] == user.dim}
        return form(shape.inner, {s for s in shape.flat if s[0] != user.dim} | here)
    way = passage(user, 0)
    if any(shape.of(s) != "flat" for run in way.joint for s in run.ins):
        return None
    if any(s not in way.same for s in shape.inner):
        return None
    flat = {way.same[s] for s in shape.flat if s in way.same}
    return form((way.same[s] for s in shape.inner), flat.union(*(run.outs for run in way.joint)))


def alike(
    join: p.Join,
    shape: Form,
    seen: Callable[[Node, Form], Seen | None],
    blunt: Callable[[Node, Form, Sequence[int]], Seen | None],
) -> Seen | None:
    """What is seen of a perturbation that all operands have; None for all of it.

    Args:
        join: of the operands.
        shape: of the perturbation of each.
        seen: what is seen of a perturbation of any wire.
        blunt: what is, where constants along some dimensions are not.
    """
    dim, x = join.dim, join.inputs[0]
    kinds = {shape.of(s) for s in indices(x) if s[0] == dim}
    here = [s for s in indices(join) if s[0] == dim]
    rest = [s for s in shape.inner if s[0] != dim]
    flat = {s for s in shape.flat if s[0] != dim}
    if kinds <= {"flat"}:
        return seen(join, form(shape.inner, flat | set(here)))
    if kinds != {"inner"} or len(here) > 1 or len(shape.inner) > len(rest) + 1:
        return None
    below = seen(join, form([*rest, *here], flat))
    if below is None:
        return None
    if below.plain:  # where a constant is unseen in all of them together, it is in each
        return blunt(x, shape, (dim,))
    outer, place = below.rows, 1 + sorted([*rest, *here]).index(here[0])
    lengths, whole, rank = lengths_of(x, shape.inner), volume(x, shape.inner), below.rank

    def rows(env: Environment) -> Tensor:
        t = outer(env).unflatten(place, (len(join.inputs), -1)).sum(place)
        return t.reshape(-1, *lengths(env))

    return Seen(lambda sizes: least(whole(sizes), rank(sizes)), rows)
