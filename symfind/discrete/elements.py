"""Elements of the discrete group, and whether the model's outputs see them.

A finite group G acts by what is derived; the elements that leave the outputs alone are a subgroup
H. If H is not all of G, then H misses one of any set that generates G, and at least half of all
elements. So the elements tried are two that generate a symmetric group, whatever its degree (a
transposition and a cycle of full length), or all signs at once, and some that are drawn uniformly:
a symmetric group alone is rejected for certain where it is not a symmetry, a product of many with
probability 1 - |H/G|^drawn, which is 1 - 2^-drawn at least.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from symfind.discrete.spec import PermutationSpec
from symfind.discrete.tensors import Permutation
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family
from symfind.verify import Function

TOLERANCE = 1e-9
DRAWN, DRAWN_OF_LARGE = 16, 1  # uniform elements, and those of functions that take time
LARGE = 10_000_000  # parameters
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


def drawn(function: Function) -> int:
    """How many uniform elements are tried on a function."""
    return DRAWN if function.count <= LARGE else DRAWN_OF_LARGE


# permutations ------------------------------------------------------------------------------
def permute(spec: PermutationSpec, names: Sequence[str], rng: torch.Generator) -> Permute:
    """Random permutations of some names, never all of them trivial."""
    perms = [spec.perms[name] for name in names]
    found = {p.name: _uniform(p, rng) for p in perms}
    if not any(_moves(index) for index in found.values()):
        found |= {p.name: _cycles(p, rng)[0] for p in perms[:1]}
    return Permute(spec, found)


def permutations(
    spec: PermutationSpec, names: Sequence[str], count: int, rng: torch.Generator
) -> Iterator[Permute]:
    """A transposition and a full cycle in every copy, which generate it, and `count` others."""
    pairs = {name: _cycles(spec.perms[name], rng) for name in names}
    for at in range(2):
        yield Permute(spec, {name: pair[at] for name, pair in pairs.items()})
    for _ in range(count):
        yield permute(spec, names, rng)


def _uniform(p: Permutation, rng: torch.Generator) -> Tensor:
    """One in every copy: [*copies, size]."""
    return torch.rand(*p.copies, p.size, generator=rng, dtype=torch.float64).argsort(-1)


def _cycles(p: Permutation, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(s0 s1) and (s0 s1 ... sn) for a random order s of every copy: they generate S_n."""
    order = _uniform(p, rng)
    swapped = order.clone()
    swapped[..., :2] = order[..., :2].flip(-1)
    return tuple(torch.empty_like(order).scatter(-1, order, to)
                 for to in (swapped, order.roll(-1, -1)))  # type: ignore[return-value]  # fmt: skip


def _moves(index: Tensor) -> bool:
    return not torch.equal(index, torch.arange(index.shape[-1]).expand(index.shape))


# signs and reflections -----------------------------------------------------------------------
def involution(family: Family, rng: torch.Generator) -> Involution:
    """Random signs, never all of them trivial."""
    bits = torch.randint(2, (family.count(),), generator=rng)
    bits[int(torch.randint(len(bits), (1,), generator=rng))] = 1
    return Involution(family, bits.to(torch.float64))


def involutions(family: Family, count: int, rng: torch.Generator) -> Iterator[Involution]:
    """All at once, every second one and the rest, and `count` random ones."""
    ones = torch.ones(family.count(), dtype=torch.float64)
    half = ones.clone()
    half[1::2] = 0.0
    yield from (Involution(family, bits) for bits in (ones, half))
    for _ in range(count):
        yield involution(family, rng)


# on the model --------------------------------------------------------------------------------
def residual(function: Function, theta: Theta, elements: Sequence[Element]) -> float:
    """How much the product of some elements changes the outputs, relative to their size."""
    return _change(function, theta, elements, function(theta))


def _change(function: Function, theta: Theta, elements: Sequence[Element], before: Tensor) -> float:
    for element in elements:
        theta = {**theta, **element(theta)}
    after = function(theta)
    return float((after - before).norm() / before.norm().clamp_min(1e-300))


def failing(
    function: Function, theta: Theta, elements: Mapping[str, Sequence[Element]]
) -> tuple[float, set[str]]:
    """The residual of all groups together, or those that change the outputs, one by one.

    Args:
        function: the model.
        theta: a point.
        elements: by group, as many for each. Those of one round are applied one after another,
            for a product of independent ones leaves the outputs alone only if each does.

    Returns:
        The largest residual of groups that hold, and the keys of those that fail.
    """
    if not elements:
        return 0.0, set()
    before = function(theta)
    left, worst = dict(elements), 0.0
    for at in range(max(map(len, elements.values()), default=0)):
        together = _change(function, theta, [e[at] for e in left.values()], before)
        if not together <= TOLERANCE:
            each = {key: _change(function, theta, [e[at]], before) for key, e in left.items()}
            left = {key: e for key, e in left.items() if each[key] <= TOLERANCE}
            together = max((each[key] for key in left), default=0.0)
        worst = max(worst, together)
    return worst, set(elements) - set(left)
