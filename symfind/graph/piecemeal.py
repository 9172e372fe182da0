"""Pieces of what is joined and then computed row by row: each is computed alone.

A class token is put in front of patches, all are normed, and the token is taken (CaiT, Touvron et
al. 2021): the norm is one of the token's stream alone. Heads are put behind one another along the
batch, asked all at once and taken apart again (Set Transformers, Lee et al. 2019): each is asked by
itself.
"""

from symfind.graph import primitives as p
from symfind.graph.copies import again
from symfind.graph.index_map import carried
from symfind.graph.primitives import Node

_ALIKE = (
    p.Add, p.Centre, p.Contract, p.Normalise, p.Permute, p.Pointwise, p.Softmax, p.View,
)  # fmt: skip


def take_pieces(nodes: list[Node]) -> None:
    """Take a piece before what is computed of every row, where a range is that piece.

    Args:
        nodes: in topological order; gains what is new, and keeps what nothing reads any more.
    """
    done: list[Node] = []
    for node in nodes:
        if isinstance(node, p.Narrow) and node.varies:
            z = node.inputs[0]
            beside = [u for u in z.users if u is not node]
            apart = all(isinstance(u, p.Narrow) and u.dim == node.dim for u in beside)
            joined = isinstance(z, p.Join) and z.dim == node.dim
            if apart and not joined and _able(z, node.dim, node, bool(beside)):
                _replace(node, _early(z, node.dim, node, done))
        done.append(node)
    nodes[:] = done


def _replace(node: Node, new: Node) -> None:
    for user in node.users:
        user.inputs = tuple(new if x is node else x for x in user.inputs)
    new.users = list(dict.fromkeys([*new.users, *node.users]))
    node.users = []


def _able(z: Node, dim: int, part: p.Narrow, several: bool) -> bool:
    """Whether a range of a wire can be computed of pieces.

    `several`: whether other ranges are taken as well, so that all on the way is done twice: then
    no parameter may be.
    """
    if isinstance(z, p.Join) and z.dim == dim:
        return _piece(z, part) is not None
    rows = _row_by_row(z, dim)
    if not rows or (several and _weighs(z, rows)):
        return False
    for at, own in rows:
        x = z.inputs[at]
        joined = isinstance(x, p.Join) and x.dim == own
        if (len(x.users) > 1 and not joined) or not _able(x, own, part, several):
            return False
    return True


def _piece(z: p.Join, part: p.Narrow) -> Node | None:
    size = part.axes[part.dim].size
    found = [x for i, x in enumerate(z.inputs)
             if (z.begin(i), x.axes[z.dim].size) == (part.start, size)]  # fmt: skip
    return found[0] if len(found) == 1 else None


def _early(z: Node, dim: int, part: p.Narrow, made: list[Node]) -> Node:
    """The range of a wire, computed of pieces."""
    if isinstance(z, p.Join) and z.dim == dim and (piece := _piece(z, part)) is not None:
        return piece
    inputs, axes = list(z.inputs), list(z.axes)
    for at, own in _row_by_row(z, dim):
        inputs[at] = _early(z.inputs[at], own, part, made)
        axes[dim] = inputs[at].axes[own]
    new = again(z, inputs, axes)
    new.result_of = None
    made.append(new)
    return new


def _weighs(z: Node, rows: list[tuple[int, int]]) -> bool:
    """Whether a parameter takes part that is the same for every row."""
    ats = {at for at, _ in rows}
    return any(not x.varies and not x.fixed for at, x in enumerate(z.inputs) if at not in ats)


def _row_by_row(z: Node, dim: int) -> list[tuple[int, int]]:
    """Operands that have the rows of a wire along a dimension, where each makes one of its own."""
    if not isinstance(z, _ALIKE) or z.orders or dim in getattr(z, "dims", ()):
        return []
    if isinstance(z, p.Contract) and (z.windows or dim in z.shares):
        return []
    found = []
    for at, x in enumerate(z.inputs):
        own = carried(z.index_map(at), dim)
        if own is not None and x.axes[own].size > 1:
            found.append((at, own))
    return found
