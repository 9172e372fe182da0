"""The outcome of a discovery."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from symfind.discovery.compare import Comparison
from symfind.discovery.generators import Discovered
from symfind.discovery.patterns import Pattern
from symfind.report.codec import encode

SCHEMA = "symfind.discovery/1"

Status = Literal["complete", "incomplete", "undetermined"]


@dataclass(frozen=True)
class Discovery:
    """Symmetries found without rules, as solutions of the linearised invariance equation.

    Attributes:
        model: class name.
        spec: what was asked for.
        parameters: trainable scalars.
        nullity: the measured one, if it could be.
        dimension: of the span of all generators at a generic point.
        status: "complete" where that is the nullity; "incomplete" where it is less; "undetermined"
            where one of them has no clear answer.
        reason: why it is undetermined.
        remainder: tensors that carry the null directions which no generator gives.
        fields: size of the largest dictionary that was solved over; tiers that added nothing are
            not in it.
        independent: those of them that are independent.
        points: random points at which the equation was stacked.
        gap: log10 of the singular values at the two sides of the decision, relative to the largest;
            the narrowest, where there were several.
        rejected: solutions that did not stand a check at fresh points.
        left_out: blocks of fields that there was no room for.
        patterns: the generators by kind.
        generators: a sparse basis of the solutions.
        comparison: with what the rules derive.
        searched: how often an equation was looked at: once for a small model, else once for each
            neighbourhood of a few tensors.
    """

    model: str
    spec: str
    parameters: int
    nullity: int | None
    dimension: int
    status: Status
    reason: str
    remainder: tuple[str, ...]
    fields: int
    independent: int
    points: int
    gap: tuple[float, float] | None
    rejected: int
    left_out: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    generators: tuple[Discovered, ...]
    comparison: Comparison
    searched: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, coefficients as fractions in text."""
        return {"schema": SCHEMA, **encode(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """The JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
