"""The measured nullity: parameters minus the rank of the Jacobian over enough inputs.

Functional dimension as in Grigsby, Lindsey, Meyerhoff, Wu, "Functional dimension of feedforward
ReLU neural networks" (2022): the rank at a generic point, over enough inputs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from symfind.verify.function import Function, InputsLike

Draw = Callable[[torch.Generator], InputsLike]
Progress = Callable[[str], None]

_MIN_GAP = 3.0  # decades between the smallest kept and the largest dropped singular value
_NOISE = -9.0  # a dropped singular value lies below this (log10, relative to the largest)
_SCALING = 1e-3  # columns smaller than this, relative to the largest, are not scaled up to one
_MAX_GROWTH = 32  # give up when rows this many times the parameters still add rank,
_MAX_ROWS = 50_000  # or more than this many, where parameters are few
_MAX_DRAWS = 4000
_SMALL = 1200  # parameters, up to which nothing is spared: several doublings at every point


@dataclass(frozen=True)
class Spectrum:
    """Rank of a matrix decided by the widest gap in its singular values.

    `kept` and `dropped` are log10 of the singular values at the two sides of the gap, relative to
    the largest. Where nothing is dropped, `dropped` is the level of rounding.
    """

    rank: int
    kept: float
    dropped: float

    @property
    def clear(self) -> bool:
        """Whether the two sides of the gap cannot be confused."""
        return self.kept - self.dropped >= _MIN_GAP


@dataclass(frozen=True)
class Nullity:
    """Outcome of a measurement.

    `points` holds the nullity at every parameter point, `gap` (kept, dropped) at the point of the
    reported (smallest) one, and `saturation` the (rows, rank) pairs seen while adding inputs there.
    """

    parameters: int
    rank: int
    nullity: int
    points: tuple[int, ...]
    gap: tuple[float, float]
    saturation: tuple[tuple[int, int], ...]
    status: Literal["clear", "undetermined"]
    reason: str = ""


def _balanced(matrix: Tensor) -> Tensor:
    """Scale columns towards unit norm, because parameters come in very different sizes.

    The factor is bounded, so that the rounding noise of a null column (a key bias) stays noise.
    Columns that are exactly zero are left out.
    """
    norms = matrix.norm(dim=0)
    live = norms > 0
    if not bool(live.any()):
        return matrix[:, :0]
    return matrix[:, live] / norms[live].clamp(min=_SCALING * float(norms.max()))


def _gap(values: Tensor) -> Spectrum:
    floor = math.log10(torch.finfo(torch.float64).eps) + 0.5 * math.log10(max(len(values), 1))
    if len(values) == 0 or float(values[0]) == 0.0:
        return Spectrum(0, 0.0, floor)
    logs = [max(math.log10(v), floor) if v > 0 else floor for v in (values / values[0]).tolist()]
    logs.append(floor)
    below = [i for i in range(1, len(logs)) if logs[i] <= _NOISE]
    rank = max(below, key=lambda i: (logs[i - 1] - logs[i], -i))
    return Spectrum(rank, logs[rank - 1], logs[rank])


def spectral_rank(matrix: Tensor) -> Spectrum:
    """Rank of `matrix` by the widest gap among singular values that ends in rounding noise."""
    return _gap(torch.linalg.svdvals(_balanced(matrix)))


def _quick_rank(matrix: Tensor) -> int:
    """Rank by QR after a random mixing of the columns, three times faster than the spectrum.

    Mixing makes the leading columns independent with probability one, so that the diagonal of the
    factor reveals the rank (Demmel, Dumitriu, Holtz 2007, section 5). Good enough to see whether
    rank still grows; the answer is read off the spectrum.
    """
    matrix = _balanced(matrix)
    rng = torch.Generator().manual_seed(0)
    mixing = torch.randn(matrix.shape[1], min(matrix.shape), generator=rng, dtype=matrix.dtype)
    factor = torch.linalg.qr(matrix @ mixing.to(matrix.device), mode="r").R
    return _gap(factor.diagonal().abs().sort(descending=True).values).rank


class RowSpace:
    """The row space of a growing stack of Jacobian rows, kept as one triangular factor."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = 0
        self._pending: list[Tensor] = []
        self._factor: Tensor | None = None

    def add(self, block: Tensor) -> None:
        """Add rows, shape (rows, columns)."""
        self.rows += len(block)
        self._pending.append(block)
        if sum(map(len, self._pending)) >= self.columns:
            self._compress()

    def _compress(self) -> None:
        parts = ([] if self._factor is None else [self._factor]) + self._pending
        stacked = torch.cat(parts)
        self._pending = []
        if len(stacked) <= self.columns:
            self._factor = stacked
            return
        # Columns that are exactly zero stay exactly zero; they only cost time.
        live = stacked.abs().amax(0) > 0
        factor = torch.linalg.qr(stacked[:, live], mode="r").R
        self._factor = stacked.new_zeros(len(factor), self.columns)
        self._factor[:, live] = factor

    def matrix(self) -> Tensor:
        """A matrix with the row space, and the singular values, of the whole stack."""
        self._compress()
        assert self._factor is not None
        return self._factor


@dataclass(frozen=True)
class _Outcome:
    spectrum: Spectrum
    history: tuple[tuple[int, int], ...]
    stopped: bool


def _measure_point(
    function: Function, draw: Draw, rng: torch.Generator, least: int, expected: int | None = None
) -> _Outcome:
    """Rank at one random point: redraw inputs, doubling the rows, until the rank stops growing.

    Where another point's rank is `expected` and this one reaches it with the `least` rows that
    sufficed there, it has stopped growing as well.
    """
    theta = function.random_point(rng)
    space = RowSpace(function.count)
    steady = 3 if function.count <= 300 else 2 if function.count <= _SMALL else 1
    history: list[tuple[int, int]] = []
    goal, unchanged, draws = least, 0, 0
    stopped = gave_up = False
    while not (stopped or gave_up):
        while space.rows < goal and draws < _MAX_DRAWS:
            space.add(function.jacobian(theta, draw(rng)))
            draws += 1
        rank = _quick_rank(space.matrix())
        unchanged = unchanged + 1 if history and rank == history[-1][1] else 0
        history.append((space.rows, rank))
        stopped = rank in (function.count, expected) or unchanged >= steady
        gave_up = space.rows > max(_MAX_GROWTH * function.count, _MAX_ROWS) or draws >= _MAX_DRAWS
        goal = 2 * space.rows
    spectrum = spectral_rank(space.matrix())
    history[-1] = (space.rows, spectrum.rank)
    return _Outcome(spectrum, tuple(history), stopped)


def _first_rows(outcome: _Outcome) -> int:
    """The fewest rows that showed the final rank."""
    return min(rows for rows, rank in outcome.history if rank == outcome.spectrum.rank)


def _unconfirmed(outcomes: list[_Outcome], count: int) -> bool:
    # Dead units make open sets of special points: where points disagree, the smallest nullity must
    # be seen twice, and where points are cheap, one does not stop at that.
    ranks = [o.spectrum.rank for o in outcomes]
    return len(set(ranks)) > 1 and (count <= _SMALL or ranks.count(max(ranks)) == 1)


def measure_nullity(
    function: Function,
    draw_inputs: Draw,
    *,
    points: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> Nullity:
    """Measure parameters minus rank of the Jacobian, at generic parameters.

    At every point inputs are redrawn and rows doubled until the rank has stopped growing; the rank
    is read off the gap in the spectrum. The smallest nullity over the points is kept, because a
    special point can only have more; points are added while they disagree. An unclear
    gap is reported, never rounded to an answer.

    Args:
        function: the function to differentiate.
        draw_inputs: draws inputs over their full domain (see `sampling.draw_like`).
        points: how many random parameter points, at least.
        seed: of the random parameters and inputs.
        progress: told one line of text per point.

    Raises:
        InputError: outputs or derivatives are NaN or infinite.
    """
    count = function.count
    if count == 0:
        return Nullity(0, 0, 0, (), (0.0, -16.0), (), "clear")
    rng = torch.Generator().manual_seed(seed)
    outcomes: list[_Outcome] = []
    while len(outcomes) < points or (_unconfirmed(outcomes, count) and len(outcomes) < 4 * points):
        best = max(outcomes, key=lambda o: o.spectrum.rank, default=None)
        if best is None or not best.stopped or count <= _SMALL:
            outcome = _measure_point(function, draw_inputs, rng, least=count + 16)
        else:
            outcome = _measure_point(function, draw_inputs, rng, _first_rows(best),
                                     expected=best.spectrum.rank)  # fmt: skip
        outcomes.append(outcome)
        if progress is not None:
            progress(f"point {len(outcomes)}: nullity {count - outcome.spectrum.rank} of {count}, "
                     f"{outcome.history[-1][0]} rows")  # fmt: skip
    settled = [o for o in outcomes if o.spectrum.clear and o.stopped]
    chosen = max(settled or outcomes, key=lambda o: o.spectrum.rank)
    spectrum = chosen.spectrum
    reason = ""
    if not settled:
        reason = "the rank still grows with every added input" if spectrum.clear else (
            f"no clear gap in the spectrum: the smallest kept singular value is "
            f"1e{spectrum.kept:.1f}, the largest dropped 1e{spectrum.dropped:.1f}")  # fmt: skip
    return Nullity(
        parameters=count,
        rank=spectrum.rank,
        nullity=count - spectrum.rank,
        points=tuple(count - o.spectrum.rank for o in outcomes),
        gap=(round(spectrum.kept, 1), round(spectrum.dropped, 1)),
        saturation=chosen.history,
        status="undetermined" if reason else "clear",
        reason=reason,
    )
