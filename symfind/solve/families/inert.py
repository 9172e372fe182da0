"""Entries of parameters that a constant zero hides: masked weights, masked units, padding.

What is only left out by a range is found as a shift that nothing reads, and rows that no look-up
reads by themselves.
"""

import math

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily
from symfind.solve.limits import Limits
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment
from symfind.solve.sight.hidden import Hidden
from symfind.solve.spans.zeros import slices


def inert_families(lowered: Lowered, limits: Limits) -> list[NullFamily]:
    """For every parameter, the entries that a constant zero hides."""
    known = Hidden(limits)
    result = []
    for sources in lowered.parameters.values():
        if len(sources) != 1:
            continue
        if all(isinstance(user, p.Take) for user in sources[0].users):
            entries = known.places.entries(sources[0])
            entries = None if entries is None else entries & known.read(sources[0])
        else:
            entries = known.entries(sources[0])
        if entries is not None and bool(entries.any()):
            result.append(_family(sources[0], entries))
    return result


def _family(source: p.Source, entries: Tensor) -> NullFamily:
    count = int(entries.sum())
    # Along most dimensions all are hidden or none: the places are those of the others.
    alike = [d for d in range(entries.dim()) if torch.equal(entries, _first(entries, d))]
    order = [*(d for d in range(entries.dim()) if d not in alike), *alike]
    across = math.prod(entries.shape[d] for d in alike)
    places = entries.permute(order).reshape(-1, across)[:, 0].nonzero().squeeze(-1)

    def width(sizes: Sizes | None) -> int:
        return count if sizes is None else 0  # a twin has other coordinates

    def build(env: Environment, c: Tensor) -> Moves:
        change = torch.zeros(entries.numel() // across, across, **env.like)
        change = change.index_copy(0, places.to(c.device), c.reshape(-1, across))
        ordered = change.reshape([entries.shape[d] for d in order])
        return {source: ordered.permute([order.index(d) for d in range(len(order))])}

    # Other families may act on nothing but a slice that is hidden as a whole.
    hidden = [int(slices(entries, d).sum()) for d in range(entries.dim())]
    rows = next(((d, n) for d, n in enumerate(hidden)
                 if n and n * entries.numel() == count * entries.shape[d]), None)  # fmt: skip
    return NullFamily(kind="inert", sources=(source,), width=width, build=build,
                      slices=any(hidden), rows=rows)  # fmt: skip


def _first(entries: Tensor, d: int) -> Tensor:
    return entries.narrow(d, 0, 1).expand_as(entries)


def slices_of(family: NullFamily, dim: int, k: int) -> NullFamily:
    """The first `k` slices of the parameter of a family along a dimension, at any sizes."""
    (source,) = family.sources
    rest = [a for d, a in enumerate(source.axes) if d != dim]

    def width(sizes: Sizes | None) -> int:
        return k * math.prod(extent(a, sizes) for a in rest)

    def build(env: Environment, c: Tensor) -> Moves:
        shape = list(env.shape(source))
        change = torch.zeros(shape, **env.like)
        shape[dim] = k
        index = torch.arange(k, device=change.device)
        return {source: change.index_copy(dim, index, c.reshape(shape))}

    return NullFamily(kind="inert", sources=(source,), width=width, build=build)
