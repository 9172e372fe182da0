"""What every family of generators is: a Lie algebra of symbolic size that moves parameters."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.solve.point.values import Environment

Moves = dict[p.Source, Tensor]


@dataclass(eq=False, kw_only=True)
class Family(ABC):
    """A linear space of vector fields on parameter space.

    `direction` is linear in the coefficients; `flow` follows it for a finite time.
    """

    kind: str
    sources: tuple[p.Source, ...] = ()
    approximate: bool = False

    @abstractmethod
    def count(self, sizes: Sizes | None = None) -> int:
        """Number of coefficients: the dimension of the algebra."""

    def draw(self, rng: torch.Generator) -> Tensor:
        """Random coefficients [count]: whatever is linear and vanishes there vanishes on all."""
        return torch.randn(self.count(), generator=rng, dtype=torch.float64)

    @abstractmethod
    def direction(self, env: Environment, c: Tensor) -> Moves:
        """The change of every parameter wire for coefficients `c` of shape [count]."""

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        """The wires after time t; exact for fields that are constant along their own flow."""
        return {s: env.value(s) + t * d for s, d in self.direction(env, c).items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are moved, in order, without repetition."""
        moved = (*self.sources, *followers(self.sources))
        return tuple(dict.fromkeys(s.key for s in moved))


def bends(family: Family) -> bool:
    """Whether its field changes along its own flow, and where that leads has no closed form."""
    return bool(getattr(family, "loose", False)) and not getattr(family, "closed", False)


def followers(moved: Iterable[p.Source]) -> list[p.Source]:
    """Wires that stay as they are, and whose parameters must therefore follow what moves."""
    sources = list(moved)
    found = dict.fromkeys(w for s in sources for w in s.followers if w.users)
    return [w for w in found if w not in sources]
