"""Rank of the Jacobian at one point, by adding rows until it stops growing."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind import budget
from symfind.numerics.gauge import Gauge, fix_gauge, no_gauge
from symfind.numerics.norms import VECTORS, norm_bound
from symfind.numerics.rank import Spectrum, scales_of
from symfind.numerics.reveal import Revealed, reveal
from symfind.numerics.rowspace import RowSpace
from symfind.numerics.tolerances import NOISE
from symfind.verify.function import Point
from symfind.verify.rows import Rows
from symfind.verify.threads import fitting_threads

Progress = Callable[[str], None]
Known = Callable[[Point], Tensor]

SMALL = 1200  # parameters, up to which nothing is spared: several doublings at every point
_SPARE = 64  # rows beyond the rank that is looked for, where parameters are many
_MAX_GROWTH = 32  # give up when rows this many times the parameters still add rank,
_MAX_ROWS = 50_000  # or more than this many, where parameters are few
_MAX_DRAWS = 4000  # or inputs, where each has few rows
_PROBES = 8  # random combinations of known directions that are seen to be null
_ZERO = 1e-20  # squared change of outputs that is none
_AHEAD = 20_000_000  # entries of rows that are kept once they have been looked at
_PATIENCE = 5.0  # seconds between two lines about one point


@dataclass(frozen=True)
class Outcome:
    """What was seen at one point.

    `history` holds (rows, rank) while rows were added, `stopped` whether the rank stopped growing.
    """

    revealed: Revealed
    gauge: Gauge
    theta: Point
    history: tuple[tuple[int, int], ...]
    stopped: bool
    leak: float  # log10 of what known directions do, relative to the largest singular value

    @property
    def rank(self) -> int:
        """Of the Jacobian."""
        return self.revealed.spectrum.rank

    @property
    def spectrum(self) -> Spectrum:
        """Both sides of the gap; known directions are on the lower one."""
        found = self.revealed.spectrum
        return Spectrum(found.rank, found.kept, max(found.dropped, self.leak))

    @property
    def fewest(self) -> int:
        """The fewest rows that showed the final rank."""
        return min(rows for rows, rank in self.history if rank == self.rank)

    @property
    def explained(self) -> bool:
        """Whether the known directions are all that is null here."""
        return self.spectrum.clear and self.rank == len(self.gauge.free)

    @property
    def settled(self) -> bool:
        """Whether this is an answer."""
        return self.spectrum.clear and self.stopped

    def beyond(self) -> Tensor:
        """Null vectors beside the known ones, columns [parameters, number]."""
        return self.gauge.lift(self.revealed.null / self.revealed.scales[:, None])


class Saturation:
    """The measurement at one point.

    Args:
        theta: the point.
        rows: the source of rows.
        count: parameters.
        known: directions that are null, as columns, by point; that they are is looked at.
        tell: told one line of text now and then.
    """

    def __init__(
        self, theta: Point, rows: Rows, count: int, known: Known | None, tell: Progress
    ) -> None:
        self.theta, self.source, self.count, self.tell = theta, rows, count, tell
        rows.prepare(theta)
        self.gauge = self._fix(known)
        self.width = len(self.gauge.free)
        self.space = RowSpace(self.width)
        self.blocks = 0  # of rows in `space`
        self.looked = self.rows = self.draws = 0  # blocks, rows and inputs that were looked at
        self._ahead: dict[int, Tensor] = {}  # blocks that were looked at and are not in `space`
        self.most = max(_MAX_GROWTH * count, _MAX_ROWS)
        self.most_draws = max(_MAX_DRAWS, 5 * self.space.capacity // rows.width)
        rng = torch.Generator().manual_seed(count)
        mix = torch.randn(self.gauge.rank, _PROBES, generator=rng, dtype=torch.float64)
        self._probes = self.gauge.directions @ mix.to(self.gauge.directions)
        self._moved = self._probes.new_zeros(_PROBES)
        self._squares = self._probes.new_zeros(count)
        self._seen: Revealed | None = None  # by a glance

    def _fix(self, known: Known | None) -> Gauge:
        device = self.source.function.device
        if known is not None:
            columns = known(self.theta).to(device)
            if columns.numel() and bool(torch.isfinite(columns).all()):
                with fitting_threads(min(columns.shape)):
                    return fix_gauge(columns)
        return no_gauge(self.count, device)

    @property
    def exhausted(self) -> bool:
        """Whether no more rows should be added."""
        return self.rows > self.most or self.draws >= self.most_draws

    def _count(self, index: int, rows: int) -> None:
        if index == self.looked:
            self.looked += 1
            self.rows += rows
            self.draws += math.ceil(rows / self.source.width)

    def _block(self, most: int | None) -> None:
        budget.check()
        block = self._ahead.pop(self.blocks, None)
        block = (self.source.block(self.theta, self.blocks) if block is None else block)[:most]
        if self.gauge.rank:
            self._moved += (block @ self._probes).square().sum(0)
            self._squares += block.norm(dim=0).square()
            block = block.index_select(1, self.gauge.free)
        self.space.add(block)
        self._count(self.blocks, len(block))
        self.blocks += 1

    def _leak(self, largest: float) -> float:
        """log10 of what the known directions do, relative to the largest singular value."""
        if not self.gauge.rank:
            return -math.inf
        if largest == 0.0:  # nothing is left that it could be compared with
            return -math.inf if float(self._moved.max()) < _ZERO else 0.0
        scales = scales_of(self._squares.sqrt())
        sizes = (self._probes * scales[:, None]).norm(dim=0)
        worst = float((self._moved.sqrt() / sizes).max()) / largest
        return math.log10(worst) if worst > 0 else -math.inf

    def fill(self, goal: int) -> None:
        """Add rows up to a number."""
        told = time.perf_counter()
        while self.space.rows < goal and (
            self.blocks < self.looked or self.draws < self.most_draws
        ):
            # Where parameters are many, rows beyond the goal cost more than they can show.
            self._block(goal - self.space.rows if self.count > SMALL else None)
            if time.perf_counter() > told + _PATIENCE:
                told = time.perf_counter()
                self.tell(f"{self.space.rows:,} of {goal:,} rows")

    def extend(self, goal: int, known: Revealed) -> bool:
        """Look at rows up to a number: whether they see anything of the null space known so far.

        Only products of rows with random null vectors are needed: where an input has many rows,
        these are derivatives along the vectors.
        """
        before = self.rows
        probes = self.gauge.lift(known.probes())
        squares = probes.new_zeros(1, probes.shape[1])
        while self.rows < goal and self.draws < self.most_draws:
            budget.check()
            if self.count > SMALL and self.source.width > VECTORS:
                seen = self.source.along(self.theta, self.looked, probes)
            else:
                seen = self._look() @ probes
            squares += seen.square().sum(0)
            self._count(self.looked, len(seen))
        size = known.largest * math.sqrt(max(self.rows - before, 1) / self.space.rows)
        return norm_bound(squares.sqrt()) > 10**NOISE * size

    def _look(self) -> Tensor:
        """The next rows, kept for the case that they are needed."""
        block = self.source.block(self.theta, self.looked)
        if block.numel() + sum(b.numel() for b in self._ahead.values()) <= _AHEAD:
            self._ahead[self.looked] = block
        return block

    def _reveal(self, best: Outcome | None) -> Revealed:
        budget.check()
        matrix = self.space.matrix()
        with fitting_threads(self.width):
            if best is not None:
                found = reveal(matrix, exact=False)
                if found.spectrum.rank <= best.rank:
                    return found  # whose null space nobody will ask for
            return reveal(matrix)

    def glance(self) -> Outcome:
        """The rank in as many rows as there are columns and some, whether it still grows or not."""
        self.fill(self._least)
        known = self._seen = self._first(None)
        rank = known.spectrum.rank
        whole = known.spectrum.clear and rank >= self.width
        leak = self._leak(known.largest)
        return Outcome(known, self.gauge, self.theta, ((self.rows, rank),), whole, leak)

    def grows(self) -> bool:
        """Whether more rows see anything of what is null in those of a glance."""
        return self._seen is not None and self.extend(self.rows + _SPARE, self._seen)

    def _first(self, best: Outcome | None) -> Revealed:
        return self._reveal(best) if self.width else _nothing(self.space.matrix())

    @property
    def _least(self) -> int:
        """Rows that are looked at in any case."""
        return self.space.capacity if self.count <= SMALL else self.width + _SPARE

    def measure(self, best: Outcome | None = None) -> Outcome:
        """Double the rows until the rank stays, or is that of `best`: enough, were there more.

        Args:
            best: of other points, where it settles how many rows are needed.
        """
        steady = 3 if self.count <= 300 else 2 if self.count <= SMALL else 1
        goal = self.width if best is None else min(best.rank, self.width)
        least = self._least
        if best is not None:
            generic = best.fewest == best.history[0][0]
            least = min(least, goal + goal // _SPARE + _SPARE) if generic else best.fewest
        if self._seen is not None:  # and more rows see more
            least = self.rows
        # by the rows that were looked at since a glance the rank grows by no more than their number
        ahead, far = self.rows - self.space.rows, self._seen
        if far is not None and self.width - far.spectrum.rank <= ahead:
            far = None
        if far is None:
            self.fill(least)
        known = far or self._first(best)
        history = [(self.space.rows, known.spectrum.rank)]
        unchanged = 0

        def stopped() -> bool:
            complete = known.spectrum.rank >= goal and known.spectrum.clear
            return complete or unchanged >= steady

        while not (stopped() or self.exhausted):
            last = known.spectrum.rank
            if self.extend(2 * self.rows, known) or far is not None:
                self.fill(self.rows)
                known, far = self._reveal(best), None
            unchanged = unchanged + 1 if known.spectrum.rank == last else 0
            history.append((self.rows, known.spectrum.rank))
        leak = self._leak(known.largest)
        return Outcome(known, self.gauge, self.theta, tuple(history), stopped(), leak)


def _nothing(matrix: Tensor) -> Revealed:
    """Every coordinate is held: nothing can be missed."""
    return Revealed(Spectrum(0, 0.0, -16.0), matrix.new_ones(0), 0.0, 0, lambda mix: mix)
