"""The rank and null space of a matrix, with the gap between them.

Small matrices are decomposed. Larger ones are eliminated (see `elimination`), and what that says is
measured on the matrix: what is accepted is what all singular values would say. Where the rows are
not generic, so that pivots vanish before their time, they are mixed first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind import budget
from symfind.numerics.decompose import right
from symfind.numerics.elimination import Elimination
from symfind.numerics.mixing import Mixing
from symfind.numerics.norms import VECTORS, eigenvalue_bounds, gaussian
from symfind.numerics.rank import Spectrum, column_scales, rounding, widest_gap
from symfind.numerics.tolerances import NOISE

_SMALL = 200  # columns, up to which all singular values are computed,
_DENSE = 1500  # or this, where the gap is not clear otherwise
_CHEAP = {"steps": 4, "width": 1}  # of the norm of a matrix beyond that


@dataclass(frozen=True)
class Revealed:
    """Rank and null space of a matrix whose columns are divided by `scales`.

    A null vector of the matrix itself is one of those here divided by `scales`. Where not all
    singular values were computed, `spectrum` holds bounds of those at the gap: the smallest kept is
    not below, the largest dropped not above, except with a probability of 1e-8.

    Attributes:
        spectrum: the rank and both sides of the gap.
        scales: of the columns.
        largest: the largest singular value, not above it.
        nullity: dimension of the null space.
        combine: null vectors from coefficients [nullity, any number].
    """

    spectrum: Spectrum
    scales: Tensor
    largest: float
    nullity: int
    combine: Callable[[Tensor], Tensor]
    _probes: Tensor | None = None

    @cached_property
    def null(self) -> Tensor:
        """An orthonormal basis of the null space, [columns, nullity]."""
        eye = torch.eye(self.nullity, dtype=self.scales.dtype, device=self.scales.device)
        return torch.linalg.qr(self.combine(eye)).Q

    def probes(self) -> Tensor:
        """Random null vectors of the matrix itself; none where there is no other than zero."""
        found = self._probes
        if found is None:
            width = VECTORS if self.nullity else 0
            found = self.combine(gaussian(self.nullity, width, self.scales))
        return found / self.scales[:, None]


@dataclass(frozen=True)
class Scaled:
    """A matrix whose columns are divided by `scales`, so that none is longer than one."""

    matrix: Tensor
    scales: Tensor

    def apply(self, vectors: Tensor) -> Tensor:
        """The product with columns."""
        return self.matrix @ (vectors / self.scales[:, None])

    def _square(self, vectors: Tensor) -> Tensor:
        return (self.matrix.T @ self.apply(vectors)) / self.scales[:, None]

    def spectrum(self, rank: int, kept: float, dropped: float) -> tuple[Spectrum, float]:
        """The gap between two bounds, and a lower bound of the largest singular value."""
        columns = self.matrix.shape[1]
        sharp = {} if columns <= _DENSE else _CHEAP
        found = eigenvalue_bounds(self._square, columns, self.matrix, **sharp)
        low, high = math.sqrt(found[0]), math.sqrt(min(found[1], columns))
        floor = rounding(columns)
        logs = [max(math.log10(v), floor) if v > 0 else floor for v in (kept / high, dropped / low)]
        return Spectrum(rank, min(logs[0], 0.0), logs[1]), low


def reveal(matrix: Tensor, exact: bool = True) -> Revealed:
    """Rank and null space of `matrix`, with the gap between them.

    Columns that are exactly zero are exactly null.

    Args:
        matrix: [rows, columns].
        exact: whether the null space should be exact to rounding, not to a few digits only.
    """
    columns = matrix.shape[1]
    scales = column_scales(matrix)
    live = _live(matrix, scales)
    if bool(live.all()) and columns:
        return _reveal(matrix, scales, exact)
    dead = torch.nonzero(~live)[:, 0]
    if not bool(live.any()):
        none = Spectrum(0, 0.0, rounding(columns))
        return Revealed(none, torch.ones_like(scales), 0.0, columns, lambda mix: mix)
    found = _reveal(matrix[:, live], scales[live], exact)

    def combine(mix: Tensor) -> Tensor:
        vectors = mix.new_zeros(columns, mix.shape[1])
        vectors[live] = found.combine(mix[: found.nullity])
        vectors[dead] = mix[found.nullity :]
        return vectors

    nullity = found.nullity + len(dead)
    return Revealed(found.spectrum, scales, found.largest, nullity, combine)


def _live(matrix: Tensor, scales: Tensor) -> Tensor:
    """Which columns are not exactly zero."""
    suspect = torch.nonzero(scales <= scales.min())[:, 0] if len(scales) else scales.long()
    live = torch.ones(len(scales), dtype=torch.bool, device=matrix.device)
    live[suspect] = (matrix[:, suspect] != 0).any(0)
    return live


def _reveal(matrix: Tensor, scales: Tensor, exact: bool) -> Revealed:
    columns = matrix.shape[1]
    if columns <= _SMALL:
        return _decomposed(matrix, scales)
    found = _eliminated(matrix, scales, exact)
    if found is None or not _as_all_values_say(found.spectrum, columns):
        mixing = Mixing(len(matrix), matrix.device)
        mixed = mixing.rows((matrix / scales).T, matrix.new_ones(())).T.contiguous()
        again = _eliminated(mixed, torch.ones_like(scales), exact)
        found = replace(again, scales=scales) if again else found
    if found is None or (columns <= _DENSE and not _as_all_values_say(found.spectrum, columns)):
        return _decomposed(matrix, scales)
    return found


def _as_all_values_say(spectrum: Spectrum, columns: int) -> bool:
    """Whether a gap between these bounds is the widest that ends in noise."""
    kept, dropped = spectrum.kept, spectrum.dropped
    return spectrum.clear and kept > NOISE and kept - dropped > dropped - rounding(columns)


def _eliminated(matrix: Tensor, scales: Tensor, exact: bool = True) -> Revealed | None:
    """By elimination; None where pivots vanish before their time."""
    columns = matrix.shape[1]
    budget.check()
    elimination = Elimination(matrix / scales)
    pivots = elimination.pivots
    rank = widest_gap(pivots.sort(descending=True).values).rank
    if rank == 0 or (rank < len(pivots) and pivots[:rank].min() <= pivots[rank:].max()):
        return None
    try:
        skeleton = elimination.skeleton(rank)
    except torch.linalg.LinAlgError:
        return None
    del elimination  # as large as the matrix
    budget.check()

    scaled = Scaled(matrix, scales)
    probes, dropped, near = skeleton.largest_dropped(scaled.apply)
    share = max(0.0, 1.0 - skeleton.error(scaled.apply))
    for sharp in (False, True):  # where bounds are close together, better ones
        spectrum, largest = scaled.spectrum(rank, skeleton.smallest(sharp) * share, dropped)
        if _as_all_values_say(spectrum, columns):
            break
    chart = skeleton.refined(scaled.apply) if exact and not near else skeleton.chart
    return Revealed(spectrum, scales, largest, columns - rank, chart.null, probes)


def _decomposed(matrix: Tensor, scales: Tensor) -> Revealed:
    """By all singular values."""
    scaled = matrix / scales
    values, vh = right(scaled)
    spectrum = widest_gap(values)
    basis = vh[spectrum.rank :].T
    largest = float(values[0]) if len(values) else 0.0
    return Revealed(spectrum, scales, largest, basis.shape[1], lambda mix: basis @ mix)
