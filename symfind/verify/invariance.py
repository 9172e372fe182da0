"""Check generators on the model itself: infinitesimally, and by the group elements they make."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from symfind.algebra.generator import Generator
from symfind.errors import InputError
from symfind.verify.function import Function, InputsLike, Point

_FLOOR = 1e-3  # effects are compared with at least this part of the output's norm
_DOUBT = 1e-9  # a larger residual of one generator is measured again, from values alone
_STEP = 1e-6  # of the difference that shows what a random direction does
_TIME = 0.1  # of the finite flow: a change by about a tenth of what it moves


@dataclass(frozen=True)
class Residual:
    """How far a generator is from a symmetry.

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


@dataclass(frozen=True)
class Verification:
    """Outcome of checking all generators; a generator checked jointly has the joint residual."""

    status: Literal["verified", "failed"]
    worst: float
    random: float
    residuals: Mapping[str, Residual]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class _Element:
    """One random element of a generator's algebra, scaled to move what it moves by its own size."""

    generator: Generator
    coefficients: Tensor
    scale: float

    @property
    def id(self) -> str:
        return self.generator.id

    def direction(self, theta: Point) -> dict[str, Tensor]:
        return self.generator.direction(theta, self.coefficients * self.scale)

    def flow(self, theta: Point, t: float) -> dict[str, Tensor]:
        return self.generator.flow(theta, self.coefficients * self.scale, t)


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.square().sum()) for t in tensors))


def _element(function: Function, generator: Generator, theta: Point, rng: torch.Generator
             ) -> _Element:  # fmt: skip
    coefficients = generator.coefficients(rng).to(function.device, torch.float64)
    direction = generator.direction(theta, coefficients)
    for name, tensor in direction.items():
        if function.shapes.get(name) != tuple(tensor.shape):
            raise ValueError(
                f"generator {generator.id} moves {name} by a tensor of shape "
                f"{tuple(tensor.shape)}; it is {function.shapes.get(name)}"
            )
    size = _norm(list(direction.values()))
    # Only entries that move count: one head of a packed weight is not to be moved by the size
    # of all of them.
    moved = _norm([theta[name][tensor != 0] for name, tensor in direction.items()])
    return _Element(generator, coefficients, (moved or 1.0) / size if size else 0.0)


def _random(shape: tuple[int, ...], norm: float, rng: torch.Generator) -> Tensor:
    drawn = torch.randn(shape, generator=rng, dtype=torch.float64)
    return drawn.mul_(norm / max(float(drawn.norm()), 1e-300))


class _Check:
    """The two tests of a set of elements, at one point and one batch of inputs."""

    def __init__(
        self, function: Function, theta: Point, inputs: InputsLike, rng: torch.Generator
    ) -> None:
        self.function, self.theta, self.inputs, self.rng = function, theta, inputs, rng
        self.value: Tensor | None = None

    def _keep(self, value: Tensor) -> Tensor:
        if self.value is None:
            self.value = value
            self.size = float(value.norm()) or 1.0
        return self.value

    def _ratio(self, change: float, random: float) -> tuple[float, float]:
        return change / max(random, _FLOOR * self.size), random / self.size

    def _shaken(self, norms: Mapping[str, float], step: float) -> float:
        """Change of the output under a random change of tensors, by the norm on each."""
        assert self.value is not None
        point = dict(self.theta)
        for name, norm in norms.items():
            drawn = _random(tuple(point[name].shape), step * norm, self.rng)
            point[name] = drawn.to(point[name].device).add_(point[name])
        return float((self.function(point, self.inputs) - self.value).norm()) / step

    def infinitesimal(self, elements: Sequence[_Element]) -> tuple[float, float]:
        """Residual and random effect of the sum of all elements.

        One exact derivative; what it is compared with need not be exact, and is a difference.
        """
        total: dict[str, Tensor] = {}
        owned: set[str] = set()
        for element in elements:
            for name, tensor in element.direction(self.theta).items():
                if name in owned:
                    total[name] += tensor
                elif name in total:
                    total[name] = total[name] + tensor
                    owned.add(name)
                else:
                    total[name] = tensor
        value, tangent = self.function.linearised(self.theta, total, self.inputs)
        self._keep(value)
        along = float(tangent.norm())
        norms = {name: float(tensor.norm()) for name, tensor in total.items()}
        del value, tangent
        shaken = self._shaken(norms, _STEP)
        if len(elements) == 1 and self._ratio(along, shaken)[0] > _DOUBT:
            # An operation without a forward derivative may drop its part of it in silence.
            along = min(
                along, float(self.function.difference(self.theta, total, self.inputs).norm())
            )
        return self._ratio(along, shaken)

    def finite(self, elements: Sequence[_Element]) -> tuple[float, float]:
        """Residual and random effect of the flows of all elements, one after the other."""
        assert self.value is not None
        moved: dict[str, Tensor] = dict(self.theta)
        for element in elements:
            moved.update(element.flow(moved, _TIME))
        try:
            along = float((self.function(moved, self.inputs) - self.value).norm())
            norms = {n: float((moved.pop(n) - v).norm())
                     for n, v in self.theta.items() if moved[n] is not v}  # fmt: skip
            del moved
            return self._ratio(along, self._shaken(norms, 1.0))
        except InputError:  # the flow leads out of the domain of the function
            return math.inf, 0.0


_Test = Callable[[Sequence[_Element]], tuple[float, float]]


def _culprits(
    test: _Test, elements: Sequence[_Element], tolerance: float
) -> tuple[dict[str, tuple[float, float]], list[_Element]]:
    """Test jointly, and split only what fails: (residual and effect by id, failing elements)."""
    residual, effect = test(elements)
    if residual <= tolerance or len(elements) == 1:
        found = {e.id: (residual, effect) for e in elements}
        return found, [] if residual <= tolerance else list(elements)
    half = len(elements) // 2
    left, left_failed = _culprits(test, elements[:half], tolerance)
    right, right_failed = _culprits(test, elements[half:], tolerance)
    return left | right, left_failed + right_failed


def verify(
    function: Function,
    generators: Sequence[Generator],
    inputs: InputsLike | None = None,
    *,
    rng: torch.Generator,
    tolerance: float = 1e-9,
    theta: Point | None = None,
) -> Verification:
    """Check every generator at random parameters.

    A random combination of symmetries vanishes under the derivative only if each does, with
    probability one, so a single derivative checks all; only when it fails is the set halved until
    the culprits are named. The same with the flows, which are applied one after the other.

    Args:
        function: the function that the generators must leave unchanged.
        generators: with distinct ids.
        inputs: of the function; its own when absent.
        rng: source of the parameters, the elements and the random directions.
        tolerance: on both residuals.
        theta: the parameters; random generic ones when absent.

    Raises:
        InputError: the function is NaN or infinite at these parameters.
        ValueError: a generator moves a parameter that does not exist, or in the wrong shape.
    """
    point = function.random_point(rng) if theta is None else theta
    elements = [_element(function, g, point, rng) for g in generators]
    elements = [e for e in elements if e.scale]
    residuals = {g.id: Residual(0.0, 0.0, 0.0) for g in generators}
    if not elements:
        return Verification("verified", 0.0, 0.0, residuals, ())
    check = _Check(function, point, function.inputs if inputs is None else inputs, rng)
    tangent, failed = _culprits(check.infinitesimal, elements, tolerance)
    rejected = {e.id for e in failed}
    remaining = [e for e in elements if e.id not in rejected]
    finite: dict[str, tuple[float, float]] = {}
    if remaining:
        finite, finite_failed = _culprits(check.finite, remaining, tolerance)
        rejected |= {e.id for e in finite_failed}
    for e in elements:
        change = finite[e.id][0] if e.id in finite else None
        residuals[e.id] = Residual(*tangent[e.id], change)
    worst = max(max(r.infinitesimal, r.finite or 0.0) for r in residuals.values())
    random = min((r for _, r in tangent.values()), default=0.0)
    order = tuple(g.id for g in generators if g.id in rejected)
    return Verification("failed" if order else "verified", worst, random, residuals, order)
