"""Whether anything was missed: the measured null space, and what no rule explains of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from symfind.report.codec import OMIT_NONE


@dataclass(frozen=True)
class NullEntry:
    """One entry of a null vector: of which tensor, at which index."""

    tensor: str
    index: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class NullVector:
    """A null vector of unit norm: how many entries it has, and the largest of them."""

    nonzero: int
    entries: tuple[NullEntry, ...]


NullKind = Literal["structural", "filling", "inputs", "point", "piecewise"]


@dataclass(frozen=True)
class NullSet:
    """Null directions that no derived one explains, by the fewest tensors that carry them.

    Attributes:
        kind: `structural` (as many at all points that were measured), `filling` (because there
            are more parameters than functions), `inputs` (seen by other inputs than those like
            the given ones), `point` (points disagree), `piecewise` (derivatives are zero, and the
            function jumps along finite steps: no symmetries).
        dimension: how many.
        tensors: that carry them; no fewer do.
        linear: how many are explained by a linear action on these tensors; None if not looked at.
        words: a sentence on what they are.
        vectors: a few of a sparse basis.
    """

    kind: NullKind
    dimension: int
    tensors: tuple[str, ...]
    linear: int | None = None
    words: str = ""
    vectors: tuple[NullVector, ...] = ()


@dataclass(frozen=True)
class FoundField:
    """A kind of vector field that no rule derives, and that leaves the function as it is.

    It was found as a solution of the linearised invariance equation.

    Attributes:
        text: how it acts, `w.weight -> A w.weight, r.weight -> r.weight A`, A for any coefficients
            that the generators have.
        example: one of the generators, with its coefficients.
        generators: how many there are.
        dimension: what they add to the derived directions and to the kinds before them.
        parameters: the tensors that move.
        exact: whether all coefficients are fractions.
        residual: the largest derivative of the output along one of them, at fresh points, relative
            to that along a random direction alike.
        counted: how many of the dimensions are part of the totals: those that stood all trials on
            the model.
    """

    text: str
    example: str
    generators: int
    dimension: int
    parameters: tuple[str, ...]
    exact: bool
    residual: float
    counted: int = 0


@dataclass(frozen=True)
class TwinMeasure:
    """One small twin: its sizes, what was measured on it, and the model's formula there."""

    sizes: Mapping[str, int]
    parameters: int
    nullity: int | None
    redundant: int
    gap: tuple[float | None, float | None] | None = None


@dataclass(frozen=True)
class Certificate:
    """The measured null space against the derived directions.

    Attributes:
        status: `complete`, `incomplete`, `undetermined` or `skipped`.
        method: how the nullity was measured, `jacobian`.
        on: `model` or `twin`.
        parameters: trainable scalars of what was measured.
        nullity: the smallest over the points.
        redundant: the derived count at the sizes of what was measured.
        unexplained: nullity - redundant.
        gap: log10 of the singular values on either side of the cut.
        points: nullity at each random point.
        unexplained_support: the tensors that carry the unexplained directions.
        reason: why it was skipped or is undetermined.
        known: how many derived directions were seen to be null and independent where it was
            measured; None where there was no measurement.
        saturation: (rows, rank) while rows were added, at the point of the smallest nullity.
        at: nullity at the points that were asked for: `generic`, `init`, `weights`.
        unexplained_sets: the unexplained directions by the fewest tensors that carry them.
        words: what this says, a sentence on every line.
        twins: every twin that was measured, the one of the numbers above last.
        members: of every twin that was made anew as the model is, the arguments and lengths of
            inputs that differ; empty where twins are the model's graph at other sizes.
        discovered: vector fields that explain some of the unexplained directions; absent where
            nothing was unexplained, or it was not looked for them.
    """

    status: Literal["complete", "incomplete", "undetermined", "skipped"]
    method: str | None = None
    on: str | None = None
    parameters: int | None = None
    nullity: int | None = None
    redundant: int | None = None
    unexplained: int | None = None
    gap: tuple[float | None, float | None] | None = None
    points: tuple[int, ...] = ()
    unexplained_support: tuple[str, ...] = ()
    reason: str = ""
    known: int | None = None
    saturation: tuple[tuple[int, int], ...] = ()
    at: dict[str, int] = field(default_factory=dict)
    unexplained_sets: tuple[NullSet, ...] = ()
    words: str = ""
    twins: tuple[TwinMeasure, ...] = ()
    members: tuple[Mapping[str, int], ...] = ()
    discovered: tuple[FoundField, ...] | None = field(default=None, metadata=OMIT_NONE)
