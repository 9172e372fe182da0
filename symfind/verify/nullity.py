"""The measured nullity: parameters minus the rank of the Jacobian over enough inputs.

Functional dimension as in Grigsby, Lindsey, Meyerhoff, Wu, "Functional dimension of feedforward
ReLU neural networks" (2022): the rank at a generic point, over enough inputs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from symfind.budget import OutOfTime
from symfind.numerics.tolerances import NOISE
from symfind.points.manner import Manner, manner
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.honesty import DISHONEST, honest
from symfind.verify.redraw import redrawn
from symfind.verify.rows import Rows
from symfind.verify.saturation import SMALL, Known, Outcome, Progress, Saturation
from symfind.verify.threads import one_thread

Draw = Callable[[torch.Generator], InputsLike]

_ENOUGH = 60_000_000  # entries of Jacobians, beyond which points are not added for their own sake
_MENDS = 4  # of a point some of whose rows are free by accident
_LARGE = 2000  # parameters, from which what it will cost is told first

_REFUTED = (
    "what was derived is not null at a random point: outputs are of very different sizes there, "
    "or this is a bug"
)


@dataclass(frozen=True)
class Nullity:
    """Outcome of a measurement.

    `points` holds the nullity at every parameter point, `gap` (kept, dropped) at the point of the
    reported (smallest) one: log10 of the singular values there relative to the largest, or bounds
    of them, from below and from above, where the matrix is large (see `reveal`). `saturation` holds
    the (rows, rank) pairs seen while adding inputs there.
    `theta` is that point. The null space there is spanned by the columns of `directions`, the
    `known` independent ones of the given directions, and of `beyond`, which those do not explain.
    Where it was interrupted before the first point, `rank` and `nullity` are absent.
    """

    parameters: int
    rank: int | None
    nullity: int | None
    points: tuple[int, ...]
    gap: tuple[float, float] | None
    saturation: tuple[tuple[int, int], ...]
    status: Literal["clear", "undetermined"]
    reason: str = ""
    known: int = 0
    theta: Point | None = field(default=None, compare=False, repr=False)
    directions: Tensor | None = field(default=None, compare=False, repr=False)
    beyond: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def null(self) -> Tensor | None:
        """Columns that span the null space at `theta`."""
        if self.directions is None or self.beyond is None:
            return None
        return torch.cat([self.directions, self.beyond], 1)

    @property
    def scattered(self) -> bool:
        """Whether points disagree, so that nothing can be said of all of them."""
        return len(set(self.points)) > 1

    def on_cpu(self) -> "Nullity":
        """The same with all tensors on the CPU."""

        def moved(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.cpu()

        theta = self.theta and {name: value.cpu() for name, value in self.theta.items()}
        directions, beyond = moved(self.directions), moved(self.beyond)
        return replace(self, theta=theta, directions=directions, beyond=beyond)


def _unconfirmed(outcomes: list[Outcome], count: int) -> bool:
    # Dead units make open sets of special points: where points disagree, the smallest nullity must
    # be seen twice, and where points are cheap, one does not stop at that.
    ranks = [o.rank for o in outcomes]
    return len(set(ranks)) > 1 and (count <= SMALL or ranks.count(max(ranks)) == 1)


class _Dishonest(Exception):
    """The derivatives of the model are not those of its function."""


class _Measurement:
    def __init__(
        self,
        function: Function,
        draw: Draw,
        rng: torch.Generator,
        points: int,
        known: Known | None,
        tell: Progress,
    ) -> None:
        self.function, self.rng, self.points, self.tell = function, rng, points, tell
        self.count = function.count
        self.known, self.refuted = known, False
        self.outcomes: list[Outcome] = []
        self.rows = Rows(function, draw, rng)
        self.draw, self.trusted = draw, False

    def _done(self) -> bool:
        if not self.outcomes:
            return False
        if self.known is not None and self.outcomes[-1].explained:
            return True
        seen = len(self.outcomes)
        if seen < self.points:
            return False
        if seen >= 2 * self.points and self._costly():
            return True
        # What is known to be null is likely to be all of it: look longer where it was not seen.
        most = (4 if self.known is None or self.count > SMALL else 8) * self.points
        return seen >= most or not _unconfirmed(self.outcomes, self.count)

    def _costly(self) -> bool:
        """Whether the smallest nullity was seen twice, in very many rows."""
        ranks = [o.rank for o in self.outcomes]
        entries = self.count * sum(o.history[-1][0] for o in self.outcomes)
        return entries >= _ENOUGH and ranks.count(max(ranks)) > 1

    def at(
        self, theta: Point, best: Outcome | None = None, begun: Saturation | None = None
    ) -> Outcome:
        """Measure at one point; with directions that are not null there, without them."""
        while True:
            point = begun or self._looking(theta)
            begun = None
            if self.count > _LARGE and best is None:
                self.tell(_estimate(self.count, point.width, self.function.device))
            settled = best is not None and best.settled and self.count > SMALL
            outcome = point.measure(best if settled else None)
            if outcome.leak <= NOISE:
                return outcome
            self.trust()
            self.tell("what was derived is not null here: measuring without it")
            self.known, self.refuted = None, True

    def _looking(self, theta: Point) -> Saturation:
        return Saturation(theta, self.rows, self.count, self.known, self.tell)

    def glance(self, times: int) -> None:
        """Whether all is explained at one of some points, before one is looked at for long.

        Where more rows see more, it is these that are missing: they are added at this point.
        """
        for _ in range(times if self.known is not None else 0):
            theta = self.function.random_point(self.rng)
            point = self._looking(theta)
            seen = point.glance()
            if seen.leak > NOISE:
                return
            if seen.explained:
                self.outcomes.append(seen)
                return
            if point.grows():
                self._add(self.at(theta, begun=point))
                return

    def run(self) -> None:
        while not self._done():
            best = max(self.outcomes, key=lambda o: o.rank, default=None)
            how = manner(len(self.outcomes))
            found = self.at(self.function.random_point(self.rng, how), best)
            self._add(self._mended(found, how))

    def _add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.tell(f"point {len(self.outcomes)}: nullity {self.count - outcome.rank} of "
                  f"{self.count}, {outcome.history[-1][0]} rows")  # fmt: skip
        if not outcome.explained:
            self.trust()

    def _mended(self, outcome: Outcome, how: Manner) -> Outcome:
        """What is seen once rows that are free by accident have other values."""
        for _ in range(_MENDS):
            if outcome.explained or not outcome.settled:
                break
            fresh = self.function.random_point(self.rng, how)
            theta = redrawn(outcome.theta, fresh, outcome.gauge.directions, outcome.beyond(),
                            self.function.shapes)  # fmt: skip
            again = None if theta is None else self.at(theta, outcome)
            if again is None or again.rank <= outcome.rank:
                break
            outcome = again
        return outcome

    def result(self, stopped: str) -> Nullity:
        outcomes, count = self.outcomes, self.count
        if not outcomes:
            return unmeasured(count, stopped)
        seen = _after(stopped, len(outcomes))
        settled = [o for o in outcomes if o.settled]
        chosen = max(settled or outcomes, key=lambda o: o.rank)
        reason = seen if stopped and not chosen.explained else ""
        if not settled and not stopped:
            reason = _unsettled(chosen)
        if self.refuted:
            reason = _REFUTED
        return _nullity(chosen, count, tuple(count - o.rank for o in outcomes), reason)

    def trust(self) -> None:
        """See once that derivatives are right, where more is null than what is known, or less.

        Raises:
            _Dishonest: they are not.
        """
        if self.trusted:
            return
        rng = torch.Generator().manual_seed(self.count)
        theta, fresh = self.function.random_point(rng), self.draw(rng)
        if not honest(self.function, theta, fresh, rng):
            raise _Dishonest
        self.trusted = True


def _after(stopped: str, points: int) -> str:
    return f"{stopped} after {points} point{'s' * (points != 1)}"


def unmeasured(count: int, stopped: str) -> Nullity:
    """What is known where the measurement was stopped before its first point.

    Args:
        count: parameters.
        stopped: why.
    """
    return Nullity(count, None, None, (), None, (), "undetermined", _after(stopped, 0))


def _unsettled(outcome: Outcome) -> str:
    spectrum = outcome.spectrum
    if spectrum.clear:
        return "the rank still grows with every added input"
    return (f"no clear gap in the spectrum: the smallest kept singular value is "
            f"1e{spectrum.kept:.1f}, the largest dropped 1e{spectrum.dropped:.1f}")  # fmt: skip


def _nullity(outcome: Outcome, count: int, points: tuple[int, ...], reason: str) -> Nullity:
    spectrum = outcome.spectrum
    return Nullity(
        parameters=count,
        rank=outcome.rank,
        nullity=count - outcome.rank,
        points=points,
        gap=(round(spectrum.kept, 1), round(spectrum.dropped, 1)),
        saturation=outcome.history,
        status="undetermined" if reason else "clear",
        reason=reason,
        known=outcome.gauge.rank,
        theta=outcome.theta,
        directions=outcome.gauge.directions,
        beyond=outcome.beyond(),
    )


def _estimate(count: int, free: int, device: torch.device) -> str:
    """What one point needs: memory for its rows and their factor, time for the factor alone."""
    size = 1000
    probe = torch.randn(size, size, dtype=torch.float64, device=device)
    torch.linalg.lu_factor_ex(probe[:64, :64])
    start = time.perf_counter()
    float(torch.linalg.lu_factor_ex(probe).LU[0, 0])
    seconds = 1.5 * (time.perf_counter() - start) * (free / size) ** 3
    memory = 8 * (3.5 * free**2 + count * (count - free)) / 1e9
    spelled = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return (f"{count:,} parameters, {free:,} of them free: about {memory:.1f} GB, and {spelled} "
            "for each decomposition besides the derivatives")  # fmt: skip


def measure_nullity(
    function: Function,
    draw_inputs: Draw,
    *,
    points: int = 3,
    seed: int = 0,
    known: Known | None = None,
    progress: Progress | None = None,
    glances: int = 0,
) -> Nullity:
    """Measure parameters minus rank of the Jacobian, at generic parameters.

    At every point inputs are redrawn and rows doubled until the rank has stopped growing; the rank
    is read off the gap in the spectrum. The smallest nullity over the points is kept, because a
    special point can only have more; points are added while they disagree. An unclear
    gap is reported, never rounded to an answer.

    Directions that are known to be null shorten this. At each point those that are independent
    there are held, and that they are null there is looked at; only the rank of the other columns
    is measured. Where these are all independent, the nullity there is the number of known
    directions, which is at most their number at a generic point, which is at most the generic
    nullity, which is at most that here: all are equal, and one point is enough.

    Args:
        function: the function to differentiate.
        draw_inputs: draws inputs over their full domain (see `sampling.draw_like`).
        points: how many random parameter points, at least.
        seed: of the random parameters and inputs.
        known: directions that are null, by point: columns [parameters, any number], in the order
            of `function.names`; they may depend on one another.
        progress: told one line of text per point.
        glances: points at which it is seen first whether what is known is all, with as few rows as
            that takes: of models of which many points are special.

    Returns:
        The measurement; when interrupted from the keyboard, or by a limit on time, an undetermined
        one with what was seen.

    Raises:
        InputError: outputs or derivatives are NaN or infinite.
    """
    if function.count == 0:
        return Nullity(0, 0, 0, (), (0.0, -16.0), (), "clear")
    rng = torch.Generator().manual_seed(seed)
    tell = progress or (lambda text: None)
    measurement = _Measurement(function, draw_inputs, rng, points, known, tell)
    try:
        with one_thread():
            measurement.glance(glances)
            measurement.run()
    except _Dishonest:
        return replace(measurement.result(""), status="undetermined", reason=DISHONEST)
    except KeyboardInterrupt:
        return measurement.result("interrupted")
    except OutOfTime:
        return measurement.result("the time limit was reached")
    return measurement.result("")


def nullity_at(
    function: Function,
    draw_inputs: Draw,
    theta: Point,
    *,
    seed: int = 0,
    known: Known | None = None,
    progress: Progress | None = None,
) -> Nullity:
    """Measure the nullity at one given point; see `measure_nullity`.

    Args:
        function: the function to differentiate.
        draw_inputs: draws inputs over their full domain.
        theta: the point.
        seed: of the inputs.
        known: directions that are null, by point.
        progress: told what is being done.

    Raises:
        InputError: outputs or derivatives are NaN or infinite at this point.
    """
    rng = torch.Generator().manual_seed(seed)
    tell = progress or (lambda text: None)
    measurement = _Measurement(function, draw_inputs, rng, 1, known, tell)
    try:
        with one_thread():
            outcome = measurement.at(theta)
    except _Dishonest:
        return replace(measurement.result(""), status="undetermined", reason=DISHONEST)
    reason = "" if outcome.settled else _unsettled(outcome)
    return _nullity(outcome, function.count, (function.count - outcome.rank,), reason)
