"""Blind directions: what can be written into a wire and is seen by nothing downstream.

A bond wider than what reads it, a maximum over pieces that all move alike, a gain γ on the way to
what is blind to constants (a centred norm, a softmax): the parameters that write there may add
k ⊗ r for every k on which all that is seen vanishes. k is the null space of products of weights,
taken at the point where it is needed. (See `solve.seen`.)
"""

import itertools
import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from symfind.algebra.axes import Sizes, extent, positive
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.solve.bonds.linear import complement
from symfind.solve.families.family import Family, Moves, NullFamily, ShiftFamily
from symfind.solve.point.values import Environment
from symfind.solve.spans.indices import Index, indices
from symfind.solve.spans.rows import Form, Seen, form, volume
from symfind.solve.spans.seen import Sight
from symfind.solve.transport.flows import Flows


class Blind:
    """What is unseen of the parameters of a lowered graph."""

    def __init__(
        self, lowered: Lowered, flows: Flows, shifts: Sequence[ShiftFamily | NullFamily] = ()
    ) -> None:
        """Take what is known to be free already; nothing is computed until asked."""
        self.lowered = lowered
        self.sight = Sight(flows)
        self._free: dict[p.Source, dict[int | None, int]] = {}
        for f in shifts:
            if isinstance(f, ShiftFamily) and f.whole:
                self._free.setdefault(f.seed, {})[f.cell] = f.count()

    def families(self) -> list[Family]:
        """For every parameter that is seen only in part: k ⊗ r."""
        result: list[Family] = []
        for sources in self.lowered.parameters.values():
            if len(sources) == 1:
                for shape, seen in self._partly(sources[0]):
                    result.append(_family(sources[0], shape, seen))
        return result

    def _partly(self, source: p.Source) -> Iterator[tuple[Form, Seen]]:
        """Forms of a parameter of which something is unseen: one index, or two together."""
        wide = list(indices(source))
        found: set[Index] = set()
        for inner in itertools.chain(itertools.combinations(wide, 1),
                                     itertools.combinations(wide, 2)):  # fmt: skip
            if len(inner) > 1 and (len(wide) < 3 or found & set(inner)):
                continue
            shape = form(inner, ())
            seen = self.sight.seen(source, shape)
            # What is blind to constants alone is found as a shift.
            if seen is None or seen.plain or not 0 < seen.rank(None):
                continue
            unseen = volume(source, inner)(None) - seen.rank(None)
            # Where others take back any change of a block, what is unseen of it adds nothing.
            if unseen > sum(self._free.get(source, {}).values()):
                found |= set(inner)
                yield shape, seen


def _family(source: p.Source, shape: Form, seen: Seen) -> Family:
    rank, rows = seen.rank, seen.rows
    whole = volume(source, shape.inner)
    own = indices(source)
    rest = [s for s in own if s not in shape.inner]
    order = [*shape.inner, *rest]

    def width(sizes: Sizes | None) -> int:
        others = math.prod(extent(own[s], sizes) for s in rest)
        return positive(whole(sizes) - rank(sizes)) * others

    def build(env: Environment, c: Tensor) -> Moves:
        n = whole(env.sizes)
        k = complement(rows(env).reshape(-1, n).T, n - rank(env.sizes))
        lengths = [extent(own[s], env.sizes) for s in order]
        delta = (k @ c.reshape(k.shape[1], -1)).reshape(lengths)
        delta = delta.permute([order.index(s) for s in own])
        return {source: delta.reshape(env.shape(source))}

    moving = not seen.settled
    return NullFamily(
        kind="shift", sources=(source,), width=width, build=build, loose=moving, piecewise=moving
    )
