"""Random points of parameter space, each with Jacobian rows over fresh inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.numerics.reveal import reveal
from symfind.points.manner import manner
from symfind.verify.function import Function, Point
from symfind.verify.nullity import Draw
from symfind.verify.rows import Rows

_NOISE = 1e-13  # of the norm of all rows, below which a column is zero but for rounding
_BATCHES = 12  # of inputs; later ones are larger, and these are many, each at several points
_FEW = 3  # points, of which the one is looked at at which most is seen
_FAINT = -6.0  # log10 of a singular value, from which null vectors are precise enough


@dataclass(frozen=True)
class Sample:
    """A point and what some inputs see there.

    Attributes:
        theta: all parameters.
        rows: a matrix with the row space of their Jacobian, of norm one; its columns are the
            scalars of the tensors that are looked at.
    """

    theta: Point
    rows: Tensor


class Samples:
    """Points and Jacobian rows, made when they are first asked for, and kept.

    Args:
        function: what is differentiated.
        draw: draws inputs.
        seed: of points and inputs.
    """

    def __init__(self, function: Function, draw: Draw, seed: int) -> None:
        self.function, self.draw = function, draw
        self._points_rng = torch.Generator().manual_seed(seed)
        self._rows = Rows(function, draw, torch.Generator().manual_seed(seed))
        self._points: list[Point] = []
        self._made: dict[int, Tensor] = {}
        self.slices = places(function, function.names)

    def theta(self, index: int) -> Point:
        """The parameters of the point of a number."""
        while len(self._points) <= index:
            drawn = self.function.random_point(self._points_rng, manner(len(self._points)))
            self._points.append(drawn)
        return self._points[index]

    def rows(self, index: int) -> Tensor:
        """Rows at the point of a number, [rows, parameters]."""
        if index not in self._made:
            # other inputs at every point: what one batch does not see, another may
            self._made[index] = self.rows_at(self.theta(index), index % _BATCHES)
        return self._made[index]

    @property
    def drawn(self) -> int:
        """At how many points there are rows."""
        return len(self._made)

    def rows_at(self, theta: Point, inputs: int) -> Tensor:
        """Rows at any point, [rows, parameters], for the batch of inputs of a number."""
        self._rows.prepare(theta)
        rows = self._rows.block(theta, inputs)
        rows = _triangle(rows / rows.norm().clamp(min=1e-300))
        # looked at alone, the rounding in what no output depends on would pass for a dependence
        return torch.where(rows.norm(dim=0) > _NOISE, rows, 0.0)

    def part(self, names: Sequence[str] | None = None) -> "Part":
        """The same points, with the derivatives by some tensors (all, if none are named)."""
        return Part(self, self.function.names if names is None else names)


class Part:
    """Samples of the derivatives by some tensors; those by the others are left out.

    Args:
        samples: of all parameters.
        names: of the tensors that are looked at.
    """

    def __init__(self, samples: Samples, names: Sequence[str]) -> None:
        self.all = samples
        self.function = samples.function
        self.slices = places(samples.function, names)
        self._columns = torch.cat([
            torch.arange(samples.slices[n].start, samples.slices[n].stop) for n in names
        ]) if names else torch.zeros(0, dtype=torch.int64)  # fmt: skip
        self._made: dict[int, Sample] = {}
        self._null: dict[int, Tensor | None] = {}

    @property
    def count(self) -> int:
        """Number of scalars that are looked at."""
        return len(self._columns)

    def scalars(self, name: str) -> int:
        """Number of scalars of a tensor."""
        return self.slices[name].stop - self.slices[name].start

    def theta(self, index: int) -> Point:
        """All parameters, at the point of a number."""
        return self.all.theta(index)

    def own(self, vectors: Tensor) -> Tensor:
        """The part [count, ...] of vectors on all parameters, [parameters, ...]."""
        return vectors[self._columns]

    def placed(self, vectors: Tensor) -> Tensor:
        """Vectors on these tensors, [count, ...], as ones on all parameters."""
        full = vectors.new_zeros(self.all.function.count, *vectors.shape[1:])
        full[self._columns] = vectors
        return full

    def __getitem__(self, index: int) -> Sample:
        """The sample of a number."""
        if index not in self._made:
            rows = _triangle(self.all.rows(index)[:, self._columns])
            self._made[index] = Sample(self.theta(index), rows)
        return self._made[index]

    @cached_property
    def rank(self) -> int:
        """Of the rows at the best of a few points: how many equations they are worth.

        Zero where all that is looked at is constant piece by piece.
        """
        return max(reveal(self[i].rows).spectrum.rank for i in range(_FEW))

    def null(self, index: int) -> Tensor | None:
        """Orthonormal columns of the null space of a sample; None where it is not well known.

        The error of a null vector is that of rounding over the smallest singular value that is
        kept.
        """
        if index not in self._null:
            known = reveal(self[index].rows)
            precise = known.spectrum.clear and known.spectrum.kept >= _FAINT
            self._null[index] = (
                torch.linalg.qr(known.null / known.scales[:, None]).Q if precise else None
            )
        return self._null[index]


def places(function: Function, names: Sequence[str]) -> dict[str, slice]:
    """Where each of some tensors is, if their scalars are put one after another."""
    start = 0
    slices: dict[str, slice] = {}
    for name in names:
        size = torch.Size(function.shapes[name]).numel()
        slices[name] = slice(start, start + size)
        start += size
    return slices


def _triangle(rows: Tensor) -> Tensor:
    """At most as many rows as columns, with the same row space."""
    return torch.linalg.qr(rows, mode="r").R if rows.shape[0] > rows.shape[1] else rows
