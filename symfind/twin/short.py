"""The model with fewer layers, of which twins are built.

That the count of the model is what it is with its layers is checked: every kind of layer adds to
the count what a polynomial in their number says, which the counts of shorter graphs determine. It
is linear where layers are the same, and quadratic where each is wider than the one before.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symfind.count.counted import Counted
from symfind.graph.extents import Relations
from symfind.trace import Graph
from symfind.twin.dense import Dense, appended, thinned
from symfind.twin.depth import KEPT, Run, runs, shortened
from symfind.twin.relations import relate

_DEEP = 1500  # parameters of a twin, from which repeated layers are taken out


@dataclass(frozen=True)
class Short:
    """The model with fewer layers.

    Attributes:
        relations: of the graph that twins are built of.
        counted: what is derived from it.
        uneven: what is wrong with its count, as one of a model with fewer layers.
        kept: how many of repeated layers are left, of some kind; 0 where none was taken out.
    """

    relations: Relations
    counted: Counted
    uneven: str = ""
    kept: int = 0


@dataclass(frozen=True)
class Layers:
    """Kinds of layers of a graph that repeat."""

    relations: Relations
    found: Sequence[Run | Dense]

    def fewer(self, kept: Mapping[int, int]) -> Graph:
        """The graph with so many layers of each kind, by number of the kind."""
        same = [one for one in self.found if isinstance(one, Run)]
        if same:
            return shortened(self.relations.graph, same, kept)
        return thinned(self.relations, [d for d in self.found if isinstance(d, Dense)], kept)


@dataclass(frozen=True)
class Fewer:
    """A graph with as few layers as twins can have.

    Attributes:
        relations: of that graph.
        every: what repeats in the whole one.
        stay: how many layers of each kind are left; empty where none was taken out.
    """

    relations: Relations
    every: Layers
    stay: Mapping[int, int]


def layers(relations: Relations) -> Layers:
    """What repeats in a graph: layers that are the same, else such as append."""
    return Layers(relations, runs(relations.graph) or appended(relations))


def shortest(graph: Graph, parameters: Callable[[Relations, int], int], most: int) -> Fewer:
    """The graph with as few layers as it takes for a twin to have at most so many parameters.

    Args:
        graph: of the model.
        parameters: of a twin, by relations and variant.
        most: parameters that the smallest twin should have.
    """
    relations = relate(graph)
    every = layers(relations)
    if not every.found or parameters(relations, 1) <= _DEEP:
        return Fewer(relations, every, {})
    stay = _stay(every, lambda some: parameters(relate(every.fewer(some)), 0) <= most)
    return Fewer(relate(every.fewer(stay)), every, stay)


def short(fewer: Fewer, redundant: int, counting: Callable[[Graph], Counted]) -> Short:
    """The model with fewer layers, and whether its count is what it is with these.

    Args:
        fewer: its graph with fewer layers.
        redundant: its own count.
        counting: derives and counts.
    """
    relations, every, stay = fewer.relations, fewer.every, fewer.stay
    counted = counting(relations.graph)
    if not stay:
        return Short(relations, counted)
    total = counted.redundant
    for number, one in enumerate(every.found):
        more = len(one.layers) - stay[number]
        counts = [counted.redundant] + [
            counting(every.fewer({**stay, number: stay[number] + k})).redundant
            for k in range(1, min(one.degree, more) + 1)
        ]
        total += _continued(counts, more) - counted.redundant
    uneven = ""
    if total != redundant:
        uneven = f"{redundant:,} were derived, but by its layers the count is {total:,}"
    return Short(relations, counted, uneven, min(stay.values()))


def _stay(every: Layers, fits: Callable[[Mapping[int, int]], bool]) -> dict[int, int]:
    """How many layers of each kind stay: `KEPT`, else one, and `KEPT` of as many kinds as fit."""
    kinds = range(len(every.found))
    stay = dict.fromkeys(kinds, KEPT)
    if fits(stay):
        return stay
    stay = dict.fromkeys(kinds, 1)
    for number in kinds:
        if fits({**stay, number: KEPT}):
            stay[number] = KEPT
    return stay


def _continued(values: Sequence[int], place: int) -> int:
    """The value of the polynomial through some at 0, 1, … at a later place (Newton's series)."""
    total, row = 0, list(values)
    for k in range(len(values)):
        total += math.comb(place, k) * row[0]
        row = [b - a for a, b in zip(row, row[1:], strict=False)]
    return total
