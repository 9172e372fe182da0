"""The report: what an analysis found, as frozen records in the key order of the JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from symfind.action.bound import Recorded
from symfind.action.record import Action, Element, Record
from symfind.report.certificate import Certificate
from symfind.report.codec import IN_MEMORY, OMIT_NONE, ReportFormatError, decode, encode
from symfind.report.discrete import Discrete
from symfind.report.views import Views

if TYPE_CHECKING:
    from symfind.algebra.generator import Generator

SCHEMA = "symfind.report/1"

Kind = Literal["gauge", "scaling", "rotation", "shift", "reach", "parallel", "inert"]
_NAMED = 3  # tensors
KINDS: tuple[Kind, ...] = ("gauge", "scaling", "rotation", "shift", "reach", "parallel", "inert")


@dataclass(frozen=True)
class ModelInfo:
    """The model that was analysed.

    Attributes:
        name: class name.
        spec: what was asked for, `transformers:GPT2LMHeadModel`.
        inputs: input names to text such as `f32[8,3,224,224]`.
        mode: `eval` or `train`.
        tensors: number of scalars of each trainable tensor, by name; shared ones once.
    """

    name: str
    spec: str
    inputs: dict[str, str]
    mode: Literal["eval", "train"]
    tensors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dimension:
    """The counts.

    Attributes:
        parameters: trainable scalars, shared ones counted once.
        algebra: dimension of the Lie algebra that acts.
        symmetry: dimension of its generic orbit, at most `algebra`.
        inert: scalars on which the output does not depend.
        redundant: symmetry + inert.
        effective: parameters - redundant, the functional dimension if the report is complete.
        formula: `redundant` in closed form, in the names of `sizes`.
        sizes: the model's own sizes by name.
        checked: at how many other sizes of the model's family the formula gave what is derived
            there; absent where none were looked at.
        domain: conditions on the sizes, outside of which the formula is not always right.
        broke: other sizes with what is derived there, where no formula was right at all of them:
            `formula` is then the number at these sizes.
    """

    parameters: int
    algebra: int
    symmetry: int
    inert: int
    redundant: int
    effective: int
    formula: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    checked: int | None = field(default=None, metadata=OMIT_NONE)
    domain: str | None = field(default=None, metadata=OMIT_NONE)
    broke: tuple[dict[str, int], ...] | None = field(default=None, metadata=OMIT_NONE)

    def __post_init__(self) -> None:
        """Check the identities that define the derived counts.

        Raises:
            ValueError: the counts contradict each other.
        """
        if self.redundant != self.symmetry + self.inert:
            raise ValueError(
                f"redundant {self.redundant} is not symmetry {self.symmetry} + inert {self.inert}"
            )
        if self.effective != self.parameters - self.redundant:
            raise ValueError(
                f"effective {self.effective} is not parameters {self.parameters} - {self.redundant}"
            )

    @classmethod
    def of(
        cls,
        parameters: int,
        algebra: int,
        symmetry: int,
        inert: int = 0,
        formula: str = "",
        sizes: Mapping[str, int] = {},
    ) -> "Dimension":
        """Fill in `redundant` and `effective` from the counts that define them."""
        redundant = symmetry + inert
        return cls(
            parameters,
            algebra,
            symmetry,
            inert,
            redundant,
            parameters - redundant,
            formula,
            dict(sizes),
        )


@dataclass(frozen=True)
class GeneratorText:
    """How the generator acts: `W_Q -> A W_Q, W_K -> -A^T W_K`; `latex` has no dollar signs.

    `element` and `actions` are the record of the first place, of which both are printed.
    """

    text: str
    latex: str = ""
    element: Element | None = field(default=None, metadata=OMIT_NONE)
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Residual:
    """What verification measured: the generator, a random direction alike, the finite flow.

    `together` is the number of generators that were measured at once, of which this is the sum.
    """

    infinitesimal: float | None = None
    random: float | None = None
    finite: float | None = None
    together: int | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True)
class Place:
    """One layer's share of a factor: `sites` copies (heads, say), each of `dimension`.

    `record` is the number of the factor's record by which it acts, and `tensors` are the names that
    stand here for those of that record.
    """

    id: str
    parameters: tuple[str, ...] = ()
    axes: str = ""
    dimension: int = 0
    sites: int = 1
    record: int | None = field(default=None, metadata=OMIT_NONE)
    tensors: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Dimension of the factor at this place."""
        return self.sites * self.dimension


@dataclass(frozen=True, repr=False)
class Factor:
    """One group with one role, wherever the model repeats it.

    Attributes:
        id: first site and role, `transformer.h.0.attn:query-key`; unique in the report.
        kind: one of `KINDS`.
        group: the group at one site, `GL(64, R)`.
        algebra: its Lie algebra, `gl(64)`.
        sites: number of copies (layers x heads).
        dimension: dimension at one site.
        total: dimension over all sites.
        formula: `total` in closed form.
        parameters: every tensor that it moves, over all sites.
        generator: how it acts.
        source: where the literature describes it, empty if unknown.
        residual: what verification measured, None if it was skipped.
        module: common module path of the sites, `transformer.h.*.attn`.
        axes: the axes of the tensors on which it acts.
        places: the sites layer by layer.
        site: where it acts, in words: the role of the wire, who writes it and who reads it.
        spread: how many places there are, and of how many heads or channels: `12 layers × 12
            heads`; absent where that says nothing.
        records: how it acts, as data: all ways that differ in more than names of tensors.
        generators: objects that apply it to weights, one for each place. Not serialised: what is
            read from JSON makes them from the records.
        origin: `discovery` where no rule derives it; absent where one does.
    """

    id: str
    kind: Kind
    group: str
    algebra: str
    sites: int
    dimension: int
    total: int
    formula: str
    parameters: tuple[str, ...]
    generator: GeneratorText
    source: str = ""
    residual: Residual | None = None
    module: str = ""
    axes: str = ""
    places: tuple[Place, ...] = ()
    site: str = ""
    records: tuple[Record, ...] = ()
    generators: tuple["Generator", ...] = field(
        default=(), repr=False, compare=False, metadata=IN_MEMORY
    )
    origin: Literal["discovery"] | None = field(default=None, metadata=OMIT_NONE)
    spread: str | None = field(default=None, metadata=OMIT_NONE)

    def __repr__(self) -> str:
        """What and where, in a line."""
        return f"<{self.group} x {self.sites:,} ({self.kind}, {self.total:,}) at {self.place}>"

    @property
    def place(self) -> str:
        """Where it acts, in words: the site, how many there are; else the tensors that move."""
        if self.site:
            return self.site + (f" ({self.spread})" if self.spread else "")
        _, colon, role = self.id.partition(":")
        if "*" in self.module:
            return f"{self.module}{colon}{role}"
        if self.origin == "discovery":
            more = f", … {len(self.parameters)} in all" if len(self.parameters) > _NAMED else ""
            return ", ".join(self.parameters[:_NAMED]) + more
        others = len(self.places) - 1
        return f"{self.id} and {others:,} more" if others > 0 else self.id

    def recorded(self) -> tuple[Recorded, ...]:
        """Generators that act as the records say, one for each place."""
        made = []
        for i, place in enumerate(self.places):
            if place.record is not None and place.record < len(self.records):
                record = self.records[place.record]
                names = dict(zip(record.names, place.tensors, strict=True))
                made.append(Recorded(f"{self.id}@{i}", record.renamed(names)))
        return tuple(made)


@dataclass(frozen=True)
class Unsupported:
    """An operation without a rule, the nodes where it occurs, and what was assumed there."""

    op: str
    nodes: tuple[str, ...] = ()
    effect: str = "rigid"


@dataclass(frozen=True)
class Absent:
    """A group that almost exists: nothing but diagonals of the model stands against it.

    `because` says what does, `restores` what would undo that.
    """

    group: str
    site: str
    because: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    """How the generators fared on the model; `failed` lists the factors that left the totals.

    `points` says at how many random points they were checked, `inputs` on which inputs, where
    these are shorter than those of the model. `on` holds the arguments of another model of the
    family on which they were checked, where the model is too large, with its number of
    `parameters`.
    """

    status: Literal["verified", "failed", "skipped"]
    device: str | None = None
    dtype: str | None = None
    worst: float | None = None
    failed: tuple[Factor, ...] = ()
    reason: str = ""
    points: int | None = field(default=None, metadata=OMIT_NONE)
    inputs: dict[str, str] | None = field(default=None, metadata=OMIT_NONE)
    on: dict[str, int] | None = field(default=None, metadata=OMIT_NONE)
    parameters: int | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True)
class Timing:
    """Seconds per stage; a stage that did not run has no key."""

    load: float | None = field(default=None, metadata=OMIT_NONE)
    trace: float | None = field(default=None, metadata=OMIT_NONE)
    solve: float | None = field(default=None, metadata=OMIT_NONE)
    verify: float | None = field(default=None, metadata=OMIT_NONE)
    certify: float | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True)
class Versions:
    """What produced the report."""

    symfind: str
    torch: str


@dataclass(frozen=True, repr=False)
class Report(Views):
    """Everything that one analysis found."""

    model: ModelInfo
    output: Literal["raw", "softmax"]
    dimension: Dimension
    factors: tuple[Factor, ...]
    approximate: tuple[Factor, ...]
    discrete: tuple[Discrete, ...]
    unsupported: tuple[Unsupported, ...]
    certificate: Certificate
    verification: Verification
    timing: Timing
    versions: Versions
    absent: tuple[Absent, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the certificate says that all that was measured to be null is derived."""
        return self.certificate.status == "complete"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, keys in the documented order."""
        return {"schema": SCHEMA, **encode(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Report":
        """Read back what `to_dict` wrote; unknown keys are ignored.

        Raises:
            ReportFormatError: not a report of this schema; the message names the key at fault.
        """
        found = data.get("schema") if isinstance(data, Mapping) else None
        if found != SCHEMA:
            raise ReportFormatError(f"report.schema: expected {SCHEMA!r}, found {found!r}")
        return decode(cls, data)._alive()

    def _alive(self) -> "Report":
        """The same, with generators that are made from the records."""

        def alive(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
            return tuple(
                f if f.generators else replace(f, generators=f.recorded()) for f in factors
            )

        failed = replace(self.verification, failed=alive(self.verification.failed))
        return replace(
            self, factors=alive(self.factors), approximate=alive(self.approximate),
            verification=failed,
        )  # fmt: skip

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read back what `to_json` wrote.

        Raises:
            ReportFormatError: not JSON, or not a report of this schema.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReportFormatError(f"report: not JSON: {error}") from error
        return cls.from_dict(data)

    def without_timing(self) -> "Report":
        """Return the part that two runs with one seed share."""
        return replace(self, timing=Timing())
