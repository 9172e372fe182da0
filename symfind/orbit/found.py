"""Families that discovery found, at work on checkpoints: they move parameters, not wires."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.discovery.family import Acting
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment


@dataclass(eq=False, kw_only=True)
class FoundFamily(Family):
    """Fields that no rule derives.

    Attributes:
        acting: the fields, by names of parameters.
    """

    acting: Acting

    def count(self, sizes: Sizes | None = None) -> int:
        """Number of fields."""
        return self.acting.dimension

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are moved."""
        return self.acting.parameters

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """None: no wire is known to carry what was found from derivatives.

        Raises:
            TypeError: always; `Group.direction` asks the fields themselves.
        """
        raise TypeError("what discovery found moves parameters by name")

    def columns(self, state: dict[str, Tensor]) -> Tensor:
        """All fields at a checkpoint: [parameters, number]."""
        found = []
        for c in torch.eye(self.count(), dtype=torch.float64):
            moved = self.acting.direction(state, c)
            parts = [moved.get(n, torch.zeros_like(v)).reshape(-1) for n, v in state.items()]
            found.append(torch.cat(parts))
        return torch.stack(found, 1)
