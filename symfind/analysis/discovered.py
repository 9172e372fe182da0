"""What no rule derives, and is found all the same: discovery on what a measurement leaves over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.analysis.subject import Subject
from symfind.count.rank import rank
from symfind.numerics.spans import beyond_span, span
from symfind.report.certificate import FoundField
from symfind.report.words import CHANGES
from symfind.verify import Function, Nullity

if TYPE_CHECKING:
    from symfind.analysis.found import Trials
    from symfind.discovery.check import Basis
    from symfind.discovery.factor import FoundFactor
    from symfind.discovery.family import FoundFamily
    from symfind.discovery.patterns import Pattern

_SHOWN = 4  # kinds of fields that are spelled out in a sentence


@dataclass(frozen=True)
class Look:
    """The outcome of a discovery on what is unexplained.

    Attributes:
        fields: the kinds of vector fields that add to the derived ones; None where none were
            looked for.
        counted: families that stood all trials on the model.
        counting: their directions where the nullity was measured, [parameters, number].
        directions: those of all that was found, [parameters, number].
        all: whether everything was looked at.
        reason: why it was not looked for any.
    """

    fields: tuple[FoundField, ...] | None
    counted: tuple["FoundFactor", ...]
    counting: Tensor
    directions: Tensor
    all: bool
    reason: str = ""

    @property
    def dimension(self) -> int:
        """How many of the unexplained directions are explained, and count."""
        return sum(one.orbit for one in self.counted)

    def beside(self, measured: Nullity) -> Nullity:
        """The measurement, with what counts among the known directions."""
        assert measured.directions is not None and measured.beyond is not None
        known = span(measured.directions)
        more = beyond_span(span(self.counting.to(known)), known)
        every = torch.cat([known, more], 1)
        return replace(
            measured,
            known=measured.known + more.shape[1],
            directions=torch.cat([measured.directions, more], 1),
            beyond=beyond_span(span(measured.beyond), every),
        )

    def sentence(self, unexplained: int) -> str:
        """In words, with how many directions there were to explain."""
        if self.fields is None:
            return self.reason
        more = "" if self.all else " Not all was looked at: --discover looks further."
        more *= self.dimension < unexplained
        if not self.fields:
            return f"Discovery found no vector field that explains any of them.{more}"
        words = _counted(self.fields, self.dimension, unexplained) + _doubtful(self.fields)
        return " ".join(words) + more


def _counted(fields: Sequence[FoundField], dimension: int, unexplained: int) -> list[str]:
    counted = [f"{f.counted:,} by {f.text}" for f in fields if f.counted]
    if not counted:
        return []
    return [
        f"Found by discovery, without a rule: {dimension:,} of the {unexplained:,} that no rule "
        f"derives, with these fields: {_some(counted)}. {CHANGES}. They stood derivatives, and "
        "flows far enough to cross kinks, at several points of the model itself, and are in the "
        "totals."
    ]


def _doubtful(fields: Sequence[FoundField]) -> list[str]:
    rest = [f"{f.dimension - f.counted:,} by {f.text}" for f in fields if f.dimension > f.counted]
    if not rest:
        return []
    return [
        f"Found and not counted: {_some(rest)}; null at the points and on the inputs where it was "
        "looked, and not at others, on others, or along longer flows."
    ]


def _some(shown: list[str]) -> str:
    rest = len(shown) - _SHOWN
    return "; ".join(shown[:_SHOWN] + ([f"others by {rest:,} more kinds of fields"] * (rest > 0)))


def not_looked(function: Function, reason: str) -> Look:
    """No discovery, and why."""
    none = torch.zeros(function.count, 0, dtype=torch.float64)
    return Look(None, (), none, none, False, reason)


def look_beyond(
    subject: Subject, function: Function, measured: Nullity, approximate: Tensor | None = None
) -> Look:
    """Run discovery on what a measurement shows beyond the derived directions.

    Args:
        subject: the model; it says whether to look further than a few seconds allow.
        function: the same.
        measured: with directions beyond the known ones.
        approximate: directions that only an eps keeps from being null, [parameters, number]; what
            is a combination of them is not looked for.
    """
    # discovery compares itself with an analysis, and so imports it
    from symfind.analysis.found import Trials
    from symfind.discovery.beyond import beyond

    if not subject.discovery:
        return not_looked(function, "Discovery was switched off.")
    subject.tell("looking for vector fields that no rule gives")
    assert measured.directions is not None
    if approximate is not None:
        measured = replace(measured, directions=torch.cat([measured.directions, approximate], 1))
    found = beyond(
        function, measured, subject.fresh(), subject.seed, subject.discover, subject.tell
    )
    if found is None:
        return not_looked(
            function,
            "Discovery did not look at them, the model being large for it: --discover does.",
        )
    basis, everything = found
    kinds = [k for k in sorted(basis.patterns, key=lambda k: k.degree) if k.dimension]
    subject.tell(f"trying {len(kinds)} kinds of fields on the model")
    return _weighed(function, measured, basis, kinds, Trials(subject, function), everything)


def _weighed(
    function: Function,
    measured: Nullity,
    basis: "Basis",
    kinds: Sequence["Pattern"],
    trials: "Trials",
    everything: bool,
) -> Look:
    """What each kind of fields adds, the simplest first, and which of them stand."""
    from symfind.discovery.factor import FoundFactor
    from symfind.discovery.family import FoundFamily, columns_of
    from symfind.discovery.samples import places

    slices, by_id = places(function, function.names), {g.id: g for g in basis.generators}
    theta, known = measured.theta, measured.directions
    assert theta is not None and known is not None
    found, null = [], _null_space(measured)
    for i, kind in enumerate(kinds):
        alone = [FoundFamily(f"found-{i}", (by_id[name],)) for name in kind.generators]
        fields = [one.fields[0] for one in alone if _within(columns_of([one], theta, slices), null)]
        found += [(kind, FoundFamily(f"found-{i}", tuple(fields)))] if fields else []
    families = [family for _, family in found]
    tried = {one.family.id: one for one in trials.standing(families)}
    every, standing = _Rank(known), _Rank(known)
    counted: list[FoundFactor] = []
    shown: list[FoundField] = []
    for kind, family in found:
        dimension = every.beside(columns_of([family], theta, slices))
        own, more = tried.get(family.id), 0
        if own is not None:
            more = standing.beside(columns_of([own.family], theta, slices))
            counted += [FoundFactor(own.family, more, own.residual)] if more else []
        shown.append(_field(kind, family, max(dimension, more), more))
    return Look(
        tuple(f for f in shown if f.dimension),
        tuple(counted),
        columns_of([one.family for one in counted], theta, slices),
        columns_of(families, theta, slices),
        everything,
    )


def _field(kind: "Pattern", family: "FoundFamily", dimension: int, counted: int) -> FoundField:
    return FoundField(
        text=kind.text,
        example=kind.example,
        generators=kind.count,
        dimension=dimension,
        parameters=family.parameters,
        exact=all(g.exact for g in family.fields),
        residual=max(g.residual for g in family.fields),
        counted=counted,
    )


def looked_at_on_twins(function: Function, more: bool) -> bool:
    """Whether a model is too large to be looked at itself, without being asked to (`more`)."""
    from symfind.discovery.beyond import MOST_PARAMETERS

    return function.count > MOST_PARAMETERS and not more


def look_on_twins(function: Function, measured: Nullity, families: Sequence["FoundFactor"]) -> Look:
    """What families that were found on twins, and stand on the model, add to a measurement of it.

    Args:
        function: the model.
        measured: with directions beyond the known ones.
        families: tried on the model already.
    """
    from symfind.discovery.family import columns_of
    from symfind.discovery.samples import places

    slices = places(function, function.names)
    theta, known = measured.theta, measured.directions
    assert theta is not None and known is not None
    standing, counted, fields = _Rank(known), [], []
    null = _null_space(measured)
    for one in families:
        own = columns_of([one.family], theta, slices)
        more = standing.beside(own) if _within(own, null) else 0
        if not more:
            continue
        counted.append(replace(one, orbit=more, formula=one.formula if more == one.orbit else None))
        fields.append(FoundField(
            text=one.family.text,
            example=one.family.text,
            generators=one.algebra,
            dimension=more,
            parameters=one.family.parameters,
            exact=True,
            residual=one.residual.infinitesimal or 0.0,
            counted=more,
        ))  # fmt: skip
    columns = columns_of([one.family for one in counted], theta, slices)
    return Look(tuple(fields), tuple(counted), columns, columns, False)


def _null_space(measured: Nullity) -> Tensor:
    """Orthonormal columns of what is null where it was measured."""
    assert measured.null is not None
    return span(measured.null)


def _within(columns: Tensor, null: Tensor) -> bool:
    """Whether columns are null where the nullity was measured, as a symmetry is everywhere.

    What is derived from other rows may have missed it: where some outputs are a billion times as
    large as others, nothing else is seen.
    """
    return not beyond_span(span(columns), null.to(columns)).shape[1]


class _Rank:
    """How many dimensions columns add, one batch after another, to known ones."""

    def __init__(self, known: Tensor) -> None:
        self.seen, self.rank = known, rank(known)

    def beside(self, columns: Tensor) -> int:
        self.seen = torch.cat([self.seen, columns], 1)
        before, self.rank = self.rank, rank(self.seen)
        return self.rank - before
