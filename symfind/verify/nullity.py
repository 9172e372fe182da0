"""The measured nullity: parameters minus the rank of the Jacobian over enough inputs.

Functional dimension as in Grigsby, Lindsey, Meyerhoff, Wu, "Functional dimension of feedforward
ReLU neural networks" (2022): the rank at a generic point, over enough inputs.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.rank import NOISE, Revealed, Spectrum, gram, largest_eigenvalue, reveal
from symfind.verify.rows import Rows
from symfind.verify.threads import fitting_threads

Draw = Callable[[torch.Generator], InputsLike]
Progress = Callable[[str], None]

_MAX_GROWTH = 32  # give up when rows this many times the parameters still add rank,
_MAX_ROWS = 50_000  # or more than this many, where parameters are few
_MAX_DRAWS = 4000  # or inputs, where each has few rows
_SMALL = 1200  # parameters, up to which nothing is spared: several doublings at every point
_LARGE = 2000  # parameters, from which what it will cost is told first
_COPIES = 4  # of every row that is folded into others
_TALL = 512  # rows, besides those that a decomposition needs
_PATIENCE = 5.0  # seconds between two lines about one point


@dataclass(frozen=True)
class Nullity:
    """Outcome of a measurement.

    `points` holds the nullity at every parameter point, `gap` (kept, dropped) at the point of the
    reported (smallest) one, and `saturation` the (rows, rank) pairs seen while adding inputs there.
    `theta` is that point, and the columns of `null` span the null space there. Where it was
    interrupted before the first point, `rank` and `nullity` are absent.
    """

    parameters: int
    rank: int | None
    nullity: int | None
    points: tuple[int, ...]
    gap: tuple[float, float] | None
    saturation: tuple[tuple[int, int], ...]
    status: Literal["clear", "undetermined"]
    reason: str = ""
    theta: Point | None = field(default=None, compare=False, repr=False)
    null: Tensor | None = field(default=None, compare=False, repr=False)


class RowSpace:
    """Rows of a Jacobian in bounded memory.

    Until it is full the rows are kept as they are; those that come later are added, with random
    weights, to several random ones that are there (a sparse embedding, as in Cohen, "Nearly tight
    oblivious subspace embeddings by trace inequalities", 2016). Its row space is always contained
    in that of all rows, so that its rank is never more than theirs, and almost surely not less.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.capacity = columns + columns // 8 + 64
        self.rows = 0
        self._store: Tensor | None = None
        self._rng = torch.Generator().manual_seed(columns)

    def add(self, block: Tensor) -> None:
        """Add rows, shape (rows, columns)."""
        if self._store is None:
            self._store = block.new_empty(self.capacity, self.columns)
        room = max(0, self.capacity - self.rows)
        kept, folded = block[:room], block[room:]
        self._store[self.rows : self.rows + len(kept)] = kept
        self.rows += len(block)
        if len(folded):
            place = torch.randint(self.capacity, (_COPIES, len(folded)), generator=self._rng)
            weight = torch.randn(*place.shape, 1, generator=self._rng, dtype=torch.float64)
            for p, w in zip(place.to(block.device), weight.to(block), strict=True):
                self._store.index_add_(0, p, folded * w)

    def matrix(self) -> Tensor:
        """What represents all rows, at most `capacity` of them."""
        assert self._store is not None
        return self._store[: min(self.rows, self.capacity)]


@dataclass
class _Outcome:
    revealed: Revealed
    theta: Point
    history: tuple[tuple[int, int], ...]
    stopped: bool

    @property
    def spectrum(self) -> Spectrum:
        return self.revealed.spectrum


class _Point:
    """Rank at one random point, by adding rows until it stops growing."""

    def __init__(self, theta: Point, rows: Rows, count: int, tell: Progress) -> None:
        self.theta, self.source, self.count, self.tell = theta, rows, count, tell
        self.space = RowSpace(count)
        self.blocks = self.draws = 0
        rows.prepare(theta)
        self.most = max(_MAX_GROWTH * count, _MAX_ROWS)
        self.most_draws = max(_MAX_DRAWS, 5 * self.space.capacity // rows.width)

    @property
    def exhausted(self) -> bool:
        return self.space.rows > self.most or self.draws >= self.most_draws

    def _block(self) -> Tensor:
        block = self.source.block(self.theta, self.blocks)
        self.space.add(block)
        self.blocks += 1
        self.draws += len(block) // self.source.width
        return block

    def fill(self, goal: int) -> None:
        """Add rows up to a number."""
        told = time.perf_counter()
        while self.space.rows < goal and self.draws < self.most_draws:
            self._block()
            if time.perf_counter() > told + _PATIENCE:
                told = time.perf_counter()
                self.tell(f"{self.space.rows:,} of {goal:,} rows")

    def extend(self, goal: int, known: Revealed) -> bool:
        """Add rows up to a number: whether they see anything of the null space known so far.

        Only the product of the new rows with the null space is decomposed.
        """
        before = self.space.rows
        null = known.null / known.scales[:, None]
        seen = null.new_zeros(0, null.shape[1])
        while self.space.rows < goal and self.draws < self.most_draws:
            seen = torch.cat([seen, self._block() @ null])
            if len(seen) > 2 * null.shape[1] + _TALL:
                seen = torch.linalg.qr(seen, mode="r").R
        size = known.largest * math.sqrt(max(self.space.rows - before, 1) / before)
        top = math.sqrt(max(largest_eigenvalue(gram(seen), seen.shape[1], seen), 0.0))
        return top > 10**NOISE * size

    def measure(self, least: int, enough: int | None) -> _Outcome:
        """Double the rows until the rank stays, or is `enough`: then more rows cannot add to it."""
        steady = 3 if self.count <= 300 else 2 if self.count <= _SMALL else 1
        goal = self.count if enough is None else min(enough, self.count)
        self.fill(least)
        known = reveal(self.space.matrix())
        history = [(self.space.rows, known.spectrum.rank)]
        unchanged = 0

        def stopped() -> bool:
            complete = known.spectrum.rank >= goal and known.spectrum.clear
            return complete or unchanged >= steady

        while not (stopped() or self.exhausted):
            last = known.spectrum.rank
            if self.extend(2 * self.space.rows, known):
                known = reveal(self.space.matrix())
            unchanged = unchanged + 1 if known.spectrum.rank == last else 0
            history.append((self.space.rows, known.spectrum.rank))
        return _Outcome(known, self.theta, tuple(history), stopped())


def _first_rows(outcome: _Outcome) -> int:
    """The fewest rows that showed the final rank."""
    return min(rows for rows, rank in outcome.history if rank == outcome.spectrum.rank)


def _unconfirmed(outcomes: list[_Outcome], count: int) -> bool:
    # Dead units make open sets of special points: where points disagree, the smallest nullity must
    # be seen twice, and where points are cheap, one does not stop at that.
    ranks = [o.spectrum.rank for o in outcomes]
    return len(set(ranks)) > 1 and (count <= _SMALL or ranks.count(max(ranks)) == 1)


class _Measurement:
    def __init__(
        self,
        function: Function,
        draw: Draw,
        rng: torch.Generator,
        points: int,
        expected: int | None,
        tell: Progress,
    ) -> None:
        self.function, self.rng, self.points, self.tell = function, rng, points, tell
        self.count = function.count
        self.expected = expected
        self.outcomes: list[_Outcome] = []
        self.rows = Rows(function, draw, rng)

    def _done(self) -> bool:
        if not self.outcomes:
            return False
        last = self.outcomes[-1]
        if self.expected is not None and last.spectrum.clear:
            if self.count - last.spectrum.rank <= self.expected:
                return True
        seen = len(self.outcomes)
        if seen < self.points:
            return False
        # What is known to be null is likely to be all of it: look longer where it was not seen.
        most = (4 if self.expected is None or self.count > _SMALL else 8) * self.points
        return seen >= most or not _unconfirmed(self.outcomes, self.count)

    def run(self) -> None:
        if self.count > _LARGE:
            self.tell(_estimate(self.count, self.function.device))
        while not self._done():
            best = max(self.outcomes, key=lambda o: o.spectrum.rank, default=None)
            theta = self.function.random_point(self.rng)
            point = _Point(theta, self.rows, self.count, self.tell)
            enough = None if self.expected is None else self.count - self.expected
            least = point.space.capacity
            if best is not None and best.stopped and self.count > _SMALL:
                least, enough = _first_rows(best), best.spectrum.rank
            outcome = point.measure(least, enough)
            self.outcomes.append(outcome)
            nullity = self.count - outcome.spectrum.rank
            self.tell(f"point {len(self.outcomes)}: nullity {nullity} of {self.count}, "
                      f"{outcome.history[-1][0]} rows")  # fmt: skip

    def result(self, interrupted: bool) -> Nullity:
        outcomes, count = self.outcomes, self.count
        seen = f"interrupted after {len(outcomes)} point{'s' * (len(outcomes) != 1)}"
        if not outcomes:
            return Nullity(count, None, None, (), None, (), "undetermined", seen)
        settled = [o for o in outcomes if o.spectrum.clear and o.stopped]
        chosen = max(settled or outcomes, key=lambda o: o.spectrum.rank)
        spectrum = chosen.spectrum
        reason = seen if interrupted else ""
        if not settled and not interrupted:
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
            theta=chosen.theta,
            null=chosen.revealed.null / chosen.revealed.scales[:, None],
        )


def _estimate(count: int, device: torch.device) -> str:
    """What one point needs: memory for its rows and their factor, time for the factor alone."""
    size = 1000
    probe = torch.randn(size, size, dtype=torch.float64, device=device)
    torch.linalg.qr(probe[:64], mode="r")
    start = time.perf_counter()
    float(torch.linalg.qr(probe, mode="r").R[0, 0])
    seconds = 1.2 * (time.perf_counter() - start) * (count / size) ** 3
    memory = 5.0 * 8 * count**2 / 1e9
    spelled = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return (f"{count:,} parameters: about {memory:.1f} GB, and {spelled} for each decomposition "
            "besides the derivatives")  # fmt: skip


def measure_nullity(
    function: Function,
    draw_inputs: Draw,
    *,
    points: int = 3,
    seed: int = 0,
    expected: int | None = None,
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
        expected: how many independent directions are known (proven) to be null. The nullity is at
            least this, and rows can only lower it: a point that shows it, with a clear gap, ends
            the measurement.
        progress: told one line of text per point.

    Returns:
        The measurement; when interrupted from the keyboard, an undetermined one with what was seen.

    Raises:
        InputError: outputs or derivatives are NaN or infinite.
    """
    if function.count == 0:
        return Nullity(0, 0, 0, (), (0.0, -16.0), (), "clear")
    measurement = _Measurement(
        function,
        draw_inputs,
        torch.Generator().manual_seed(seed),
        points,
        expected,
        progress or (lambda text: None),
    )
    try:
        with fitting_threads(function.count):
            measurement.run()
    except KeyboardInterrupt:
        return measurement.result(interrupted=True)
    return measurement.result(interrupted=False)
