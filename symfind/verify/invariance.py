"""Check generators on the model itself: infinitesimally, and by the group elements they make."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from symfind.algebra.generator import Generator
from symfind.points.manner import manner
from symfind.verify.check import Check
from symfind.verify.combination import Combination, true_combinations
from symfind.verify.counted import Progress, counted
from symfind.verify.elements import Element, Total, element
from symfind.verify.function import Function, InputsLike, Point

_FAR = (1.0, 8.0)  # of one that is exact for any time, to cross what decides on the way
_MANY_POINTS = ((20_000, 3), (20_000_000, 2))  # parameters, up to which so many points are used
_ALONE = 200  # generators that are checked one by one as well,
_ALONE_SIZE = 2_000_000  # where together they have at most so many parameters to move


@dataclass(frozen=True)
class Residual:
    """How far a generator is from a symmetry, at the worst of the points.

    infinitesimal: norm of the output's derivative along it, relative to that along a random
        direction of the same norm on the same tensors. Rounding for a symmetry, else of order 1.
    random: the derivative along that random direction, relative to the output (what a change of
        the same size does that is not a symmetry).
    finite: change of the output under the flow, relative to a random change of the same size;
        None where the infinitesimal check failed already.
    """

    infinitesimal: float
    random: float
    finite: float | None = None

    @property
    def worst(self) -> float:
        """The larger of the two residuals."""
        return max(self.infinitesimal, self.finite or 0.0)


@dataclass(frozen=True)
class Verification:
    """Outcome of checking all generators; a generator checked jointly has the joint residual.

    Attributes:
        status: "failed" where any did.
        worst: residual.
        random: the smallest effect of a random direction.
        residuals: by id, those of what was kept among them.
        failed: ids.
        kept: what is true within the failed ones: combinations that passed all checks.
        points: at how many points.
    """

    status: Literal["verified", "failed"]
    worst: float
    random: float
    residuals: Mapping[str, Residual]
    failed: tuple[str, ...]
    kept: tuple[Combination, ...] = ()
    points: int = 0


_Test = Callable[[Sequence[Element]], tuple[float, float]]
_Measured = dict[str, tuple[float, float]]


def _culprits(
    test: _Test,
    elements: Sequence[Element],
    tolerance: float,
    joint: tuple[float, float] | None = None,
) -> tuple[_Measured, set[str]]:
    """Test jointly, and split only what fails: (residual and effect by id, failing ids)."""
    if not elements:
        return {}, set()
    residual, effect = test(elements) if joint is None else joint
    if residual <= tolerance or len(elements) == 1:
        found = {e.id: (residual, effect) for e in elements}
        return found, set() if residual <= tolerance else {e.id for e in elements}
    half = len(elements) // 2
    left, left_failed = _culprits(test, elements[:half], tolerance)
    right, right_failed = _culprits(test, elements[half:], tolerance)
    return left | right, left_failed | right_failed


class _Battery:
    """All tests at all points: a generator that fails one of them takes part in no further one.

    Where its field is not finite nothing is tested, and one that is finite nowhere has failed.
    """

    def __init__(
        self,
        function: Function,
        inputs: InputsLike,
        rng: torch.Generator,
        tolerance: float,
        more: Callable[[], Sequence[InputsLike]],
        tell: Progress,
    ) -> None:
        self.function, self.inputs, self.rng, self.tolerance = function, inputs, rng, tolerance
        self.more, self.tell = more, tell
        self.ends: dict[str, float] = {}  # times at which flows were seen to end
        self.residuals: dict[str, Residual] = {}
        self.failed: set[str] = set()

    def run(self, generators: Sequence[Generator], points: Sequence[Point]) -> None:
        few, nowhere = len(generators) <= _ALONE, set[str]()
        small = few and len(generators) * self.function.count <= _ALONE_SIZE
        for i, theta in enumerate(points):
            standing = [g for g in generators if g.id not in self.failed]
            elements, total = [], Total()
            for g in counted(standing, f"point {i + 1} of {len(points)}", self.tell):
                one, direction = element(self.function, g, theta, self.rng)
                if not math.isfinite(one.scale):  # other points have to tell
                    nowhere.add(g.id)
                elif one.scale:
                    elements.append(one)
                    total.add(direction, one.scale)
            self._at(theta, elements, total, alone=small and i == 0)
            if small:
                self._far(theta, [e for e in elements if e.id not in self.failed])
        for name in nowhere - set(self.residuals):
            self.failed.add(name)
            self.residuals[name] = Residual(math.inf, 0.0)

    def _at(self, theta: Point, elements: Sequence[Element], total: Total, alone: bool) -> None:
        check = Check(self.function, theta, self.inputs, self.rng, self.ends)
        joint = check.along(total.tensors, len(elements) == 1) if elements else None
        total.tensors.clear()
        tangent, failed = _culprits(check.infinitesimal, elements, self.tolerance, joint)
        for e in counted(elements if alone and len(elements) > 1 else (), "alone", self.tell):
            own = None if e.id in failed else check.alone(e, self.tolerance)
            if own is not None:
                tangent[e.id] = own
                failed |= {e.id} if own[0] > self.tolerance else set()
        rest = [e for e in elements if e.id not in failed]
        flows = functools.partial(check.finite, tell=self.tell)
        finite, bent = _culprits(flows, rest, self.tolerance)
        self.failed |= failed | bent
        for e in elements:
            change = finite[e.id][0] if e.id in finite else None
            self._record(e.id, Residual(*tangent[e.id], change))

    def _far(self, theta: Point, elements: Sequence[Element]) -> None:
        """Follow translations and scalings a long way, on all inputs.

        What decides (a threshold, an order) has derivative zero, and short steps may not cross it.
        """
        exact = [e for e in elements if getattr(e.generator, "straight", False)]
        for inputs in (self.inputs, *self.more()) if exact else ():
            check = Check(self.function, theta, inputs, self.rng, self.ends)
            check.keep(self.function(theta, inputs))
            for time in _FAR:
                standing = [e for e in exact if e.id not in self.failed]
                test = functools.partial(check.far, time=time, tolerance=self.tolerance)
                found, failed = _culprits(test, standing, self.tolerance)
                self.failed |= failed
                for name in failed:
                    self._record(name, replace(self.residuals[name], finite=found[name][0]))

    def _record(self, name: str, found: Residual) -> None:
        before = self.residuals.get(name)
        if before is None or found.worst >= before.worst or name in self.failed:
            self.residuals[name] = found
        if before is not None:  # of the effects that residuals are compared with, the smallest
            smallest = min(before.random, found.random)
            self.residuals[name] = replace(self.residuals[name], random=smallest)


def points_of(function: Function, rng: torch.Generator, first: Point | None = None) -> list[Point]:
    """As many random points as checks at the size of the function can afford."""
    number = next((n for most, n in _MANY_POINTS if function.count <= most), 1)
    points = [] if first is None else [first]
    return points + [function.random_point(rng, manner(i)) for i in range(len(points), number)]


def verify(
    function: Function,
    generators: Sequence[Generator],
    inputs: InputsLike | None = None,
    *,
    rng: torch.Generator,
    tolerance: float = 1e-9,
    points: Sequence[Point] | None = None,
    more: Callable[[], Sequence[InputsLike]] = tuple,
    tell: Progress = lambda text: None,
) -> Verification:
    """Check every generator at random parameters.

    A random combination of symmetries, of random size each, vanishes under the derivative only if
    each does, with probability one, so a single derivative checks all; only when it fails is the
    set halved until the culprits are named. Where that is cheap, each is checked alone as well, so
    that a small effect does not hide beside large ones. The same with the flows, which are applied
    one after the other; and all that again at other points. Translations and scalings are followed
    far as well, on other inputs too, because a threshold is not seen by a derivative. Of those that
    fail, combinations that are symmetries are kept.

    Args:
        function: the function that the generators must leave unchanged.
        generators: with distinct ids.
        inputs: of the function; its own when absent.
        rng: source of the parameters, the elements and the random directions.
        tolerance: on both residuals.
        points: parameters; random generic ones when absent.
        more: gives other inputs, on which flows that are exact are followed far.
        tell: told how far it is.

    Raises:
        InputError: the function is NaN or infinite at these parameters.
        ValueError: a generator moves a parameter that does not exist, or in the wrong shape.
    """
    points = points_of(function, rng) if points is None else points
    given = function.inputs if inputs is None else inputs
    battery = _Battery(function, given, rng, tolerance, more, tell)
    battery.run(generators, points)
    failing = [g for g in generators if g.id in battery.failed]
    kept = _kept(battery, failing, points) if failing else ()
    residuals = {g.id: Residual(0.0, 0.0, 0.0) for g in generators} | battery.residuals
    return Verification(
        status="failed" if failing else "verified",
        worst=max((r.worst for r in residuals.values()), default=0.0),
        random=min((r.random for r in battery.residuals.values()), default=0.0),
        residuals=residuals,
        failed=tuple(g.id for g in failing),
        kept=kept,
        points=len(points),
    )


def _kept(
    battery: _Battery, failing: Sequence[Generator], points: Sequence[Point]
) -> tuple[Combination, ...]:
    """What is true within generators that fail, checked as they were, and at one more point."""
    more = [*points, battery.function.random_point(battery.rng)]
    found = true_combinations(battery.function, failing, more, battery.inputs, battery.rng)
    battery.run(found, more)
    return tuple(one for one in found if one.id not in battery.failed)


def measured(
    function: Function,
    generators: Sequence[Generator],
    *,
    rng: torch.Generator,
    theta: Point,
    tolerance: float = 1e-9,
    tell: Progress = lambda text: None,
) -> dict[str, Residual]:
    """Residuals at one point of generators that are not expected to hold, each by itself.

    Nothing is searched for in them, and none is measured twice: they are not counted.

    Args:
        function: the function that they nearly leave unchanged.
        generators: with distinct ids.
        rng: source of the elements and the random directions.
        theta: the parameters.
        tolerance: on the derivative, above which the flow is not looked at.
        tell: told how far it is.
    """
    check = Check(function, theta, function.inputs, rng, {})
    found = {}
    for generator in counted(generators, "approximate", tell):
        one, direction = element(function, generator, theta, rng)
        if not math.isfinite(one.scale):
            found[generator.id] = Residual(math.inf, 0.0)
            continue
        scaled = {name: one.scale * tensor for name, tensor in direction.items()}
        along = check.along(scaled, doubted=False) if one.scale else (0.0, 0.0)
        finite = check.finite([one])[0] if one.scale and along[0] <= tolerance else None
        found[generator.id] = Residual(*along, finite)
    return found
