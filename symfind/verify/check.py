"""Tests of elements of the group at one point: their derivative, and where their flows lead."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind import budget
from symfind.errors import InputError
from symfind.verify.counted import Progress, counted
from symfind.verify.elements import Element, Total
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.sampling import random_direction

_FLOOR = 1e-3  # effects are compared with at least this part of the output's norm
_DOUBT = 1e-9  # a larger residual of one generator is measured again, from values alone
_STEP = 1e-6  # of the difference that shows what a random direction does
_TIME = 0.1  # of the finite flow: a change by about a tenth of what it moves
_BEFORE = 0.8  # of the time at which a flow was seen to end it is followed for when it is again
_SHORT = 1e-5  # the shortest, of which rounding leaves enough to see
_FACTOR = 20.0  # by which a scale may shrink or grow there: a smaller norm shows its eps


class Check:
    """The tests of a set of elements, at one point and one batch of inputs."""

    def __init__(
        self,
        function: Function,
        theta: Point,
        inputs: InputsLike,
        rng: torch.Generator,
        ends: dict[str, float],
    ) -> None:
        self.function, self.theta, self.inputs, self.rng = function, theta, inputs, rng
        self.ends = ends  # times at which flows were seen to end, by id; filled
        self.value: Tensor | None = None

    def keep(self, value: Tensor) -> Tensor:
        """What changes are held against: the output at the point."""
        if self.value is None:
            self.value = value
            self.size = float(value.norm()) or 1.0
        return self.value

    def _ratio(self, change: float, random: float) -> tuple[float, float]:
        return change / max(random, _FLOOR * self.size), random / self.size

    def _shaken(self, norms: Mapping[str, float], step: float) -> float:
        """Change of the output under a random change of tensors, by the norm on each."""
        assert self.value is not None
        point = self._near(norms, step)
        return float((self.function(point, self.inputs) - self.value).norm()) / step

    def _near(self, norms: Mapping[str, float], step: float) -> Point:
        """The point after a random change of tensors."""
        point = dict(self.theta)
        for name, size in norms.items():
            drawn = random_direction(point[name].shape, self.rng, step * size)
            point[name] = drawn.to(point[name].device).add_(point[name])
        return point

    def infinitesimal(self, elements: Sequence[Element]) -> tuple[float, float]:
        """Residual and random effect of the sum of all elements."""
        total = Total()
        for one in elements:
            total.add(one.direction(self.theta))
        return self.along(total.tensors, doubted=len(elements) == 1)

    def along(self, total: Mapping[str, Tensor], doubted: bool) -> tuple[float, float]:
        """Residual and random effect of a direction.

        One exact derivative; what it is compared with need not be exact, and is a difference.
        Where it is doubted, an operation without a forward derivative may have dropped its part
        of it in silence, and it is measured again from values alone.
        """
        value, tangent = self.function.linearised(self.theta, total, self.inputs)
        self.keep(value)
        along = float(tangent.norm())
        norms = {name: float(tensor.norm()) for name, tensor in total.items()}
        del value, tangent
        shaken = self._shaken(norms, _STEP)
        if doubted and self._ratio(along, shaken)[0] > _DOUBT:
            again = self.function.difference(self.theta, total, self.inputs)
            along = min(along, float(again.norm()))
        return self._ratio(along, shaken)

    def alone(self, one: Element, tolerance: float) -> tuple[float, float] | None:
        """The same of one element; None where a derivative shows that there is no effect at all."""
        budget.check()
        _, tangent = self.function.linearised(self.theta, one.direction(self.theta), self.inputs)
        if float(tangent.norm()) <= tolerance * _FLOOR * self.size:
            return None
        return self.infinitesimal([one])

    def finite(
        self,
        elements: Sequence[Element],
        tell: Progress = lambda text: None,
        time: float = _TIME,
        enough: float = 0.0,
    ) -> tuple[float, float]:
        """Residual and random effect of the flows of all elements, one after the other.

        Each is followed up to where its field ends; one alone that fails there, or whose way back
        leads elsewhere, for a shorter time. A residual that is at most `enough` whatever a random
        change does is told without that effect.
        """
        found, part = self._flown(elements, tell, time, enough)
        first = found
        while len(elements) == 1 and found[0] > _DOUBT and time > _SHORT:
            if part == 1.0 and elements[0].returns(self.theta, time):
                break
            time *= (part or 1.0) / 4
            found, part = self._flown(elements, tell, time, enough)
        return first if found[0] > _DOUBT else found

    def _flown(
        self, elements: Sequence[Element], tell: Progress, time: float, enough: float
    ) -> tuple[tuple[float, float], float]:
        """Residual and random effect, and the least part of the time that one was followed for."""
        assert self.value is not None
        moved: dict[str, Tensor] = dict(self.theta)
        least = 1.0
        for one in counted(elements, "flows", tell):
            longest = one.longest(moved, math.log(_FACTOR)) if time > _TIME else time
            short = min(time, longest, _BEFORE * self.ends.get(one.id, math.inf))
            there, part = one.way(moved, short)
            if 0 < part < 1:  # to look for where it ends takes most of the work: once is enough
                self.ends[one.id] = short * part
            moved.update(there)
            least = min(least, part * short / min(time, longest))
        if not least:  # of one of them nothing was seen
            return (math.inf, 0.0), least
        try:
            along = float((self.function(moved, self.inputs) - self.value).norm())
            norms = {n: float((moved.pop(n) - v).norm())
                     for n, v in self.theta.items() if moved[n] is not v}  # fmt: skip
            del moved
            if along <= enough * _FLOOR * self.size:
                self._near(norms, 1.0)  # what is drawn next is the same in either case
                return self._ratio(along, 0.0), least
            return self._ratio(along, self._shaken(norms, 1.0)), least
        except InputError:  # the flow leads out of the domain of the function
            return (math.inf, 0.0), least

    def far(
        self, elements: Sequence[Element], time: float, tolerance: float
    ) -> tuple[float, float]:
        """As `finite`; where so long a way leads out of the domain, nothing can be told."""
        residual, effect = self.finite(elements, time=time, enough=tolerance)
        return (0.0, effect) if math.isinf(residual) else (residual, effect)
