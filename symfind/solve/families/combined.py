"""What only the elements of several families together are: a symmetry."""

from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.solve.families.family import Family, Moves
from symfind.solve.point.values import Environment


@dataclass(eq=False, kw_only=True)
class DirectSum(Family):
    """All elements of several families at once: their coefficients one after the other."""

    parts: tuple[Family, ...]
    loose: bool = True

    def count(self, sizes: Sizes | None = None) -> int:
        """Of all together."""
        return sum(part.count(sizes) for part in self.parts)

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """All of them, added."""
        moves: Moves = {}
        counts = [part.count(env.sizes) for part in self.parts]
        for part, own in zip(self.parts, c.split(counts), strict=True):
            for source, change in part.direction(env, own).items():
                moves[source] = moves[source] + change if source in moves else change
        return moves


@dataclass(eq=False, kw_only=True)
class CombinedFamily(Family):
    """Chosen elements of several families, added: a subspace of the sum of their algebras.

    Each member alone may be no symmetry. The coefficients are found by measurement at the model's
    own sizes, so that there is no such family on a twin.

    Attributes:
        parts: members, each with its coefficients [its own count, count].
    """

    parts: tuple[tuple[Family, Tensor], ...]
    loose: bool = True  # the members need not commute: the flow is followed
    steps: int | None = None  # as many as it takes

    @classmethod
    def of(cls, parts: tuple[tuple[Family, Tensor], ...]) -> "CombinedFamily":
        """From members and coefficients; its kind is theirs where they have one."""
        kinds = {member.kind for member, _ in parts}
        sources: dict[p.Source, None] = {}
        for member, _ in parts:
            sources.update(dict.fromkeys(member.sources))
        kind = kinds.pop() if len(kinds) == 1 else "gauge"
        return cls(kind=kind, sources=tuple(sources), parts=parts)

    def count(self, sizes: Sizes | None = None) -> int:
        """How many combinations there are."""
        return self.parts[0][1].shape[1]

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """All members at once."""
        moves: Moves = {}
        for member, mix in self.parts:
            for source, change in member.direction(env, mix.to(c) @ c).items():
                moves[source] = moves[source] + change if source in moves else change
        return moves
