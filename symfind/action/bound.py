"""Records with a name: generators that need no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symfind.action.record import Record

if TYPE_CHECKING:
    import torch
    from torch import Tensor


_SHOWN = 3  # tensors


@dataclass(frozen=True, repr=False)
class Recorded:
    """A record as a generator; see `symfind.algebra.generator.Generator`.

    Attributes:
        id: as in the report.
        record: what acts.
    """

    id: str
    record: Record

    def __repr__(self) -> str:
        """What acts, how many coefficients it takes, and on what."""
        element, names = self.record.element, self.parameters
        more = f", … {len(names)} in all" if len(names) > _SHOWN else ""
        kind = f"{element.algebra} {element.kind}".strip()
        return f"<{kind}, {element.dimension:,} coefficients, on {', '.join(names[:_SHOWN])}{more}>"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the tensors that move."""
        return self.record.tensors

    def coefficients(self, rng: "torch.Generator") -> "Tensor":
        """A random element of the algebra, shape [dimension]."""
        import torch

        n = self.record.element.dimension
        return torch.randn(n, generator=rng, dtype=torch.float64) / max(n, 1) ** 0.5

    def direction(self, theta: "Mapping[str, Tensor]", c: "Tensor") -> "dict[str, Tensor]":
        """The vector field at theta."""
        return self.record.direction(theta, c)

    def flow(self, theta: "Mapping[str, Tensor]", c: "Tensor", t: float) -> "dict[str, Tensor]":
        """exp(tX) theta, on the tensors that move."""
        return self.record.apply(theta, c, t)
