"""Random elements of the discrete group, and whether the model's outputs see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from symfind.discrete.spec import PermutationSpec
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family
from symfind.verify import Function

TOLERANCE = 1e-9
Theta = dict[str, Tensor]


class Element(Protocol):
    """One element of a group that acts on named tensors."""

    def __call__(self, theta: Mapping[str, Tensor]) -> Theta:
        """The tensors that it moves, moved."""
        ...


@dataclass(frozen=True)
class Permute:
    """Given permutations of a spec."""

    spec: PermutationSpec
    perms: dict[str, Tensor]

    def __call__(self, theta: Mapping[str, Tensor]) -> Theta:
        """See `PermutationSpec.apply`."""
        moved = {key for name in self.perms for key in self.spec.acts_on(name)}
        return self.spec.apply({k: v for k, v in theta.items() if k in moved}, self.perms)


@dataclass(frozen=True)
class Involution:
    """Changes of sign or reflections: one bit for every copy."""

    family: Family
    bits: Tensor = field(repr=False)

    def __call__(self, theta: Mapping[str, Tensor]) -> Theta:
        """See `SignFlip.flow` and `Mirror.flow`."""
        return Point(theta).flow(self.family, self.bits, 1.0)


def permute(spec: PermutationSpec, names: Sequence[str], rng: torch.Generator) -> Permute:
    """Random permutations of some names."""
    drawn = spec.sample(rng)
    return Permute(spec, {name: drawn[name] for name in names})


def involution(family: Family, rng: torch.Generator) -> Involution:
    """Random signs, never all of them trivial."""
    bits = torch.randint(2, (family.count(),), generator=rng)
    bits[int(torch.randint(len(bits), (1,), generator=rng))] = 1
    return Involution(family, bits.to(torch.float64))


def residual(function: Function, theta: Theta, elements: Sequence[Element]) -> float:
    """How much the product of some elements changes the outputs, relative to their size."""
    before = function(theta)
    for element in elements:
        theta = {**theta, **element(theta)}
    after = function(theta)
    return float((after - before).norm() / before.norm().clamp_min(1e-300))


def failing(
    function: Function, theta: Theta, elements: Mapping[str, Element]
) -> tuple[float, set[str]]:
    """The residual of all elements together, or those that change the outputs, one by one.

    A product of independent random elements leaves the outputs alone only if each does.

    Returns:
        The largest residual of those that hold, and the keys of those that fail.
    """
    together = residual(function, theta, list(elements.values())) if elements else 0.0
    if together <= TOLERANCE:
        return together, set()
    each = {key: residual(function, theta, [e]) for key, e in elements.items()}
    failed = {key for key, r in each.items() if not r <= TOLERANCE}
    return max((r for key, r in each.items() if key not in failed), default=0.0), failed
