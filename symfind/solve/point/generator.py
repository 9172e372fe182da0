"""A family bound to a model: a generator that can be sampled and applied to weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

_SHOWN = 3  # tensors


@dataclass(frozen=True, repr=False)
class BoundGenerator:
    """A generator of the model's symmetry group, ready to act on its parameters by name.

    Attributes:
        id: as in the report.
        family: what acts.
        constants: values of buffers by name, where the traced ones are not those of the model.
    """

    id: str
    family: Family
    constants: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What acts, how many coefficients it takes, and on what."""
        names = self.parameters
        more = f", … {len(names)} in all" if len(names) > _SHOWN else ""
        shown = f"{', '.join(names[:_SHOWN])}{more}"
        return f"<{self.family.kind}, {self.family.count():,} coefficients, on {shown}>"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the tensors that move."""
        return self.family.names

    @property
    def straight(self) -> bool:
        """Whether its flow is exact for any time: a translation, or a scaling."""
        direct = self.family.kind in ("inert", "shift", "scaling")
        return direct and not getattr(self.family, "loose", False)

    @property
    def multiplies(self) -> bool:
        """Whether its flow multiplies every entry by a number."""
        return self.family.kind == "scaling" and not getattr(self.family, "loose", False)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random element of the algebra, shape [count]."""
        return self.family.draw(rng) / max(self.family.count(), 1) ** 0.5

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        """The vector field at theta: changes of the tensors that move, in their shapes."""
        return Point(theta, None, self.constants).direction(self.family, c)

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        """exp(tX) theta, on the tensors that move."""
        return Point(theta, None, self.constants).flow(self.family, c, t)

    def way(
        self, theta: Mapping[str, Tensor], c: Tensor, t: float
    ) -> tuple[dict[str, Tensor], float]:
        """The same up to where the field ends, and what part of the time that is."""
        return Point(theta, None, self.constants).way(self.family, c, t)
