"""What every generator of a symmetry can do, whatever rule found it."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Generator(Protocol):
    """A family of vector fields on the parameters: one Lie algebra acting at one site.

    Attributes:
        id: unique name, for reports and messages.
        parameters: names of the parameters that it moves.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def parameters(self) -> tuple[str, ...]: ...  # noqa: D102

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """Draw a random element of the algebra."""
        ...

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        """Evaluate the vector field of the element `c` at `theta`, linear in `c`.

        Only the parameters that it moves, each in its own shape.
        """
        ...

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        """Apply the group element exp(t c) to `theta`: new values of the parameters it moves."""
        ...
