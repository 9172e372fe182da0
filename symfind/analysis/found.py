"""What discovery finds is put to the same tests as what rules derive, and to harder ones.

A rule is proven where it is written, so that its families are tried for faults of the program.
Fields that were found from derivatives at some points have no proof but their trials: by
derivatives and along flows at several points, on wider inputs than the given ones, far enough to
cross kinks and thresholds, and where what moves is small or large, so that an eps or a bound shows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind import budget
from symfind.analysis.remainder import Surroundings
from symfind.discovery.family import Acting, FoundFamily
from symfind.errors import InputError
from symfind.report.model import Residual
from symfind.verify import Function, verify
from symfind.verify.elements import norm, unit
from symfind.verify.faraway import holds_far
from symfind.verify.function import InputsLike, Point
from symfind.verify.invariance import points_of
from symfind.verify.sampling import random_direction

TOLERANCE = 1e-9
_TIMES = (0.3, -0.3, 1.0, -1.0)  # of flows that move by about the size of what moves in unit time
_FLOOR = 1e-3  # effects are compared with at least this part of the output's norm
_SIZES = (1.0, 1e-3, 30.0)  # of what moves: as drawn, where an eps would show, or a bound
_INPUTS = 2  # draws, besides those given
_LARGE = 200_000  # parameters, from which flows are followed in one direction, on the given inputs


@dataclass(frozen=True)
class Tried:
    """A family that stood all trials, with the largest residual."""

    family: Acting
    residual: Residual


class Trials:
    """Families of discovered fields, held against the model.

    Args:
        subject: the model.
        function: the same.
    """

    def __init__(self, subject: Surroundings, function: Function) -> None:
        self.function, self.subject = function, subject
        self.rng = torch.Generator().manual_seed(subject.seed + 7)
        self.points = points_of(function, self.rng)
        fresh = subject.fresh()
        self.inputs: list[InputsLike] = [
            function.inputs,
            *(fresh(self.rng) for _ in range(_INPUTS)),
        ]
        self.times: tuple[float, ...] = _TIMES
        if function.count > _LARGE:
            self.times, self.inputs = _TIMES[2:3], self.inputs[:1]
        self.wider = list(self._wider())

    def _wider(self) -> Iterator[InputsLike]:
        """Inputs beyond those given, on which the model can be evaluated."""
        for draw in self.subject.wider().values():
            try:
                inputs = draw(self.rng)
                self.function(self.points[0], inputs)
            except Exception:  # whatever a model raises on inputs that it was not made for
                continue
            yield inputs

    def standing(self, families: Sequence[Acting]) -> list[Tried]:
        """Those that stand; of one that fails, the fields that stand alone.

        None does where the model takes no inputs but those given, of which all may be special.
        """
        found: list[Tried] = []
        if not self.wider and all(one is self.inputs[1] for one in self.inputs[1:]):
            return found
        for family, residual in zip(families, self._residuals(families), strict=True):
            if residual is not None:
                found.append(Tried(family, residual))
                continue
            fields = family.fields if isinstance(family, FoundFamily) else ()
            alone = [
                FoundFamily(f"{family.id}.{i}", (one,)) for i, one in enumerate(fields)
            ] if len(fields) > 1 else []  # fmt: skip
            good = [a.fields[0] for a, r in zip(alone, self._residuals(alone), strict=True) if r]
            if good:
                rest = FoundFamily(family.id, tuple(good))
                again = self._residuals([rest])[0]
                found += [Tried(rest, again)] if again else []
        return found

    def _residuals(self, families: Sequence[Acting]) -> list[Residual | None]:
        if not families:
            return []
        outcome = verify(self.function, families, rng=self.rng, points=self.points)
        failed = set(outcome.failed)
        for inputs in self.wider:
            rest = [f for f in families if f.id not in failed]
            failed |= self._failing(rest, inputs) if rest else set()
        result: list[Residual | None] = []
        for family in families:
            measured = outcome.residuals[family.id]
            stands = family.id not in failed and measured.finite is not None and self._far(family)
            result.append(
                Residual(measured.infinitesimal, measured.random, measured.finite)
                if stands else None
            )  # fmt: skip
        return result

    def _failing(self, families: Sequence[Acting], inputs: InputsLike) -> set[str]:
        """Those that do not hold on wider inputs; none where there are no derivatives."""
        try:
            outcome = verify(self.function, families, inputs, rng=self.rng, points=self.points[:1])
        except InputError:
            return set()
        return set(outcome.failed)

    def _far(self, family: Acting) -> bool:
        """Whether long flows leave the values alone, at all points, also small and large ones."""
        for theta in self.points:
            for size in _SIZES:
                place = {n: v * size if n in family.parameters else v for n, v in theta.items()}
                budget.check()
                if not self._stays(family, place):
                    return False
        return holds_far(self.function, family, self.points[0], self.inputs[:2], self.rng)

    def _stays(self, family: Acting, theta: Point) -> bool:
        c = family.coefficients(self.rng)
        direction = family.direction(theta, c)
        scale = unit(direction, theta)
        if not scale or not math.isfinite(scale):
            return True
        for time in self.times:
            moved = family.flow(theta, c * scale, time)
            if any(not self._same(theta, moved, inputs) for inputs in self.inputs):
                return False
        return True

    def _same(self, theta: Point, moved: Mapping[str, Tensor], inputs: InputsLike) -> bool:
        """Whether values stay, held against a random change as large; true where there are none."""
        shaken = {
            n: theta[n] + random_direction(v.shape, self.rng, norm([v - theta[n]]))
            for n, v in moved.items()
        }  # fmt: skip
        try:
            value = self.function(theta, inputs)
            along = float((self.function({**theta, **moved}, inputs) - value).norm())
            random = float((self.function({**theta, **shaken}, inputs) - value).norm())
        except InputError:  # out of the domain of the function
            return True
        return along <= TOLERANCE * max(random, _FLOOR * float(value.norm()))
