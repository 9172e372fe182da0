"""What is found of a finite group, in the key order of the JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from symfind.report.codec import IN_MEMORY, encode

SCHEMA = "symfind.equivariance/1"


@dataclass(frozen=True)
class TensorPart:
    """One tensor under the group.

    Attributes:
        name: of the parameter.
        shape: its shape.
        moves: `turned` along a grid, `mixed` along other axes, `both`, or `-`.
        size: number of entries.
        free: dimension of what stays in place.
    """

    name: str
    shape: tuple[int, ...]
    moves: str
    size: int
    free: int


@dataclass(frozen=True)
class Equivariance:
    """A function under a finite group.

    Attributes:
        function: its name.
        spec: what was asked for.
        group: its name.
        order: its number of elements.
        acts: how it acts on the input.
        kind: of f at its own weights: `invariant`, `equivariant` or `neither`.
        how: the output moves, or does so best.
        representation: at the output, by its irreducible parts; empty where f is neither.
        residuals: change of the output beyond that, relative to its spread, by element.
        reason: why no action on parameters is known.
        action: how much f_gθ(g x) and ρ(g) f_θ(x) differ at random θ; None without an action.
        tensors: the action on each parameter.
        parameters: trainable scalars.
        free: those of the equivariant network.
        symmetrised: the largest residual at the averaged weights.
        weights: the averaged weights, by name.
    """

    function: str
    spec: str
    group: str
    order: int
    acts: str
    kind: Literal["invariant", "equivariant", "neither"]
    how: str
    representation: str
    residuals: tuple[float, ...]
    reason: str
    action: float | None = None
    tensors: tuple[TensorPart, ...] = ()
    parameters: int = 0
    free: int | None = None
    symmetrised: float | None = None
    weights: Mapping[str, Tensor] = field(
        default_factory=dict, repr=False, compare=False, metadata=IN_MEMORY
    )

    @property
    def worst(self) -> float:
        """The largest residual."""
        return max(self.residuals)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, keys in the documented order."""
        return {"schema": SCHEMA, **encode(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """The JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
