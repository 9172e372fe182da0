"""A generator as data: what its coefficients are, and how it acts on every tensor that it moves.

Text, LaTeX, JSON and exports are printed from these records, and a record that was read back from
JSON can be applied to a checkpoint, without the model from which it was derived.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from symfind.action.program import Program

if TYPE_CHECKING:
    from torch import Tensor

    Weights = Mapping[str, Tensor]

OMIT_NONE = {"omit_none": True}  # as `symfind.report.codec` reads it

Pairs = tuple[tuple[int, int], ...]
Role = Literal["acted", "copy", "alike"]


@dataclass(frozen=True)
class Element:
    """What a point of the algebra is, and of the group.

    Attributes:
        kind: `matrix` (acts by multiplication), `scale` (positive numbers), `shift` (something
            added), or `field` (coefficients of vector fields that the record holds as expressions).
        algebra: of a matrix: `general`, `orthogonal`, `stabiliser` (skew, zero on the all-ones
            vector), `affine-stabiliser` (zero on the all-ones vector from both sides), `complex`
            (commutes with rotations of `pairs`), `rotations` (skew as well),
            `columns` (equal rows, 1 κᵀ).
        size: n of n x n matrices, else 1.
        copies: there is one matrix, scale or number for every value of these indices.
        dimension: number of coefficients.
        pairs: coordinates (i, j) that rotate into each other; a matrix commutes with that.
        ties: of scales, for every index in `copies`, pairs of values with equal scales.
        constraints: what elements of the group obey, in words.
    """

    kind: Literal["matrix", "scale", "shift", "field"]
    algebra: str = ""
    size: int = 1
    copies: tuple[int, ...] = ()
    dimension: int = 1
    pairs: Pairs = ()
    ties: tuple[Pairs, ...] = ()
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """An index of a block of a tensor: entry i of it lies `stride` times i further along `dim`.

    Attributes:
        dim: dimension of the tensor.
        size: number of values.
        stride: step along the dimension.
        role: the element is multiplied along an `acted` one, has a `copy` for every value of it,
            or treats all of its values `alike` (the query heads that share a key head).
        copy: which index of the element's copies.
    """

    dim: int
    size: int
    stride: int
    role: Role = "alike"
    copy: int = -1


@dataclass(frozen=True)
class Block:
    """Entries of a tensor: along every dimension `offsets` plus what the indices add.

    Where the entries along a dimension are in no such order, `orders` lists their positions, in
    row-major order of the indices in it.
    """

    offsets: tuple[int, ...]
    indices: tuple[Index, ...] = ()
    orders: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """A number, or an expression in tensors of the checkpoint.

    Attributes:
        text: how it is written.
        number: where it is one.
        program: what computes `value`.
    """

    text: str = ""
    number: float | None = field(default=None, metadata=OMIT_NONE)
    program: Program | None = field(default=None, metadata=OMIT_NONE)

    def at(self, weights: "Weights") -> "Tensor | float":
        """The value at given weights."""
        if self.program is None:
            return self.number or 0.0
        return self.program.run(weights)["value"]


@dataclass(frozen=True)
class Gain:
    """A diagonal that stands between the element and the tensor, to a power."""

    value: Value
    exponent: int


@dataclass(frozen=True)
class Action:
    """What happens to one block of one tensor.

    Attributes:
        tensor: its name in the checkpoint.
        shape: its shape.
        act: `multiply` by the matrix along the acted index, `scale` by the number to a power,
            `add` the number; `follow` what its origin does, or move as the record's expressions
            say (`field`).
        block: the entries.
        side: of a matrix that is multiplied: `left`, or `right` by the transpose of what is said
            here; empty for tensors that are none.
        dual: whether the inverse transpose of the element acts.
        exponent: of a scale.
        gains: the element is conjugated with the product of these diagonals, G A G^-1.
        origin: what acts is the tensor minus this: gains 1 + g have the origin -1.
    """

    tensor: str
    shape: tuple[int, ...]
    act: Literal["multiply", "scale", "add", "follow", "field"]
    block: Block | None = field(default=None, metadata=OMIT_NONE)
    side: Literal["", "left", "right"] = ""
    dual: bool = False
    exponent: float = 1.0
    gains: tuple[Gain, ...] = ()
    origin: Value | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True)
class Record:
    """A family of generators, all of whose elements act on the same tensors in the same way.

    Attributes:
        element: what the coefficients are.
        actions: on every tensor.
        change: the vector field for coefficients `c`, where actions do not say it.
        flow: the tensors after time one, where following the field is not enough.
        motion: `exact` (the group acts as its actions say, or its fields are constant along
            themselves) or `followed` (the field is followed in small steps).
        missing: why the record cannot be applied without the model; empty where it can.
    """

    element: Element
    actions: tuple[Action, ...]
    change: Program | None = field(default=None, metadata=OMIT_NONE)
    flow: Program | None = field(default=None, metadata=OMIT_NONE)
    motion: Literal["exact", "followed"] = "exact"
    missing: str = ""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors that move, in order."""
        return tuple(dict.fromkeys(a.tensor for a in self.actions))

    @property
    def names(self) -> tuple[str, ...]:
        """All tensors of which the record speaks, those first that move."""
        programs = [self.change, self.flow]
        for a in self.actions:
            programs += [v.program for v in (a.origin, *(g.value for g in a.gains)) if v]
        read = (name for p in programs if p for name in p.reads)
        return tuple(dict.fromkeys((*self.tensors, *read)))

    def renamed(self, names: "Mapping[str, str]") -> "Record":
        """The same action on tensors with other names."""
        actions = tuple(_renamed(a, names) for a in self.actions)
        programs = [p and p.renamed(names) for p in (self.change, self.flow)]
        return replace(self, actions=actions, change=programs[0], flow=programs[1])

    def direction(self, weights: "Weights", c: "Tensor") -> "dict[str, Tensor]":
        """The vector field at given weights, linear in the coefficients.

        Args:
            weights: parameters and buffers by name.
            c: coefficients, shape [element.dimension].

        Raises:
            InputError: the record cannot be applied without the model, or a tensor is missing.
        """
        from symfind.action.apply import direction

        return direction(self, weights, c)

    def apply(self, weights: "Weights", c: "Tensor", t: float = 1.0) -> "dict[str, Tensor]":
        """The tensors that move, after the group element exp(t c) has acted.

        Args:
            weights: parameters and buffers by name.
            c: coefficients, shape [element.dimension].
            t: time.

        Raises:
            InputError: the record cannot be applied without the model, or a tensor is missing.
        """
        from symfind.action.apply import apply

        return apply(self, weights, c, t)

    def act(self, weights: "Weights", element: "Tensor") -> "dict[str, Tensor]":
        """The tensors that move, after a given element of the group has acted.

        Args:
            weights: parameters and buffers by name.
            element: matrices [*copies, n, n], or positive scales [*copies]; one of them for all
                copies where they have none of these dimensions.

        Raises:
            InputError: the element breaks a constraint; the message names it.
        """
        from symfind.action.apply import act

        return act(self, weights, element)


def _renamed(action: Action, names: "Mapping[str, str]") -> Action:
    return replace(
        action,
        tensor=names.get(action.tensor, action.tensor),
        gains=tuple(replace(g, value=_spoken(g.value, names)) for g in action.gains),
        origin=action.origin and _spoken(action.origin, names),
    )


def _spoken(value: Value, names: "Mapping[str, str]") -> Value:
    """A value with other names, in its text as well."""
    if value.program is None:
        return value
    text = value.text
    if text in names:
        text = names[text]
    return replace(value, text=text, program=value.program.renamed(names))
