"""Changes of parameters that no stretch of sums and products tells.

Of products of weights with nothing between, of weights and means over few places, of a map beside
another one that it makes up for: the kernel of the derivative of all that leaves a stretch. It is
the solution of a local equation, which is solved in numbers at every point. Of this those changes
are kept that are translations of parameters that are not multiplied by each other, and so do not
depend on these: a group acts. (Two residual maps of low rank tell less than they have parameters,
and no group is the reason.) A parameter alone comes first, then several together.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.solve.charts.partial import drawn, plain_wires, small, split
from symfind.solve.families.family import NullFamily
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.stretches.cut import Stretch, stretches
from symfind.solve.stretches.kernel import Beside, Untold, chosen, entries
from symfind.solve.stretches.plain import plain
from symfind.trace.graph import Graph

_MOST = 1000  # entries of parameters of a stretch
_DIRECTIONS = 1500  # that are known of these
_NUMBERS = 30_000_000  # of all results, for every sum of what leaves


def untold_families(
    graph: Graph, sources: Mapping[str, p.Source], known: Sequence[Family]
) -> list[Family]:
    """What no stretch of a small graph tells, where that is more than is known.

    Args:
        graph: what is lowered.
        sources: the wires of all parameters.
        known: families that are derived already.
    """
    if not small(graph):
        return []
    point = drawn({name: wire.shape for name, wire in sources.items()})
    found: list[Family] = []
    for stretch in stretches(graph):
        if all(r.key in sources for r in stretch.roots):
            try:
                found += _of(stretch, point, sources, [*known, *found])
            except (LookupError, RuntimeError, TypeError, NotImplementedError):
                continue  # an operation that cannot be run by itself
    return found


def _of(
    stretch: Stretch, point: Point, sources: Mapping[str, p.Source], known: Sequence[Family]
) -> Iterator[Family]:
    """Of one stretch: first what a parameter does alone, then the fewest that do the rest."""
    keys = [r.key for r in stretch.roots]
    near = [f for f in known if f.count() and set(f.names) & set(keys)]
    if entries(stretch.roots) > _MOST or sum(f.count() for f in near) > _DIRECTIONS:
        return
    whole = Untold(stretch, stretch.roots)
    env = point.environment()
    if whole.numbers() > _NUMBERS or not plain(stretch, env):
        return
    null, draws = whole.settled(env)
    if not null.shape[1]:
        return
    beside = Beside(point, near, keys)
    if not beside.new(null):
        return
    for roots, new in chosen(stretch.roots, null, whole.times(env), beside):
        yield _family(replace(whole, roots=roots, draws=draws), new, sources)


def _family(untold: Untold, count: int, sources: Mapping[str, p.Source]) -> Family:
    wires = plain_wires([sources[r.key] for r in untold.roots])
    kept: MutableMapping[Environment, Tensor] = WeakKeyDictionary()

    def width(sizes: Sizes | None) -> int:
        return count if sizes is None else 0  # a twin has other sizes

    def build(env: Environment, c: Tensor) -> Moves:
        if env not in kept:
            kept[env] = untold.directions(env, count)
        return split(wires, kept[env] @ c, env)

    return NullFamily(
        kind="parallel" if len(wires) > 1 else "shift", sources=wires, width=width, build=build,
        piecewise=True,
    )  # fmt: skip
