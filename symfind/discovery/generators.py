"""Generators as they are found: monomials with exact coefficients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from symfind.discovery.equation import Unknowns
from symfind.discovery.monomials import Monomial, Theta
from symfind.discovery.rationalise import Coefficient, fraction
from symfind.report.codec import IN_MEMORY

_STEPS = 16  # of an integration


@dataclass(frozen=True)
class Term:
    """The change of one tensor by one block of fields.

    Attributes:
        tensor: what moves.
        text: how, with `{}` where the coefficients go: `{} 0.weight` for a matrix from the left.
        shape: of the coefficients.
        coefficients: those that are not zero, by index `"0,1"`, as fractions in text, or as numbers
            where no fraction was recognised.
        monomial: the block of fields.
    """

    tensor: str
    text: str
    shape: tuple[int, ...]
    coefficients: dict[str, Any]
    monomial: Monomial = field(metadata=IN_MEMORY, compare=False, repr=False)

    def values(self) -> Tensor:
        """The coefficients as a tensor."""
        return self._dense

    @cached_property
    def _dense(self) -> Tensor:
        dense = torch.zeros(self.shape, dtype=torch.float64)
        for place, value in self.coefficients.items():
            index = tuple(int(i) for i in place.split(",")) if place else ()
            dense[index] = float(Fraction(value)) if isinstance(value, str) else value
        return dense


@dataclass(frozen=True)
class Discovered:
    """A generator: one vector field on the parameters that leaves the function as it is.

    It has the methods of `symfind.algebra.generator.Generator`, so that `symfind.verify.verify`
    takes it.

    Attributes:
        id: unique in a discovery.
        text: how it acts, in words.
        exact: whether every coefficient was recognised as a fraction.
        residual: derivative of the output along it, over that along a random direction of the same
            norm on the same tensors, at points that were not used to find it.
        terms: what moves, and how.
    """

    id: str
    text: str
    exact: bool
    residual: float
    terms: tuple[Term, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the tensors that move."""
        return tuple(dict.fromkeys(term.tensor for term in self.terms))

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random multiple: one number."""
        return torch.randn(1, generator=rng, dtype=torch.float64)

    def direction(self, theta: Theta, c: Tensor) -> dict[str, Tensor]:
        """The vector field at theta, times the number `c`."""
        moves: dict[str, Tensor] = {}
        for term in self.terms:
            change = float(c) * term.monomial.push(term.values(), theta)
            moves[term.tensor] = moves[term.tensor] + change if term.tensor in moves else change
        return moves

    def flow(self, theta: Theta, c: Tensor, t: float) -> dict[str, Tensor]:
        """Parameters after time t."""
        return self.along(theta, c, [t * (i + 1) / _STEPS for i in range(_STEPS)])[-1]

    def along(self, theta: Theta, c: Tensor, times: Sequence[float]) -> list[dict[str, Tensor]]:
        """What moves, at times one after another, the first of them near zero.

        By the Runge-Kutta method of order four, with a step from each to the next.
        """
        moving = self.parameters
        if not any(s.name in moving for term in self.terms for s, _ in term.monomial.factors):
            change = self.direction(theta, c)  # the same everywhere on the way
            return [{name: theta[name] + t * d for name, d in change.items()} for t in times]
        here, before, found = dict(theta), 0.0, []
        for t in times:
            h, before = t - before, t
            here.update(self._step(here, c, h))
            found.append({name: here[name] for name in moving})
        return found

    def _step(self, here: Theta, c: Tensor, h: float) -> dict[str, Tensor]:
        def moved(change: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
            return {**here, **{k: here[k] + scale * d for k, d in change.items()}}

        k1 = self.direction(here, c)
        k2 = self.direction(moved(k1, h / 2), c)
        k3 = self.direction(moved(k2, h / 2), c)
        k4 = self.direction(moved(k3, h), c)
        return {k: here[k] + h * (k1[k] + 2 * k2[k] + 2 * k3[k] + k4[k]) / 6 for k in k1}


def terms_of(row: Tensor, unknowns: Unknowns, exact: bool) -> tuple[Term, ...]:
    """The terms of one combination of all fields, [fields]."""
    starts = [0]
    for block in unknowns.blocks:
        starts.append(starts[-1] + block.count)
    edges = torch.tensor(starts[1:])
    entries: dict[int, dict[str, Any]] = {}
    for place in row.nonzero().flatten().tolist():
        number = int(torch.searchsorted(edges, place, right=True))
        block = unknowns.blocks[number]
        index = torch.unravel_index(torch.tensor(place - starts[number]), block.sizes)
        value: Coefficient = fraction(float(row[place])) if exact else float(row[place])
        name = ",".join(str(int(i)) for i in index) if block.sizes else ""
        entries.setdefault(number, {})[name] = str(value) if exact else value
    return tuple(
        Term(b.target, b.text, b.sizes, entries[number], b)
        for number, b in enumerate(unknowns.blocks)
        if number in entries
    )


def combination(generators: Sequence[Discovered], rng: torch.Generator) -> Discovered:
    """A random combination of generators, as one vector field."""
    weights = torch.randn(len(generators), generator=rng, dtype=torch.float64)
    merged: dict[tuple[str, str, tuple[int, ...]], tuple[Tensor, Term]] = {}
    for weight, generator in zip(weights, generators, strict=True):
        for term in generator.terms:
            key = (term.tensor, term.text, term.shape)
            values = weight * term.values()
            merged[key] = (merged[key][0] + values if key in merged else values, term)
    terms = tuple(
        Term(term.tensor, term.text, term.shape, _entries(values), term.monomial)
        for values, term in merged.values()
    )
    return Discovered("all", "", False, 0.0, terms)


def _entries(values: Tensor) -> dict[str, Any]:
    places = values.nonzero().tolist() if values.ndim else [[]]
    return {",".join(map(str, place)): float(values[tuple(place)]) for place in places}


def moves(generators: Sequence[Discovered], theta: Theta, slices: Mapping[str, slice]) -> Tensor:
    """The vector fields at a point as columns, [parameters, generators].

    Args:
        generators: the fields.
        theta: the point.
        slices: where each tensor is.
    """
    size = max((place.stop for place in slices.values()), default=0)
    columns = torch.zeros(size, len(generators), dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    for i, generator in enumerate(generators):
        for name, change in generator.direction(theta, one).items():
            columns[slices[name], i] = change.reshape(-1)
    return columns
