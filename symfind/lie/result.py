"""What identification returns."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from symfind.lie.closure import Closed
from symfind.lie.generators import fractions
from symfind.lie.linear import Array


@dataclass(frozen=True)
class Part:
    """An ideal or a subalgebra, by name.

    Attributes:
        name: as in `sl(3,R)`.
        latex: the same, without dollar signs.
        dimension: real.
        kind: simple, reductive, abelian, nilpotent, solvable, semidirect or semisimple.
        aliases: other names of the same algebra.
        basis: float rows in the coordinates of an orthonormal basis of the algebra, [d, k].
    """

    name: str
    latex: str
    dimension: int
    kind: str
    aliases: tuple[str, ...] = ()
    basis: Array | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Identification:
    """Which Lie algebra some generators span.

    Attributes:
        name: the direct sum of the names of `summands`.
        latex: the same, without dollar signs.
        aliases: other names of the same abstract algebra.
        dimension: over the reals.
        closed: whether the given generators span it; False if brackets had to be added.
        exact: whether the generators are rational; then all dimensions and the signature are exact.
        noise: relative error that float generators are credited with; 0 if exact.
        centre: dimension of the centre.
        derived_series: dimensions of g, [g, g], … until it stands still.
        lower_central_series: dimensions of g, [g, g], [g, [g, g]], … until it stands still.
        killing_signature: numbers of positive, negative and zero squares of the Killing form.
        radical: the largest solvable ideal.
        levi: a semisimple subalgebra that complements it.
        ideals: the simple ideals of `levi`.
        summands: direct summands that cannot be split further, but for abelian and reductive ones
            that go by one name, as gl(n,R) does.
        basis: the basis that `structure` refers to: the given generators where they are
            independent, an array [k, n, n] or components of vector fields.
    """

    name: str
    latex: str
    aliases: tuple[str, ...]
    dimension: int
    closed: bool
    exact: bool
    noise: float
    centre: int
    derived_series: tuple[int, ...]
    lower_central_series: tuple[int, ...]
    killing_signature: tuple[int, int, int]
    radical: Part
    levi: Part
    ideals: tuple[Part, ...]
    summands: tuple[Part, ...]
    basis: Any = field(repr=False, compare=False)
    source: Closed = field(repr=False, compare=False)

    @property
    def abelian(self) -> bool:
        """Whether all brackets are zero."""
        return self.centre == self.dimension

    @property
    def nilpotent(self) -> bool:
        """Whether the lower central series reaches zero."""
        return self.lower_central_series[-1] == 0

    @property
    def solvable(self) -> bool:
        """Whether the derived series reaches zero."""
        return self.derived_series[-1] == 0

    @property
    def semisimple(self) -> bool:
        """Whether there is no solvable ideal."""
        return self.radical.dimension == 0

    @cached_property
    def structure(self) -> Array:
        """Structure constants on `basis`, [k, k, k]: fractions if exact, else floats.

        The bracket of elements i and j is the sum over l of `structure[i, j, l]` times element l.
        """
        constants = self.source.structure()
        return fractions(constants) if self.exact else constants

    def __str__(self) -> str:
        """A table for reading."""
        positive, negative, zero = self.killing_signature
        lines = [
            ("algebra", self.name),
            ("also", ", ".join(self.aliases)),
            ("dimension", str(self.dimension)),
            ("is", self._kind()),
            ("summands", ", ".join(f"{p.name} [{p.dimension}]" for p in self.summands)),
            ("simple ideals", ", ".join(p.name for p in self.ideals)),
            ("Levi part", self._part(self.levi)),
            ("radical", self._part(self.radical)),
            ("centre", str(self.centre)),
            ("derived series", " > ".join(map(str, self.derived_series))),
            ("lower central series", " > ".join(map(str, self.lower_central_series))),
            ("Killing form", f"{positive} positive, {negative} negative, {zero} zero"),
            ("arithmetic", "exact" if self.exact else f"floating point, noise {self.noise:.0e}"),
        ]
        if not self.closed:
            lines.append(("closure", f"{self.source.added} brackets were added"))
        return "\n".join(f"{head:<21} {text}" for head, text in lines if text)

    def _kind(self) -> str:
        if self.abelian:
            return "abelian"
        if self.nilpotent:
            return "nilpotent"
        if self.solvable:
            return "solvable"
        if self.semisimple:
            return "simple" if len(self.ideals) == 1 else "semisimple"
        reductive = self.radical.dimension == self.centre
        return "reductive" if reductive else "neither solvable nor semisimple"

    @staticmethod
    def _part(part: Part) -> str:
        return f"{part.name} [{part.dimension}]" if part.dimension else ""
