"""Generators by kind: the same tensors moved in the same way, with other coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.count.rank import rank
from symfind.discovery.generators import Discovered
from symfind.discovery.words import pattern


@dataclass(frozen=True)
class Pattern:
    """Generators of one kind.

    Attributes:
        text: `0.weight -> A 0.weight, 2.weight -> 2.weight A`, with A for any coefficients.
        count: how many there are.
        dimension: what they add to the span of the simpler kinds, at a generic point. Zero where
            all of them are combinations of those by functions of θ.
        example: the first of them.
        generators: their ids.
        degree: in the parameters, and the number of terms: what is simpler comes first.
    """

    text: str
    count: int
    dimension: int
    example: str
    generators: tuple[str, ...]
    degree: tuple[int, int] = (0, 0)


def patterns(found: Sequence[Discovered], directions: Tensor, known: Tensor) -> tuple[Pattern, ...]:
    """The kinds of generators, those that add most first.

    Args:
        found: generators.
        directions: of each at one generic point, as columns.
        known: directions there that count for nothing, as columns.
    """
    groups: dict[str, list[int]] = {}
    for i, generator in enumerate(found):
        groups.setdefault(pattern(generator.terms), []).append(i)
    kinds = []
    seen, before = known, rank(known)
    for text, members in sorted(groups.items(), key=lambda g: _complexity(found[g[1][0]])):
        seen = torch.cat([seen, directions[:, members]], 1)
        after = rank(seen)
        names = tuple(found[i].id for i in members)
        example = found[members[0]].text
        kinds.append(Pattern(text, len(members), after - before, example, names,
                             _complexity(found[members[0]])))  # fmt: skip
        before = after
    return tuple(sorted(kinds, key=lambda p: -p.dimension))


def _complexity(generator: Discovered) -> tuple[int, int]:
    """Degree in the parameters, and the number of terms."""
    return sum(len(t.monomial.factors) for t in generator.terms), len(generator.terms)
