"""What an element of the group is a product of: flows, matrices, signs and permutations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.orbit.group import Group, State
from symfind.solve.families.family import MatrixFamily


class Step(Protocol):
    """One factor of an element."""

    @property
    def site(self) -> str: ...  # noqa: D102

    def __call__(self, group: Group, state: State) -> dict[str, Tensor]:
        """New values of the tensors that it moves."""
        ...

    def inverse(self) -> "Step":
        """What takes it back."""
        ...

    def after(self, other: "Step") -> "Step | None":
        """The product with one that is applied before, None where it is not of this form."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...


@dataclass(frozen=True)
class Flow:
    """exp of an element of one algebra: coefficients [dimension]."""

    site: str
    coefficients: Tensor = field(repr=False)

    def __call__(self, group: Group, state: State) -> dict[str, Tensor]:
        """Follow the flow for unit time."""
        return group.flow(group.site(self.site).family, state, self.coefficients)

    def inverse(self) -> "Flow":
        """The flow backwards."""
        return Flow(self.site, -self.coefficients)

    def after(self, other: Step) -> "Step | None":
        """Nothing: algebras need not commute with themselves."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Coefficients."""
        return {"site": self.site, "kind": "flow", "values": self.coefficients.tolist()}


@dataclass(frozen=True)
class Turn:
    """A matrix of a matrix group, for every copy: [*copies, n, n]; any component of the group."""

    site: str
    matrix: Tensor = field(repr=False)

    def __call__(self, group: Group, state: State) -> dict[str, Tensor]:
        """Members by the matrix, dual ones by its inverse transpose."""
        family = group.site(self.site).family
        if not isinstance(family, MatrixFamily):
            raise InputError(f"{self.site} is no matrix group")
        env = group.environment(state)
        back = torch.linalg.inv(self.matrix).transpose(-1, -2)
        values = family.transform(env, self.matrix, back)
        return group.moved(family, state, values)

    def inverse(self) -> "Turn":
        """By the inverse matrices."""
        return Turn(self.site, torch.linalg.inv(self.matrix))

    def after(self, other: Step) -> "Step | None":
        """The product of matrices at one site."""
        if isinstance(other, Turn) and other.site == self.site:
            return Turn(self.site, self.matrix @ other.matrix)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Matrices."""
        return {"site": self.site, "kind": "matrix", "values": self.matrix.tolist()}


@dataclass(frozen=True)
class Flip:
    """Changes of sign: bits [dimension]."""

    site: str
    bits: Tensor = field(repr=False)

    def __call__(self, group: Group, state: State) -> dict[str, Tensor]:
        """Times −1 where the bit is one."""
        if self.site not in group.signs:
            raise InputError(f"there are no signs {self.site!r}")
        return group.point(state).flow(group.signs[self.site], self.bits, 1.0)

    def inverse(self) -> "Flip":
        """Itself."""
        return self

    def after(self, other: Step) -> "Step | None":
        """Bits add modulo two."""
        if isinstance(other, Flip) and other.site == self.site:
            return Flip(self.site, (self.bits + other.bits) % 2)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Bits."""
        return {"site": self.site, "kind": "signs", "values": self.bits.tolist()}


@dataclass(frozen=True)
class Permute:
    """A permutation of one index: new[i] = old[index[i]], for every copy [*copies, n]."""

    site: str
    index: Tensor = field(repr=False)

    def __call__(self, group: Group, state: State) -> dict[str, Tensor]:
        """Parameters and batch statistics, permuted."""
        if self.site not in group.spec.perms:
            raise InputError(f"there is no permutation {self.site!r}")
        moved = group.spec.acts_on(self.site)
        chosen = {n: v for n, v in state.items() if n in moved}
        return group.spec.apply(chosen, {self.site: self.index})

    def inverse(self) -> "Permute":
        """The inverse permutation."""
        return Permute(self.site, self.index.argsort(-1))

    def after(self, other: Step) -> "Step | None":
        """The composed index."""
        if isinstance(other, Permute) and other.site == self.site:
            return Permute(self.site, other.index.gather(-1, self.index))
        return None

    def to_dict(self) -> dict[str, Any]:
        """Index vectors."""
        return {"site": self.site, "kind": "permutation", "values": self.index.tolist()}


def step_of(data: Mapping[str, Any], group: Group) -> Step:
    """A step that was written by `to_dict`, checked against the group.

    Raises:
        InputError: it is none, or does not fit the group.
    """
    try:
        site, kind, values = str(data["site"]), str(data["kind"]), data["values"]
        real = torch.tensor(values, dtype=torch.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"no step of an element: {error}") from error
    if kind == "flow":
        _fits(site, real, (group.site(site).family.count(),))
        return Flow(site, real)
    if kind == "matrix":
        _fits(site, real, shape_of(group, site))
        return Turn(site, real)
    if kind == "signs" and site in group.signs:
        _fits(site, real, (group.signs[site].count(),))
        return Flip(site, real)
    if kind == "permutation" and site in group.spec.perms:
        perm = group.spec.perms[site]
        _fits(site, real, (*perm.copies, perm.size))
        return Permute(site, real.long())
    raise InputError(f"the group has no {kind} at {site!r}")


def shape_of(group: Group, site: str) -> tuple[int, ...]:
    """Of the matrices at a site: [*copies, n, n].

    Raises:
        InputError: it is no matrix group.
    """
    family = group.site(site).family
    if not isinstance(family, MatrixFamily):
        raise InputError(f"{site} is a {family.kind}, which takes no matrix")
    return (*(a.size for a in family.indexed), family.axis.size, family.axis.size)


def _fits(site: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape) != shape:
        raise InputError(f"{site}: values of shape {tuple(values.shape)}, not {shape}")
