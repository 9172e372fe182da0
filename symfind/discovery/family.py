"""Generators of one kind as one family: a linear space of vector fields that acts on weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.algebra.integrate import followed
from symfind.discovery.generators import Discovered
from symfind.discovery.monomials import Monomial, Theta
from symfind.discovery.words import pattern

_TERMS = 60  # of the series of an exponential, at most
_NEGLIGIBLE = 1e-17  # of what has been added up


class Acting(ABC):
    """A linear space of fields, each a sum of monomials, ready to act on parameters by name.

    It has the methods of `symfind.algebra.generator.Generator`.
    """

    id: str

    @property
    @abstractmethod
    def monomials(self) -> tuple[Monomial, ...]:
        """The blocks of fields."""

    @abstractmethod
    def mixed(self, c: Tensor) -> list[tuple[Monomial, Tensor]]:
        """Every monomial with the coefficients that an element has in it."""

    @abstractmethod
    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random element."""

    @abstractmethod
    def elements(self) -> Iterator[Tensor]:
        """Coefficients of elements that span the space."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Of the space."""

    @property
    @abstractmethod
    def text(self) -> str:
        """How it acts."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the tensors that move."""
        return tuple(dict.fromkeys(block.target for block in self.monomials))

    def direction(self, theta: Theta, c: Tensor) -> dict[str, Tensor]:
        """The vector field at theta: changes of the tensors that move, in their shapes."""
        return _pushed(self.mixed(c), theta)

    def flow(self, theta: Theta, c: Tensor, t: float) -> dict[str, Tensor]:
        """Where the field leads in time t, or to where it ends before."""
        return self.way(theta, c, t)[0]

    def way(self, theta: Theta, c: Tensor, t: float) -> tuple[dict[str, Tensor], float]:
        """The same, and for what part of the time: a series, where the field is affine."""
        mixed = self.mixed(c)
        if all(block.degree is not None for block, _ in mixed):
            return self._series(theta, mixed, t), 1.0
        return followed(lambda here: _pushed(mixed, here), theta, t)

    def _series(
        self, theta: Theta, mixed: Sequence[tuple[Monomial, Tensor]], t: float
    ) -> dict[str, Tensor]:
        """Taylor's series of the flow of an affine field."""
        linear = [one for one in mixed if one[0].degree == 1]
        change = {n: t * d for n, d in _pushed(mixed, theta).items()}
        here = {name: theta[name] + d for name, d in change.items()}
        for k in range(2, _TERMS):
            # what does not move has no part in the next term
            still = {n: torch.zeros_like(v) for n, v in theta.items() if n not in change}
            change = {n: d * (t / k) for n, d in _pushed(linear, {**still, **change}).items()}
            here = {n: here[n] + change[n] if n in change else v for n, v in here.items()}
            sizes = [(d.detach().norm(), here[n].detach().norm()) for n, d in change.items()]
            if all(float(d) <= _NEGLIGIBLE * float(size) for d, size in sizes):
                break
        return here


@dataclass(frozen=True)
class FoundFamily(Acting):
    """Fields of one kind, as they were found.

    Attributes:
        id: unique name.
        fields: linearly independent ones.
    """

    id: str
    fields: tuple[Discovered, ...]

    @cached_property
    def blocks(self) -> tuple[tuple[Monomial, Tensor], ...]:
        """Every monomial with the coefficients that the fields have in it, [fields, *sizes]."""
        found: dict[tuple[str, str, tuple[int, ...]], tuple[Monomial, Tensor]] = {}
        for i, one in enumerate(self.fields):
            for term in one.terms:
                key = (term.tensor, term.text, term.shape)
                if key not in found:
                    none = torch.zeros(len(self.fields), *term.shape, dtype=torch.float64)
                    found[key] = (term.monomial, none)
                found[key][1][i] += term.values()
        return tuple(found.values())

    @property
    def monomials(self) -> tuple[Monomial, ...]:
        """The blocks of fields."""
        return tuple(block for block, _ in self.blocks)

    @property
    def dimension(self) -> int:
        """Number of fields."""
        return len(self.fields)

    @property
    def text(self) -> str:
        """How the fields act, whatever their coefficients."""
        return pattern(self.fields[0].terms)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random element, shape [fields]."""
        n = len(self.fields)
        return torch.randn(n, generator=rng, dtype=torch.float64) / n**0.5

    def elements(self) -> Iterator[Tensor]:
        """One field after the other."""
        yield from torch.eye(len(self.fields), dtype=torch.float64)

    def mixed(self, c: Tensor) -> list[tuple[Monomial, Tensor]]:
        """Every monomial with the coefficients that a combination of the fields has in it."""
        return [(block, torch.tensordot(c.to(basis), basis, 1)) for block, basis in self.blocks]


def _pushed(mixed: Sequence[tuple[Monomial, Tensor]], theta: Theta) -> dict[str, Tensor]:
    moves: dict[str, Tensor] = {}
    for block, values in mixed:
        change = block.push(values, theta)
        name = block.target
        moves[name] = moves[name] + change if name in moves else change
    return moves


def columns_of(families: Sequence[Acting], theta: Theta, slices: Mapping[str, slice]) -> Tensor:
    """Elements that span all families, at a point as columns, [parameters, elements]."""
    size = max((place.stop for place in slices.values()), default=0)
    columns = []
    for family in families:
        for c in family.elements():
            column = torch.zeros(size, dtype=torch.float64)
            for name, change in family.direction(theta, c).items():
                column[slices[name]] = change.reshape(-1)
            columns.append(column)
    return torch.stack(columns, 1) if columns else torch.zeros(size, 0, dtype=torch.float64)
