"""The certificate: whether the derived directions are all that the measurement sees."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.analysis.discovered import (
    Look,
    look_beyond,
    look_on_twins,
    looked_at_on_twins,
    not_looked,
)
from symfind.analysis.members import Explain, Members
from symfind.analysis.points import Values
from symfind.analysis.remainder import Remainder, sentences, some_of
from symfind.analysis.subject import Subject
from symfind.analysis.twins import ByTwins
from symfind.analysis.unseen import RAISED, sentence, set_apart
from symfind.budget import OutOfProcessorTime, OutOfTime, allowed, limited_processor
from symfind.count.null_directions import known_directions
from symfind.errors import InputError, SymfindError
from symfind.report.certificate import Certificate
from symfind.verify import Function, Nullity, measure_nullity, nullity_at
from symfind.verify.nullity import Draw, unmeasured

DENSE_PARAMETERS = 3000
MOST_PARAMETERS = 10_000
_GLANCES = 3  # at points of a small member, where one may be special
SECONDS = 60.0  # of the processor, where it is not asked for in any case,
_SHARE = 2 / 3  # or this part of the time that is allowed for it and verification


def certify_derived(
    found: Derived, subject: Subject, wanted: str, points: Mapping[str, Values]
) -> tuple[Certificate, Derived]:
    """Measure the nullity where that is possible, and hold the derived count against it.

    What no rule derives is looked for, and is counted where it stands.

    Args:
        found: what was derived.
        subject: the model.
        wanted: "auto", "always" or "never".
        points: what gives the values of the parameters at other points than random ones.

    Returns:
        The certificate, and what was derived with what discovery adds.
    """
    if wanted == "never":
        return Certificate("skipped", reason="not asked for"), found
    stage = _Stage(subject.tell)
    subject = replace(subject, tell=stage)
    seconds = max(SECONDS, _SHARE * (allowed() or 0.0))
    try:
        with limited_processor(seconds) if wanted == "auto" else nullcontext():
            return _certified(found, subject, wanted, points)
    except OutOfProcessorTime as error:
        words = f"{seconds:g} s of the processor were not enough; the last that was begun: {stage}"
        reason = "; ".join(line for line in (str(error), words) if line)
        return Certificate("undetermined", reason=reason), found
    except Exception as error:  # what was derived stands, whatever happens to its certificate
        reason = f"it could not be measured: {_reason(error)}"
        return Certificate("skipped", reason=reason), found


class _Stage:
    """Passes on what is being done, and keeps the last."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.last = tell, "the certificate"

    def __call__(self, text: str) -> None:
        self.last = text
        self.tell(text)

    def __str__(self) -> str:
        return self.last


def _reason(error: Exception) -> str:
    if isinstance(error, SymfindError):
        return str(error)
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _certified(
    found: Derived, subject: Subject, wanted: str, points: Mapping[str, Values]
) -> tuple[Certificate, Derived]:
    if not _small(found, wanted):
        return _elsewhere(found, subject)
    certification = _Certification(found, subject)
    return certification.certificate(points), certification.found


def _small(found: Derived, wanted: str) -> bool:
    """Whether a model is measured itself: where most directions are held, a larger one."""
    if wanted != "auto":
        return found.parameters <= MOST_PARAMETERS
    half_held = 2 * found.redundant >= found.parameters
    return found.parameters <= (DENSE_PARAMETERS * 4 // 3 if half_held else DENSE_PARAMETERS)


def _elsewhere(found: Derived, subject: Subject) -> tuple[Certificate, Derived]:
    """By small models that are made as this one is, else by its graph at small sizes.

    What small models show beyond what is derived is looked for on twins.
    """
    small, by_twins = Members(found, subject, _measured), ByTwins(found, subject)
    members = small.certificate(by_twins.easy)
    short = members.status == "incomplete" and subject.discovery
    if members.status in ("complete", "incomplete") and not short:
        return members, found
    try:
        twins, more = by_twins.certificate()
    except OutOfProcessorTime:
        if short:
            return members, found
        raise OutOfProcessorTime(members.reason) from None
    if short and not more.found:
        return members, found
    if twins.status in ("complete", "incomplete"):
        return twins, more
    if small.left:
        members = small.certificate()
        if members.status in ("complete", "incomplete"):
            return members, found
    last = members if twins.nullity is None else twins
    return replace(last, reason=f"{members.reason}; {twins.reason}"), more


def _measured(found: Derived, subject: Subject) -> tuple[Certificate, Explain | None]:
    # what is found on a member alone is no family of any size
    certification = _Certification(found, replace(subject, discovery=False), glances=_GLANCES)
    judged = certification.judgement()
    return judged, certification.explained if judged.status == "incomplete" else None


class _Certification:
    def __init__(self, found: Derived, subject: Subject, glances: int = 0) -> None:
        self.found, self.subject, self.glances = found, subject, glances
        self.raised: Function | None = None
        self.known = found.known()
        # approximate symmetries that a measurement cannot tell from exact ones
        self.unseen = self._none()

    def judgement(self) -> Certificate:
        """The measurement, held against the count, without a word on what is unexplained."""
        return self._judged(self._measurement)

    @cached_property
    def _measurement(self) -> Nullity:
        self.subject.tell("measuring the nullity")
        try:
            function, fresh = self.function, self.subject.fresh()  # which try the model themselves
        except OutOfTime:
            return unmeasured(self.found.parameters, "the time limit was reached")
        measured, self.unseen = self._exactly(self._measure(function, fresh))
        return self._with_eps(measured)

    def _measure(self, function: Function, fresh: Draw) -> Nullity:
        return measure_nullity(
            function, fresh, seed=self.subject.seed, known=self.known,
            progress=self.subject.tell, glances=self.glances,
        )  # fmt: skip

    def _with_eps(self, measured: Nullity) -> Nullity:
        """The measurement, with every eps raised where more is null, or hardly anything is."""
        left = (measured.nullity or 0) - self.found.redundant
        if self.raised or measured.nullity is None or not self.subject.guarded:
            return measured
        if (measured.status == "clear" and left <= 0) or self.subject.raised is None:
            return measured
        self.subject.tell("measuring again, with every eps raised")
        again = self._measure(self.subject.raised, self.subject.fresh())
        if again.nullity is None or again.nullity >= measured.nullity and again.status != "clear":
            return measured
        self.raised = self.function = self.subject.raised
        self.unseen = self._none()
        return again

    def certificate(self, points: Mapping[str, Values]) -> Certificate:
        """The measurement, what it leaves unexplained, and that at other points."""
        measured = self._measurement
        result = self._judged(measured)
        if measured.status != "clear":
            return result
        try:
            result = self._explained(result, measured)
            return self._elsewhere(result, points)
        except KeyboardInterrupt:
            return _cut(result, "interrupted before all was looked at")
        except OutOfTime:
            return _cut(result, "the time limit was reached before all was looked at")

    def explained(self) -> Certificate | None:
        """The judgement with what is unexplained; None where that was not seen in time."""
        try:
            return self._explained(self.judgement(), self._measurement)
        except OutOfTime:
            return None

    @cached_property
    def function(self) -> Function:
        """What is measured."""
        small = self.glances > 0  # of a family: any of its points will do
        raise_it = self.subject.guarded if small else self.subject.hidden
        self.raised = self.subject.raised if raise_it else None
        return self.raised or self.subject.function()

    def _none(self) -> Tensor:
        return torch.zeros(self.found.parameters, 0, dtype=torch.float64)

    def _exactly(self, measured: Nullity) -> tuple[Nullity, Tensor]:
        """Without what only an eps breaks, where that is too small to be seen."""
        families = [t.family for group in self.found.approximate for t in group.tallies]
        if not families or measured.theta is None or measured.beyond is None:
            return measured, self._none()
        if not measured.beyond.shape[1]:
            return measured, self._none()
        return set_apart(
            measured, known_directions(families, self.found.shapes, ())(measured.theta)
        )

    def _judged(self, measured: Nullity) -> Certificate:
        redundant = self.found.redundant
        common: dict[str, Any] = {
            "method": "jacobian",
            "on": "model",
            "parameters": self.found.parameters,
            "nullity": measured.nullity,
            "redundant": redundant,
            "unexplained": None if measured.nullity is None else measured.nullity - redundant,
            "gap": measured.gap,
            "points": measured.points,
            "known": measured.known if measured.nullity is not None else None,
            "saturation": measured.saturation,
            "at": {} if measured.nullity is None else {"generic": measured.nullity},
        }
        if measured.status == "undetermined" or measured.nullity is None:
            return Certificate("undetermined", reason=measured.reason, **common)
        if measured.nullity < redundant:
            return Certificate("undetermined", reason=_too_many(redundant, measured), **common)
        if measured.nullity > redundant:
            return Certificate("incomplete", **common)
        if measured.known < redundant:
            reason = (
                f"{redundant:,} directions were counted and as many are null, but those derived "
                f"span {measured.known:,} only"
            )
            return Certificate("undetermined", reason=reason, **common)
        return Certificate("complete", **common)

    def _explained(self, certificate: Certificate, measured: Nullity) -> Certificate:
        """Say what is special about points, and what is left unexplained."""
        words = [RAISED] if self.raised else []
        words += [sentence(self.unseen.shape[1])] if self.unseen.shape[1] else []
        more = [n for n in measured.points if n > (measured.nullity or 0)]
        if more:
            words.append(
                f"At {len(more)} of {len(measured.points)} random points up to "
                f"{max(more) - (measured.nullity or 0):,} more are null, as where units are "
                "dead or always on: special to these points, and not counted."
            )
        if certificate.status != "incomplete":
            return replace(certificate, words="\n".join(words))
        beyond = 0 if measured.beyond is None else measured.beyond.shape[1]
        counted = (certificate.unexplained or 0) - beyond
        if counted > 0:
            words.append(
                f"{counted:,} of the unexplained directions are derived, but were not counted."
            )
        if not beyond:
            return replace(certificate, words="\n".join(words))
        look = self._look(measured)
        words.append(look.sentence(beyond))
        certificate = replace(certificate, discovered=look.fields)
        if look.counted:
            self.found = self.found.with_found(look.counted)
            certificate, measured = self._with(certificate, measured, look)
        if not certificate.unexplained:
            return replace(certificate, words="\n".join(words))
        self.subject.tell("looking for what carries the unexplained directions")
        sets = Remainder(self.subject, self.function, measured, look.directions).sets()
        support = {name for one in sets for name in one.tensors}
        words = [*words[:-1], *sentences(sets), words[-1]]
        rigid = [gap.op for gap in self.found.gaps()]
        if rigid and any(one.kind == "structural" for one in sets):
            words.append(f"Operations without a rule, where one may be missing: {some_of(rigid)}.")
        return replace(
            certificate,
            unexplained_support=tuple(n for n in self.function.names if n in support),
            unexplained_sets=sets,
            words="\n".join(words),
        )

    def _with(
        self, certificate: Certificate, measured: Nullity, look: Look
    ) -> tuple[Certificate, Nullity]:
        """Certificate and measurement once what was discovered counts."""
        beside = look.beside(measured)
        left = (certificate.unexplained or 0) - look.dimension
        return replace(
            certificate,
            status="incomplete" if left else "complete",
            redundant=self.found.redundant,
            unexplained=left,
            known=(certificate.known or 0) + beside.known - measured.known,
        ), beside  # fmt: skip

    def _look(self, measured: Nullity) -> Look:
        """Whether vector fields that no rule gives explain some of what is left."""
        # Small matrices in exact arithmetic, wherever the nullity was measured.
        subject = replace(self.subject, device="cpu")
        function = subject.function()
        try:
            if subject.discovery and looked_at_on_twins(function, subject.discover):
                found = ByTwins(self.found, subject).discovered()
                return look_on_twins(function, measured.on_cpu(), found)
            return look_beyond(subject, function, measured.on_cpu(), self.unseen)
        except Exception as error:  # what was measured stands, whatever happens to the search
            return not_looked(function, f"Discovery failed: {_reason(error)}.")

    def _elsewhere(self, certificate: Certificate, points: Mapping[str, Values]) -> Certificate:
        """Measure at given points as well."""
        generic = certificate.nullity or 0
        for name, values in points.items():
            words = self._at(name, values(), generic)
            at = dict(certificate.at)
            if isinstance(words, tuple):
                at[name], words = words
            lines = [line for line in (certificate.words, words) if line]
            certificate = replace(certificate, at=at, words="\n".join(lines))
        return certificate

    def _point(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters in their order, then what else is given: buffers and frozen ones."""
        names = [*self.function.names, *(n for n in values if n not in self.function.shapes)]
        placed = {n: values[n].detach().to(self.function.device) for n in names}
        return {n: v.double() if v.is_floating_point() else v for n, v in placed.items()}

    def _at(
        self, name: str, values: Mapping[str, Tensor] | None, generic: int
    ) -> tuple[int, str] | str:
        where = "initialisation" if name == "init" else f"the given {name}"
        if values is None:
            return f"At {where} nothing was measured: the model has no values of its own."
        self.subject.tell(f"measuring the nullity at {where}")
        theta = self._point(values)
        try:
            found = nullity_at(self.subject.function(), self.subject.fresh(), theta,
                               seed=self.subject.seed, known=self.known,
                               progress=self.subject.tell)  # fmt: skip
            found, _ = self._exactly(found)
        except InputError as error:
            return f"At {where} nothing was measured: {error}."
        if found.nullity is None or found.status == "undetermined":
            return f"At {where} the nullity is undetermined: {found.reason}."
        nullity = found.nullity
        more = nullity - generic
        if more > 0:
            return nullity, f"At {where} {more:,} more are null: special to this point."
        if more < 0:
            return nullity, (
                f"At {where} {-more:,} fewer are null than at the random points: those were "
                "special, and the functional dimension is larger than it says."
            )
        return nullity, f"At {where} the nullity is the generic one."


def _too_many(redundant: int, measured: Nullity) -> str:
    if measured.known and measured.known < redundant:
        return (
            f"{redundant:,} directions were counted, but those derived span {measured.known:,} "
            "only: the count is too large"
        )
    return "more was derived than measured: the inputs are special, or this is a bug"


def _cut(certificate: Certificate, reason: str) -> Certificate:
    """What stands when time ran out after the nullity was known."""
    if certificate.status in ("complete", "incomplete"):
        lines = [line for line in (certificate.words, f"{reason[:1].upper()}{reason[1:]}.") if line]
        return replace(certificate, words="\n".join(lines))
    return certificate
