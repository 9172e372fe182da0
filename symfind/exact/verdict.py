"""An exact nullity against the symmetries that were derived."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from symfind.exact.nullity import ExactNullity
from symfind.report.words import plural

SCHEMA = "symfind.exact/1"


@dataclass(frozen=True)
class Verdict:
    """What an exact nullity says about a derivation.

    Attributes:
        name: of the model.
        output: "raw" or "softmax".
        mode: "eval" or "train".
        exact: the nullity.
        redundant: how many directions were derived.
    """

    name: str
    output: str
    mode: str
    exact: ExactNullity
    redundant: int

    @property
    def unexplained(self) -> int:
        """Null directions that no derived symmetry accounts for."""
        return self.exact.nullity - self.redundant

    @property
    def status(self) -> Literal["complete", "incomplete", "contradicted"]:
        """Contradicted: more was derived than there is room for."""
        if self.unexplained == 0:
            return "complete"
        return "incomplete" if self.unexplained > 0 else "contradicted"

    @property
    def sentence(self) -> str:
        """The status in words."""
        if self.status == "complete":
            return (
                "complete: every continuous symmetry was derived. That no more exist has no "
                "error probability: a minor of full size is not zero modulo p."
            )
        if self.status == "contradicted":
            return (
                "contradicted: more directions were derived than are null. At least one "
                "generator is wrong: `symfind analyze` verifies each."
            )
        where = " on the pieces that were met" if self.exact.pattern == "fixed" else ""
        return (
            f"incomplete: {plural(self.unexplained, 'null direction')} not derived{where}. That "
            f"there are fewer has a probability of {self.exact.error_bound:.0e} at most."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "schema": SCHEMA,
            "model": self.name,
            "output": self.output,
            "mode": self.mode,
            **self.exact.to_dict(),
            "redundant": self.redundant,
            "unexplained": self.unexplained,
            "status": self.status,
        }

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def table(self) -> str:
        """Text of 80 columns at most."""
        exact = self.exact
        pattern = "fixed by real points" if exact.pattern == "fixed" else "none"
        rows = [
            ("parameters", f"{exact.parameters:,}"),
            ("rank", f"{exact.rank:,}"),
            ("nullity (exact)", f"{exact.nullity:,}"),
            ("redundant (derived)", f"{self.redundant:,}"),
            ("unexplained", f"{self.unexplained:,}"),
            ("modulus", str(exact.prime)),
            ("inputs, rows", f"{exact.inputs:,}, {exact.rows:,}"),
            ("nullity at each point", ", ".join(str(n) for n in exact.points)),
            ("activation pattern", pattern),
            ("error probability", f"at most {exact.error_bound:.0e}" if exact.error_bound else "0"),
        ]
        lines = [f"{self.name} ({self.mode}, output {self.output})", ""]
        lines += [f"  {label:<24}{value}" for label, value in rows]
        return "\n".join([*lines, "", _wrapped(self.sentence)]) + "\n"


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 80)
