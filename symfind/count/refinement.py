"""Telling repeated layers apart from different roles, without names.

Families and tensors form a graph: a family moves tensors, each in its own way. Colour refinement
(Weisfeiler and Leman 1968) gives two families one colour only if their surroundings look alike, so
that the query of one layer may stand for that of another, but never for a key.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from symfind.graph import primitives as p
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

ROUNDS = 2


def colours(families: Sequence[Family]) -> list[int]:
    """A colour for every family."""
    edges = [
        (i, source.key, role(family, source))
        for i, family in enumerate(families)
        for source in family.sources
    ]
    of_family: list[Hashable] = [kind(f) for f in families]
    of_tensor: dict[str, Any] = {
        s.key: tuple(a.size for a in s.axes) for f in families for s in f.sources
    }
    for _ in range(ROUNDS):
        around: dict[str, list[Any]] = {}
        for i, key, how in edges:
            around.setdefault(key, []).append((of_family[i], how))
        of_tensor = _numbered({k: (of_tensor[k], _bag(v)) for k, v in around.items()})
        near: dict[int, list[Any]] = {i: [] for i in range(len(families))}
        for i, key, how in edges:
            near[i].append((how, of_tensor[key]))
        fresh = _numbered({i: (of_family[i], _bag(near[i])) for i in near})
        of_family = [fresh[i] for i in range(len(families))]
    numbers = _numbered(dict(enumerate(of_family)))
    return [numbers[i] for i in range(len(families))]


def _bag(items: list[Any]) -> tuple[Any, ...]:
    return tuple(sorted(items, key=repr))


def _numbered(found: dict[Any, Any]) -> dict[Any, int]:
    numbers: dict[Any, int] = {}
    return {key: numbers.setdefault(value, len(numbers)) for key, value in found.items()}


def kind(family: Family) -> Hashable:
    """What a family is, apart from what it moves."""
    return type(family).__name__, family.kind, getattr(family, "type", ""), family.count()


def role(family: Family, source: p.Source) -> Hashable:
    """How a family moves one of its tensors."""
    if isinstance(family, MatrixFamily):
        return _bag(
            [
                (m.cell, m.atom, m.dual, len(m.potential))
                for m in family.members
                if m.source is source
            ]
        )
    if isinstance(family, ScalingFamily):
        return _bag(
            [(m.cell, m.exponent, m.places) for m in family.scaling.members if m.source is source]
        )
    return source is family.sources[0], getattr(family, "cell", None), getattr(family, "free", ())
