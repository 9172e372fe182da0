"""What is found of the transformations of an input, in the key order of the JSON."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from symfind.lie import Identification
from symfind.report.codec import IN_MEMORY, encode
from symfind.transforms.fields import Dictionary

SCHEMA = "symfind.inputs/1"

Source = Literal["rules", "discovery", "measured", "data"]


@dataclass(frozen=True)
class Generator:
    """One field X with ∇f(x)·X(x) = 0.

    Attributes:
        text: `x1 ∂0 - x0 ∂1`, the field as a differential operator.
        matrix: how it acts on x, or on (x, 1) where there are constants; empty for degree two.
        source: how it is known: derived by `rules`, or found by `discovery` with exact
            coefficients, or `measured` alone, as the others are too, or from `data`.
        defect: root mean square of the cosine between ∇f and X at points that it was not found at.
        bound: what the defect does not exceed with a confidence of 95 %; None without data.
        moved: how far exp(tX) moved inputs, relative to their size; None where it was not applied.
        residual: how much it changed the outputs, relative to a random displacement as long.
        coefficients: of the components by monomials, [n, monomials].
    """

    text: str
    matrix: list[list[float]]
    source: Source
    defect: float
    bound: float | None = None
    moved: float | None = None
    residual: float | None = None
    coefficients: Tensor = field(
        default_factory=lambda: torch.zeros(0), repr=False, compare=False, metadata=IN_MEMORY
    )


@dataclass(frozen=True)
class Found:
    """The continuous transformations of the input that leave a function unchanged.

    Attributes:
        function: its name.
        spec: what was asked for.
        inputs: the inputs that are moved, with their axes.
        act: `last-axis`, `whole`, or an axis.
        size: number of coordinates on which the fields act.
        items: how many items of one sample they move alike.
        fields: what was searched.
        status: `found`, or `undetermined` where a rank has no clear gap or a flow failed.
        reason: why it is undetermined.
        algebra: its name; `0` where there is none, empty where it could not be named.
        named: how many generators the name is of, the last ones; the others do not close with them.
        aliases: other names.
        dimension: of all fields that solve the equation, trivial ones included.
        trivial: those of them whose values are blind directions, of which f says nothing.
        generators: a basis of the others; brackets close on it.
        blind: directions that f does not depend on, [count, n].
        defect: the largest of the generators.
        points: samples at which the equation was stacked.
        gap: log10 of the singular values at both sides of the decision.
        sources: how many of the generators are known by rules, by discovery, and by measurement.
        rules: why rules derived nothing, where they could not be asked.
        notes: what was taken for granted.
        spectrum: from data, the root mean squares of the cosines, from the smallest.
        identification: the algebra with its structure.
    """

    function: str
    spec: str
    inputs: tuple[str, ...]
    act: str
    size: int
    items: int
    fields: str
    status: Literal["found", "undetermined"]
    reason: str
    algebra: str
    named: int
    aliases: tuple[str, ...]
    dimension: int
    trivial: int
    generators: tuple[Generator, ...]
    blind: tuple[tuple[float, ...], ...]
    defect: float
    points: int
    gap: tuple[float, float]
    sources: dict[str, int]
    rules: str
    notes: tuple[str, ...] = ()
    spectrum: tuple[float, ...] = ()
    identification: Identification | None = field(
        default=None, repr=False, compare=False, metadata=IN_MEMORY
    )
    dictionary: Dictionary | None = field(
        default=None, repr=False, compare=False, metadata=IN_MEMORY
    )

    @property
    def action(self) -> str:
        """On what the generators act, in words."""
        if self.act == "whole":
            return f"R^{self.size}, all entries of one sample"
        where = "the last axis" if self.act == "last-axis" else f"axis {self.act}"
        alike = f", alike for {self.items} items" if self.items > 1 else ""
        return f"R^{self.size}, {where}{alike}"

    @property
    def matrices(self) -> Tensor:
        """The affine generators as they act on x, or on (x, 1), [k, n, n] or [k, n+1, n+1]."""
        found = [g.matrix for g in self.generators if g.matrix]
        side = len(found[0]) if found else self.size
        return torch.tensor(found, dtype=torch.float64).reshape(-1, side, side)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, keys in the documented order."""
        return {"schema": SCHEMA, **encode(self), "action": self.action}

    def to_json(self, indent: int | None = 2) -> str:
        """The JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
