"""One piece of what is joined and then computed row by row: that piece alone is computed.

A class token is put in front of patches, all are normed, and the token is taken (CaiT, Touvron et
al. 2021). Nothing sees the normed patches, so that the norm is one of the token's stream alone.
"""

from collections.abc import Iterator

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
        made = list(_early(node)) if isinstance(node, p.Narrow) and node.varies else []
        if made:
            for user in list(node.users):
                user.inputs = tuple(made[-1] if x is node else x for x in user.inputs)
            made[-1].users = [*made[-1].users, *node.users]
            node.users = []
            done += made
        done.append(node)
    nodes[:] = done


def _early(node: p.Narrow) -> Iterator[Node]:
    """The range of a wire, computed of a piece; nothing where it is not a piece of anything."""
    chain: list[tuple[Node, int, int]] = []
    z, dim = node.inputs[0], node.dim
    while not (isinstance(z, p.Join) and z.dim == dim):
        step = _row_by_row(z, dim)
        if step is None:
            return
        chain.append((z, step[0], dim))
        z, dim = z.inputs[step[0]], step[1]
    n = node.axes[node.dim].size
    found = [x for i, x in enumerate(z.inputs) if (z.begin(i), x.axes[dim].size) == (node.start, n)]
    if len(found) != 1 or not chain or not found[0].varies:
        return
    (x,) = found
    axis = x.axes[dim]
    for wire, at, d in reversed(chain):
        inputs = [x if i == at else y for i, y in enumerate(wire.inputs)]
        x = again(wire, inputs, [axis if i == d else a for i, a in enumerate(wire.axes)])
        x.result_of = None
        yield x


def _row_by_row(z: Node, dim: int) -> tuple[int, int] | None:
    """Which operand has the rows of a wire along a dimension, where each makes one of its own."""
    if not isinstance(z, _ALIKE) or len(z.users) != 1 or z.orders:
        return None
    if dim in getattr(z, "dims", ()) or (isinstance(z, p.Contract) and z.windows):
        return None
    wide = []
    for at, x in enumerate(z.inputs):
        own = carried(z.index_map(at), dim)
        if own is not None and x.axes[own].size > 1:
            wide.append((at, own))
        elif own is None and isinstance(z, p.Permute | p.View):
            return None
    return wide[0] if len(wide) == 1 else None
