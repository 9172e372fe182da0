"""Random points of parameter space, each with Jacobian rows over fresh inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.verify.function import Function, Point
from symfind.verify.nullity import Draw
from symfind.verify.rows import Rows


@dataclass(frozen=True)
class Sample:
    """A point and what some inputs see there.

    Attributes:
        theta: the parameters.
        rows: a matrix [rows, parameters] with the row space of their Jacobian, of norm one.
        rank: of the rows, roughly: how many equations they are worth.
    """

    theta: Point
    rows: Tensor
    rank: int


class Samples:
    """Samples made when they are first asked for, and kept.

    Args:
        function: what is differentiated.
        draw: draws inputs.
        seed: of points and inputs.
    """

    def __init__(self, function: Function, draw: Draw, seed: int) -> None:
        self.function = function
        self._points_rng = torch.Generator().manual_seed(seed)
        self._rows = Rows(function, draw, torch.Generator().manual_seed(seed))
        self._points: list[Point] = []
        self._made: dict[int, Sample] = {}
        start = 0
        self.slices: dict[str, slice] = {}
        for name in function.names:
            size = torch.Size(function.shapes[name]).numel()
            self.slices[name] = slice(start, start + size)
            start += size

    def theta(self, index: int) -> Point:
        """The parameters of the sample of a number, without its rows."""
        while len(self._points) <= index:
            self._points.append(self.function.random_point(self._points_rng))
        return self._points[index]

    def __getitem__(self, index: int) -> Sample:
        """The sample of a number."""
        if index not in self._made:
            self._made[index] = self._make(index)
        return self._made[index]

    def _make(self, index: int) -> Sample:
        theta = self.theta(index)
        self._rows.prepare(theta)
        # inputs of their own for every point: what one batch of inputs does not see, another may
        rows = self._rows.block(theta, index)
        rows = rows / rows.norm().clamp(min=1e-300)
        if rows.shape[0] > rows.shape[1]:
            rows = torch.linalg.qr(rows, mode="r").R
        values = torch.linalg.svdvals(rows)
        return Sample(theta, rows, int((values > 1e-10 * values[:1].clamp(min=1e-300)).sum()))
