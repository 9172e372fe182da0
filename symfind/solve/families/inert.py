"""Entries of parameters that a constant zero hides: masked weights, masked units, padding.

What is only left out by a range is found as a shift that nothing reads, and what a look-up never
reads by its rows.
"""

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
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
        looked_up = all(isinstance(u, p.Take) for s in sources for u in s.users)
        if len(sources) == 1 and not looked_up:
            entries = known.entries(sources[0])
            if entries is not None:
                result.append(_family(sources[0], entries))
    return result


def _family(source: p.Source, entries: Tensor) -> NullFamily:
    count = int(entries.sum())
    places = entries.reshape(-1).nonzero().squeeze(-1)

    def width(sizes: Sizes | None) -> int:
        return count if sizes is None else 0  # a twin has other coordinates

    def build(env: Environment, c: Tensor) -> Moves:
        change = torch.zeros(entries.numel(), **env.like)
        change = change.index_put((places.to(c.device),), c)
        return {source: change.reshape(entries.shape)}

    # Other families may act on nothing but a slice that is hidden as a whole.
    whole = any(bool(slices(entries, d).any()) for d in range(entries.dim()))
    return NullFamily(kind="inert", sources=(source,), width=width, build=build, slices=whole)
