"""Random elements of the algebras of generators, and random changes of the same size."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.generator import Generator
from symfind.verify.function import Function, Point

_RETURNED = 1e-6  # of a change, by which a way back may miss where it began
_SPREAD = 4.0  # between the smallest and the largest of the magnitudes


@dataclass(frozen=True)
class Element:
    """One random element of a generator's algebra, of a random size of the order of what it moves.

    The size is random because the coefficient is not, where an algebra has one dimension: scaled
    to a given size it would be one of two elements, and false ones would cancel in a sum.
    """

    generator: Generator
    coefficients: Tensor
    scale: float

    @property
    def id(self) -> str:
        """Of the generator."""
        return self.generator.id

    def direction(self, theta: Point) -> dict[str, Tensor]:
        """The vector field at a point."""
        return self.generator.direction(theta, self.coefficients * self.scale)

    def longest(self, theta: Point, most: float) -> float:
        """The time in which a scale changes by a factor whose logarithm is given; else infinite."""
        if not getattr(self.generator, "multiplies", False):
            return math.inf
        rates = [
            (change[theta[name] != 0] / theta[name][theta[name] != 0]).abs().max()
            for name, change in self.direction(theta).items() if bool((theta[name] != 0).any())
        ]  # fmt: skip
        largest = float(max(rates, default=torch.zeros(())))
        return most / largest if largest else math.inf

    def flow(self, theta: Point, t: float) -> dict[str, Tensor]:
        """Where it leads in time t."""
        return self.generator.flow(theta, self.coefficients * self.scale, t)

    def way(self, theta: Point, t: float) -> tuple[dict[str, Tensor], float]:
        """The same up to where its field ends, if it knows, and what part of the time that is."""
        known = getattr(self.generator, "way", None)
        if known is None:
            return self.flow(theta, t), 1.0
        found: tuple[dict[str, Tensor], float] = known(theta, self.coefficients * self.scale, t)
        return found

    def returns(self, theta: Point, t: float) -> bool:
        """Whether the same time backwards leads to where it came from.

        Not so where a flow that is followed in steps runs into a pole of its field before, or to
        where its field turns around (a weight that is an absolute value ends at zero).
        """
        there = self.flow(theta, t)
        again = self.flow({**theta, **there}, -t)
        moved = norm([v - theta[n] for n, v in there.items()])
        return norm([v - theta[n] for n, v in again.items()]) <= _RETURNED * moved


def norm(tensors: Sequence[Tensor]) -> float:
    """Of all entries of all tensors."""
    return math.hypot(*(float(torch.linalg.vector_norm(t)) for t in tensors))


def unit(direction: Mapping[str, Tensor], theta: Point) -> float:
    """By what to multiply a direction so that it is as large as what it moves; zero for none.

    Only entries that move count: one head of a packed weight is not to be moved by the size of
    all of them. NaN where the direction is not finite.
    """
    size = norm(list(direction.values()))
    if not math.isfinite(size):
        return math.nan
    moved = norm([_moved(theta[name], tensor) for name, tensor in direction.items()])
    return (moved or 1.0) / size if size else 0.0


def _moved(value: Tensor, change: Tensor) -> Tensor:
    """The entries that change, others as zeros."""
    still = change == 0
    return value.masked_fill(still, 0.0) if bool(still.any()) else value


def element(
    function: Function, generator: Generator, theta: Point, rng: torch.Generator
) -> tuple[Element, dict[str, Tensor]]:
    """Draw one, and its field at a point, which costs as much to compute as all else here.

    The field is to be multiplied by the element's scale: it is linear in the coefficients.

    Raises:
        ValueError: the generator moves a parameter that does not exist, or in the wrong shape.
    """
    coefficients = generator.coefficients(rng).to(function.device, torch.float64)
    direction = generator.direction(theta, coefficients)
    for name, tensor in direction.items():
        if function.shapes.get(name) != tuple(tensor.shape):
            raise ValueError(
                f"generator {generator.id} moves {name} by a tensor of shape "
                f"{tuple(tensor.shape)}; it is {function.shapes.get(name)}"
            )
    drawn = float(torch.rand((), generator=rng, dtype=torch.float64))
    scale = _SPREAD**-drawn * unit(direction, theta)
    return Element(generator, coefficients, scale), direction


class Total:
    """A sum of fields; what generators hand out is not written to."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def add(self, direction: Mapping[str, Tensor], scale: float = 1.0) -> None:
        """Take in a multiple of a field."""
        for name, tensor in direction.items():
            if name in self.tensors:
                self.tensors[name].add_(tensor, alpha=scale)
            else:
                self.tensors[name] = tensor * scale
