"""Where to look: the tensors that a null direction moves, and those that it depends on.

Nothing is known of a graph here. Measured null vectors tell which few tensors carry a symmetry;
and what its vector field depends on shows when one tensor after another is drawn anew: a vector
that stays null does not depend on that tensor. A field that is monomial in its sources is then
made of these tensors and no others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.count.carriers import MOST_SETS, Carried, carried
from symfind.discovery.samples import Samples
from symfind.numerics.decompose import right
from symfind.numerics.spans import beyond_span, span
from symfind.verify.function import Point

_OUTSIDE = 1e-8  # part of a unit vector, below which it vanishes on a tensor
_EFFECT = 1e-8  # of a unit vector, relative to the whole Jacobian, below which none is seen


@dataclass(frozen=True)
class Locality:
    """The null space at one point, and how it changes with single tensors.

    Attributes:
        samples: of all parameters.
        theta: the point.
        null: orthonormal columns that span the null space there, [parameters, nullity].
        drawn: the same point with values of another, by tensors that were asked for.
    """

    samples: Samples
    theta: Point
    null: Tensor
    drawn: dict[str, Tensor]

    @classmethod
    def at(cls, samples: Samples, theta: Point, null: Tensor) -> "Locality":
        """What is measured at a point: columns of `null` span the null space."""
        return cls(samples, theta, span(null), {})

    def beyond(self, known: Tensor) -> Tensor:
        """What is null beyond known directions, all as orthonormal columns."""
        return beyond_span(self.null, known)

    def sets(self, known: Tensor, beyond: Tensor) -> tuple[Carried, ...]:
        """Some of what is null beyond known directions, by the fewest tensors that carry it."""
        sizes = {n: math.prod(self.samples.function.shapes[n]) for n in self.samples.function.names}
        found = carried(sizes, known, beyond)
        # the last of so many has all of the rest
        return found[:-1] if len(found) == MOST_SETS else found

    def neighbourhood(self, tensors: Sequence[str]) -> tuple[str, ...]:
        """Some tensors, with those on which the null directions within them depend."""
        within = self._within(tensors)
        return tuple(
            name for name in self.samples.function.names
            if name in tensors or self._moves(name, within)
        )  # fmt: skip

    def _within(self, tensors: Sequence[str]) -> Tensor:
        """Orthonormal null vectors that vanish on all other tensors."""
        outside = torch.ones(len(self.null), dtype=torch.bool)
        for name in tensors:
            outside[self.samples.slices[name]] = False
        elsewhere = self.null[outside]
        if not len(elsewhere):
            return self.null
        values, vh = right(elsewhere)
        return self.null @ vh[int((values > _OUTSIDE).sum()) :].T

    def _moves(self, name: str, vectors: Tensor) -> bool:
        """Whether null vectors are no more null once another tensor is drawn anew."""
        if name not in self.drawn:
            other = self.samples.theta(0)[name]
            self.drawn[name] = self.samples.rows_at({**self.theta, name: other}, 0)
        effect = self.drawn[name] @ vectors
        return bool(effect.numel()) and float(effect.norm(dim=0).max()) > _EFFECT
