"""Rows of a table that constant look-ups put together: each such set is shifted by itself.

A bias by relative position is looked up for every pair of places, and a softmax over one of them
does not see what is the same along it. Rows of the table that are looked up for the same other
place have to be shifted alike; rows that hang together by this are one set (a picture, and a token
that stands for all of it).
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import NEVER
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical


def looked_families(lowered: Lowered, flows: Flows) -> Iterator[NullFamily]:
    """What is shifted besides whole tables."""
    for sources in lowered.parameters.values():
        for source in sources:
            found = _looked_up(source)
            if found is not None:
                yield from _of(source, *found, flows)


def _looked_up(source: p.Source) -> tuple[int, Node, list[int], Tensor] | None:
    """The one look-up of a table: along what, the wire, where its places stand, the row at each."""
    if len(source.users) != 1 or not isinstance(take := source.users[0], p.Take):
        return None
    picks = take.picks.value() if isinstance(take.picks, p.Source) else None
    if picks is None:
        return None
    rows = picks % source.axes[take.dim].size  # some may be counted from the end
    dims = list(range(take.dim, take.dim + picks.ndim))
    if picks.ndim == 1 and len(take.users) == 1 and isinstance(take.users[0], p.View):
        view = take.users[0]
        outs = next((list(r.outs) for r in view.index_map()
                     if r.ins == (take.dim,) and r.way is Way.RESHAPED), [])  # fmt: skip
        if len(outs) > 1:
            return take.dim, view, outs, rows.reshape([view.axes[d].size for d in outs])
    return (take.dim, take, dims, rows) if picks.ndim > 1 else None


def _of(
    source: p.Source, dim: int, wire: Node, dims: Sequence[int], rows: Tensor, flows: Flows
) -> Iterator[NullFamily]:
    for n in range(len(dims) - 1, 0, -1):
        for still in combinations(range(len(dims)), n):
            sets = _sets(rows, still)
            alike = [dims[i] for i in still]
            state = [CONSTANT if d in alike else ARBITRARY for d in range(len(wire.axes))]
            if len(sets) < 2 or flows.dispose(wire, canonical(wire, state), True, NEVER) is None:
                continue
            yield _family(source, dim, sets)
            return


def _sets(rows: Tensor, still: Sequence[int]) -> list[Tensor]:
    """Rows that are looked up at places which differ along some dimensions only, in sets."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    other = [d for d in range(rows.ndim) if d not in still]
    lines = rows.permute(*other, *still).reshape(prod(rows.shape[d] for d in other), -1)
    pairs = lines[:, :1].expand_as(lines).reshape(-1).numpy(), lines.reshape(-1).numpy()
    n = int(rows.max()) + 1
    graph = coo_array((torch.ones(rows.numel()).numpy(), pairs), shape=(n, n))
    label = torch.from_numpy(connected_components(graph, directed=False)[1])
    read = torch.unique(rows)
    return [read[label[read] == k] for k in torch.unique(label[read])]


def _family(source: p.Source, dim: int, sets: Sequence[Tensor]) -> NullFamily:
    """All sets but one: what shifts all of them alike is a shift of the table."""
    rest = [a for d, a in enumerate(source.axes) if d != dim]

    def width(sizes: Sizes | None) -> int:
        return (len(sets) - 1) * prod(extent(a, sizes) for a in rest)

    def build(env: Environment, c: Tensor) -> Moves:
        n = extent(source.axes[dim], env.sizes)
        chosen = torch.zeros(n, len(sets) - 1, **env.like)
        for k, one in enumerate(sets[1:]):
            if env.sizes is None:
                chosen[one, k] = 1.0
            else:  # other rows: as many sets as there are
                chosen[k % n, k] = 1.0
        moved = chosen @ c.reshape(len(sets) - 1, -1)
        return {source: moved.reshape(n, *(extent(a, env.sizes) for a in rest)).movedim(0, dim)}

    return NullFamily(kind="shift", sources=(source,), width=width, build=build)
