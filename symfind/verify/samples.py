"""Rows of the Jacobian at one point, collected once for all questions about that point."""

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind import budget
from symfind.verify.function import Function, Point
from symfind.verify.nullity import Draw
from symfind.verify.rows import Rows

_BLOCKS = 200  # of inputs at most: where each has few outputs and they cannot be batched, no more


class Samples:
    """Rows of the Jacobian over drawn inputs, as many as were asked for so far.

    Two samples of one function with the same source of inputs and the same seed are of the same
    inputs, row by row, whatever their points are.

    Args:
        function: what is differentiated.
        theta: where.
        draw: draws inputs.
        seed: of these.
    """

    def __init__(self, function: Function, theta: Point, draw: Draw, seed: int) -> None:
        self.function, self.theta, self.draw, self.seed = function, theta, draw, seed
        self._source = Rows(function, draw, torch.Generator().manual_seed(seed))
        self._blocks: list[Tensor] = []
        self._failed = False

    def rows(self, count: int) -> Tensor | None:
        """At least so many rows, [rows, parameters], or as many as there can be at a fair cost.

        None where the function cannot be evaluated on these inputs.
        """
        while sum(map(len, self._blocks)) < count and len(self._blocks) < _BLOCKS:
            budget.check()
            if self._failed:
                return None
            try:
                self._source.prepare(self.theta)
                self._blocks.append(self._source.block(self.theta, len(self._blocks)))
            except Exception:  # whatever a model raises at inputs that it does not want
                self._failed = True
                return None
        return torch.cat(self._blocks)

    def moved(self, names: Sequence[str], rng: torch.Generator) -> "Samples":
        """Of the same inputs, at a point where some tensors have other random values."""
        drawn = self.function.random_point(rng)
        theta = {**self.theta, **{name: drawn[name] for name in names}}
        return Samples(self.function, theta, self.draw, self.seed)

    def columns(self, names: Sequence[str]) -> Tensor:
        """Which columns belong to some tensors."""
        sizes = [torch.Size(shape).numel() for shape in self.function.shapes.values()]
        places = torch.arange(sum(sizes)).split(sizes)
        chosen = dict(zip(self.function.shapes, places, strict=True))
        return torch.cat([chosen[name] for name in self.function.shapes if name in names])
