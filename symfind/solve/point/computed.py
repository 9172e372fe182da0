"""Which families can be computed: what is left of an operation may be nothing that can be."""

from collections.abc import Mapping, Sequence

import torch

from symfind.graph.primitives import Node
from symfind.solve.limits import Limits
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.family import Family
from symfind.solve.point.values import Environment

Shapes = Mapping[str, Sequence[int]]


def computed(family: Family, shapes: Shapes) -> bool:
    """Whether the values that a field needs are known: those inside an operation may not be.

    Args:
        family: of any kind.
        shapes: of the parameters by name.
    """
    rng = torch.Generator().manual_seed(0)
    env = Environment(Drawn(shapes))
    try:
        family.direction(env, torch.randn(family.count(), generator=rng).double())
    except LookupError:
        return False
    return True


def without_unknown(
    families: Sequence[Family], nodes: Sequence[Node], shapes: Shapes, limits: Limits
) -> list[Family]:
    """Families that can be computed, where a wire is left that no input reaches any more.

    A row of a table of one row is a parameter, and the operation that takes it reads the input all
    the same: what was done to it inside is not known to be of parameters alone.
    """
    left = [n for n in nodes if not n.varies and n.result_of is not None and n.result_of.varies]
    if not left:
        return list(families)
    kept = [f for f in families if computed(f, shapes)]
    if len(kept) < len(families):
        limits.reached(left[0], "fields that need values inside an operation")
    return kept
