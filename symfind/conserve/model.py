"""The records of conservation laws, in the key order of the JSON."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from symfind.report.codec import encode

SCHEMA = "symfind.conserved/1"


@dataclass(frozen=True)
class Law:
    """The conserved quantities of one family of generators.

    Attributes:
        factor: id of the factor of the report that they come from.
        tensors: on which they depend.
        text: `|W1[i,:]|² − |W2[:,i]|²`, with the names of the tensors.
        latex: the same, without dollar signs.
        range: over what the formula runs, `each i of 4`.
        functions: dimension of the space of quantities, constants aside.
        independent: how many are independent of those before at generic weights; None where only
            functions were counted.
        form: `linear`, `quadratic`, or `general` (known by its gradient).
        drift: largest relative change along a gradient flow, None where that was not run.
        control: the same for random quadratics on the same tensors.
    """

    factor: str
    tensors: tuple[str, ...]
    text: str
    latex: str
    range: str
    functions: int
    independent: int | None
    form: Literal["linear", "quadratic", "general"]
    drift: float | None = None
    control: float | None = None


@dataclass(frozen=True)
class Split:
    """One factor of the symmetry: how many of its dimensions are gradients.

    Attributes:
        factor: id in the report.
        group: the group at one site.
        algebra: its Lie algebra at one site.
        sites: number of copies.
        dimension: over all sites.
        laws: conserved quantities that come from it, over all sites; None where that is open.
    """

    factor: str
    group: str
    algebra: str
    sites: int
    dimension: int
    laws: int | None


@dataclass(frozen=True)
class FlowCheck:
    """What was measured along a gradient flow of a random loss.

    Attributes:
        status: `conserved`, `violated` (a law changed), or `skipped`.
        drift: the largest relative change of a law.
        control: the smallest relative change of the random quadratics beside them.
        moved: distance travelled, relative to the norm of the parameters.
        gradients: how many were evaluated.
        reason: why it was skipped.
    """

    status: Literal["conserved", "violated", "skipped"]
    drift: float | None = None
    control: float | None = None
    moved: float | None = None
    gradients: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class ClosureCheck:
    """The number of laws counted a second time, by the Lie algebra of the gradients.

    Attributes:
        status: `complete` (no law was missed), `incomplete`, `undetermined` or `skipped`.
        laws: parameters minus `dimension`: how many there are.
        dimension: of the Lie algebra that the gradients generate, at a generic point.
        levels: dimension of the span of brackets up to length 1, 2, …
        gap: log10 of the singular values on either side of the last cut.
        reason: why it was skipped or is undetermined.
    """

    status: Literal["complete", "incomplete", "undetermined", "skipped"]
    laws: int | None = None
    dimension: int | None = None
    levels: tuple[int, ...] = ()
    gap: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Drift:
    """What became of one law under discrete steps.

    Attributes:
        factor: id of the factor that it comes from.
        text: as in the law.
        steps: how many.
        measured: the largest change of its functions, relative to their size.
        predicted: the same by the exact recursion; None where there is none.
        error: the largest difference of both at any step, relative.
    """

    factor: str
    text: str
    steps: int
    measured: float
    predicted: float | None
    error: float | None


@dataclass(frozen=True)
class Conserved:
    """The conservation laws of the gradient flow of any loss of a model's outputs.

    Attributes:
        model: its class name.
        spec: what was asked for.
        output: "raw" or "softmax": of what the loss is a function.
        parameters: trainable scalars, shared ones counted once.
        redundant: dimensions of the symmetry, derived.
        nullity: the same, measured; None where it was not.
        count: number of independent laws that were found.
        counted: `model`: by the rank of their gradients; `twin`: functions, each family classified
            on a model of the same form with small sizes.
        laws: one for each family of generators that has any.
        splits: one for each factor of the symmetry.
        open: factors whose laws were not determined; `count` leaves them out.
        flow: the check along a gradient flow.
        closure: the check of the number.
        verification: of the generators, as in the report.
        steps: what becomes of the laws under discrete steps; None where none were asked for.
    """

    model: str
    spec: str
    output: Literal["raw", "softmax"]
    parameters: int
    redundant: int
    nullity: int | None
    count: int
    counted: Literal["model", "twin"]
    laws: tuple[Law, ...]
    splits: tuple[Split, ...]
    open: tuple[str, ...]
    flow: FlowCheck
    closure: ClosureCheck
    verification: str
    steps: tuple[Drift, ...] | None = field(default=None, metadata={"omit_none": True})

    @property
    def is_complete(self) -> bool:
        """Whether the second count says that no law was missed."""
        return self.closure.status == "complete"

    @property
    def lawless(self) -> int:
        """Dimensions of the symmetry (measured where it was) that give no law."""
        return (self.redundant if self.nullity is None else self.nullity) - self.count

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, keys in the documented order."""
        return {"schema": SCHEMA, **encode(self), "lawless": self.lawless}

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
