"""On which coordinates a transformation acts: one axis, jointly for all items, or everything."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.transforms.oracle import Oracle, Values

Act = Literal["last-axis", "whole"] | int


@dataclass(frozen=True)
class Place:
    """One input that is moved.

    Attributes:
        at: which of the varied inputs it is.
        name: for people.
        axis: of one sample, along which fields act; None for all entries.
        shape: of one sample.
        pair: whether it is complex: real and imaginary parts are coordinates.
    """

    at: int
    name: str
    axis: int | None
    shape: torch.Size
    pair: bool

    @property
    def size(self) -> int:
        """How many coordinates there are along the axis, or in all."""
        entries = self.shape.numel() if self.axis is None else self.shape[self.axis]
        return entries * (1 + self.pair)

    @property
    def items(self) -> int:
        """How many rows of coordinates."""
        return 1 if self.axis is None else self.shape.numel() // self.shape[self.axis]


@dataclass(frozen=True)
class Action:
    """Vector fields on R^n that act on all items alike: X ⊗ 1.

    Attributes:
        act: as it was asked for.
        places: the inputs that are moved.
    """

    act: Act
    places: tuple[Place, ...]

    @property
    def size(self) -> int:
        """The number n of coordinates."""
        sizes = [place.size for place in self.places]
        return sum(sizes) if self.act == "whole" else sizes[0]

    @property
    def items(self) -> int:
        """How many items are moved in one sample."""
        return 1 if self.act == "whole" else sum(place.items for place in self.places)

    def coordinates(self, values: Values) -> Tensor:
        """Coordinates of every item, [samples, items, n]."""
        rows = [_rows(values[place.at], place.axis) for place in self.places]
        return torch.cat(rows, 2 if self.act == "whole" else 1)

    def moved(self, values: Values, coordinates: Tensor) -> list[Tensor]:
        """The inputs where these are the coordinates."""
        whole = self.act == "whole"
        widths = [place.size if whole else place.items for place in self.places]
        result = list(values)
        for place, part in zip(
            self.places, coordinates.split(widths, 2 if whole else 1), strict=True
        ):
            result[place.at] = _unrows(part, place)
        return result


def action(oracle: Oracle, act: Act) -> Action:
    """How fields act on the moved inputs of a function.

    Raises:
        InputError: there is no such axis, it numbers samples, or the inputs differ along it.
    """
    places = []
    for at, (key, value) in enumerate(zip(oracle.varied, oracle.example, strict=True)):
        if oracle.moved[at]:
            name, shape = oracle.names[key], value.shape[1:]
            axis = _axis(name, shape, act, oracle.batched)
            places.append(Place(at, name, axis, shape, value.is_complex()))
    if act != "whole" and len({place.size for place in places}) > 1:
        spelled = ", ".join(f"{place.name} {place.size}" for place in places)
        raise InputError(
            f"one action cannot move inputs that differ along this axis ({spelled}): choose some "
            "of them (--on NAME), or act on the whole"
        )
    return Action(act, tuple(places))


def _axis(name: str, shape: torch.Size, act: Act, batched: bool) -> int | None:
    """The axis of one sample."""
    if act == "whole" or not shape:
        return None
    if act == "last-axis":
        return len(shape) - 1
    rank = len(shape) + batched
    if not isinstance(act, int) or not -rank <= act < rank:
        raise InputError(f"input {name!r} has {rank} axes, and none is {act}")
    axis = act % rank - batched
    if axis < 0:
        raise InputError(
            f"axis {act} of input {name!r} numbers samples that the function treats one by one: "
            "act on another axis"
        )
    return axis


def _rows(value: Tensor, axis: int | None) -> Tensor:
    if axis is None:
        flat = value.reshape(len(value), 1, -1)
    else:
        moved = value.movedim(axis + 1, -1)
        flat = moved.reshape(len(value), -1, moved.shape[-1])
    return torch.cat([flat.real, flat.imag], -1) if flat.is_complex() else flat


def _unrows(rows: Tensor, place: Place) -> Tensor:
    if place.pair:
        real, imag = rows.chunk(2, -1)
        rows = torch.complex(real, imag)
    if place.axis is None:
        return rows.reshape(len(rows), *place.shape)
    rest = [n for i, n in enumerate(place.shape) if i != place.axis]
    whole = rows.reshape(len(rows), *rest, place.shape[place.axis])
    return whole.movedim(-1, place.axis + 1)
