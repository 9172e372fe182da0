"""The nullity of a piecewise rational model, by ranks over prime fields.

**What is computed.** Let a model be piecewise rational: on each of finitely many open pieces of
(parameters θ, input x) its outputs are quotients of polynomials. Its nullity is the number P of
parameters less the rank of the Jacobian ∂f/∂θ over all inputs, at generic θ (functional dimension;
Grigsby, Lindsey, Meyerhoff, Wu 2022). Over inputs x₁ … x_N the stacked Jacobian J(θ, x₁ … x_N) is a
matrix of rational functions, and its generic rank is the size of its largest minor that is not the
zero function. Here θ and x are drawn uniformly from GF(p), for a random prime p of 31 bits, and the
rank of J is computed modulo p. No number is rounded, and nothing is compared with a tolerance.

**What it proves.** A minor that is not zero modulo p at one point is not the zero function. So the
nullity found is never too small: as an upper bound it is certain. When it equals the dimension of
the symmetries that were derived, these are all, with no probability about it. It is too large only
if all minors of the right size vanish by accident, which `error_bound` bounds (see `bound`).

**Enough inputs.** If, at generic points, one more input adds no rank, then none does: the null
space over the field of rational functions of θ, x₁ … x_N is annihilated by ∂f(θ, x)/∂θ for an
indeterminate x, hence for every x.

**Pieces.** There are no signs modulo p. A real point (θ⁰, x⁰₁ … x⁰_N) is evaluated beside the other
in float64, and decides each sign, order and rounding; where a decision is closer than rounding
errors, another point is drawn. The points with these decisions form an open set, which is not
empty; the function on it is rational, and a minor that is not the zero function is nonzero almost
everywhere on it (identity theorem). So the values modulo p need not have anything to do with the
real point, and the upper bound stays certain. But other inputs may lie in pieces that no x⁰ lies
in: here inputs are doubled until the rank stays, for several θ⁰, as in
`symfind.verify.measure_nullity`, and the error bound speaks of the pieces that were met. The same
goes for inputs that are integers.

**Constants** of the model (buffers, frozen parameters, numbers in its code) are the rational
numbers that their floating values are; 1 / sqrt(running variance + eps) in batch normalisation is
the float64 that it rounds to. Where a trained gain follows, any nonzero number would give the same
rank. A relation between constants that holds only before rounding is lost.
"""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from symfind.errors import ExactError
from symfind.exact.subject import Subject
from symfind.exact.trial import Cell, Trial
from symfind.residues.field import Field

_CERTAIN = 1e-9  # an error bound below which no more primes are tried
_PRIMES = 6  # at most, for one set of pieces
# real points, where pieces matter, up to so many parameters; more until the smallest nullity is
# seen twice, or is as expected,
_POINTS = ((300, 8), (1200, 3))
_FEW_POINTS, _MOST_POINTS = 2, 24  # but no more than this
_STEADY = 2  # doublings of the inputs that add nothing
_MAX_GROWTH, _MAX_INPUTS = 64, 256  # times the inputs needed at least, or that many
_POLES = 20


MOST_PARAMETERS = 12_000
_SECONDS = 0.15  # of the rank of a square matrix of size 1,000, which grows with the power 2.8
_TRIALS = 3  # ranks of a measurement, about


@dataclass(frozen=True)
class ExactNullity:
    """Outcome of an exact measurement.

    Attributes:
        parameters: P.
        rank: of the Jacobian.
        nullity: P - rank. Certainly not smaller than the nullity is.
        prime: the modulus of the evaluation that showed the rank first.
        inputs: drawn for it; each has the shapes of the example inputs.
        rows: of its Jacobian.
        points: the nullity at each point: every choice of pieces, then every further prime.
        error_bound: the probability that the nullity is smaller than reported, at most; with a
            fixed pattern, that of the pieces that were met.
        pattern: "fixed" where signs, orders or integer inputs were drawn, so that other inputs may
            lie in other pieces; "none" where there are no pieces.
    """

    parameters: int
    rank: int
    nullity: int
    prime: int
    inputs: int
    rows: int
    points: tuple[int, ...]
    error_bound: float
    pattern: Literal["none", "fixed"]

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return {**asdict(self), "points": list(self.points)}


def measured_exactly(
    subject: Subject,
    output: Literal["raw", "softmax"],
    seed: int,
    prime: int | None,
    expected: int | None,
    tell: Callable[[str], None],
) -> ExactNullity:
    """Parameters minus the rank of the Jacobian, over a prime field; see `Session.exact`.

    Raises:
        ExactError: the model has an operation that is not piecewise rational.
        InputError: the prime is none.
    """
    return _Search(subject, output == "softmax", seed, prime, expected, tell).run()


def check_size(parameters: int, most: int = MOST_PARAMETERS) -> None:
    """Make sure that an elimination of so many columns ends within minutes.

    Raises:
        ExactError: it does not; the message says how long it takes.
    """
    if parameters <= most:
        return
    hours = _TRIALS * _SECONDS * (parameters / 1000) ** 2.8 / 3600
    memory = 8 * parameters**2 / 2**30
    raise ExactError(
        f"{parameters:,} parameters are too many for exact elimination: about {hours:,.1f} h and "
        f"{memory:,.0f} GiB; choose smaller sizes (--set), or allow as many (--most {parameters})"
    )


class _Search:
    def __init__(
        self,
        subject: Subject,
        softmax: bool,
        seed: int,
        prime: int | None,
        expected: int | None,
        tell: Callable[[str], None],
    ) -> None:
        self.subject, self.softmax, self.tell = subject, softmax, tell
        self.prime, self.expected = prime, expected
        self.rng = random.Random(seed)
        self.trials: list[Trial] = []

    def run(self) -> ExactNullity:
        while not self.settled():
            lively = len(self.trials) % 2 == 0
            self.attempt(Cell(self.subject, self.rng.getrandbits(63), lively), None)
        best = max(self.trials, key=lambda trial: trial.rank)
        error = min(1.0, sum(trial.miss(self.prime or 0) for trial in self.trials))
        if best.rank == best.count:
            error = 0.0  # no rank is larger
        for _ in range(_PRIMES - 1):
            if error <= _CERTAIN:
                break
            # without pieces each trial finds by itself how many inputs are enough
            again = self.attempt(best.cell, best.draws if best.fixed else None)
            error *= again.miss(self.prime or 0)
            best = max(best, again, key=lambda trial: trial.rank)
        return ExactNullity(
            parameters=best.count,
            rank=best.rank,
            nullity=best.count - best.rank,
            prime=best.field.prime,
            inputs=best.draws,
            rows=best.rows,
            points=tuple(trial.count - trial.rank for trial in self.trials),
            error_bound=error,
            pattern="fixed" if best.fixed else "none",
        )

    def settled(self) -> bool:
        """Whether more choices of pieces would be of no use."""
        if not self.trials:
            return False
        ranks = [trial.rank for trial in self.trials]
        count = self.trials[0].count
        if not self.trials[-1].fixed or max(ranks) >= count - (self.expected or 0):
            return True
        if self.expected is not None or len(ranks) >= _MOST_POINTS:
            return len(ranks) >= _MOST_POINTS
        # dead units make open sets of special points: the smallest nullity must be seen twice
        least = next((points for most, points in _POINTS if count <= most), _FEW_POINTS)
        return len(ranks) >= least and ranks.count(max(ranks)) > 1

    def attempt(self, cell: Cell, draws: int | None) -> Trial:
        """One more prime and point; on so many inputs, or on as many as it takes."""
        for _ in range(_POLES):
            field = Field(self.prime) if self.prime else Field.draw(self.rng)
            trial = Trial(cell, field, self.rng, self.softmax)
            try:
                if draws is None:
                    _saturate(trial, self._growing)
                else:
                    trial.extend(draws)
            except ZeroDivisionError:
                continue
            self.trials.append(trial)
            self.tell(
                f"point {len(self.trials)}: nullity {trial.count - trial.rank} of {trial.count} "
                f"modulo {field.prime}, {trial.rows} rows"
            )
            return trial
        raise ExactError(
            "the model divides by something that vanishes at every point modulo every prime: "
            "a division by zero"
        )

    def _growing(self, trial: Trial) -> None:
        self.tell(
            f"point {len(self.trials) + 1}: nullity at most {trial.count - trial.rank} of "
            f"{trial.count} after {trial.draws:,} inputs"
        )


def _saturate(trial: Trial, growing: Callable[[Trial], None]) -> None:
    """Add inputs until the rank has stopped growing."""
    needed = max(1, -(-trial.count // max(trial.height, 1)))
    trial.extend(needed)
    unchanged, more = 0, 1
    while trial.rank < trial.count and unchanged < (_STEADY if trial.fixed else 1):
        if trial.fixed and trial.draws > max(_MAX_GROWTH * needed, _MAX_INPUTS):
            break  # pieces that are met ever more rarely
        before = trial.rank
        # one more generic input decides, unless it may lie in another piece
        trial.extend(trial.draws + (trial.draws if trial.fixed else more))
        unchanged = unchanged + 1 if trial.rank == before else 0
        more *= 2
        growing(trial)
