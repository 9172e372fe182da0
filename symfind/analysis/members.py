"""The certificate of a model by small members of its family: the same, made with other arguments.

On every member three numbers must agree: the measured nullity, what is derived from the member
itself, and the formula that was derived from the model, at the sizes of the member. Members have
few layers; that the count of the model is what it is with all of them is an equation between
counts, which is checked too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from symfind.analysis.choice import MOST_PARAMETERS, RICHER, Choice, Large
from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject
from symfind.count.counted import Counted
from symfind.count.counted import counted as count_derived
from symfind.count.symbols import AxisSymbols
from symfind.family.depth import Short, with_layers
from symfind.family.family import Family, Member, name_of
from symfind.family.orders import keeps_orders
from symfind.family.places import Place
from symfind.family.shrink import Shrinking
from symfind.ops.lower import Lowered, lower
from symfind.report.certificate import Certificate, TwinMeasure
from symfind.twin.formula import at_sizes, corresponds, count
from symfind.verify.threads import fitting_threads

_PERIOD = 8  # layers after which a pattern of them comes again, at most
_UNSEEN = (
    "small models of the family have more null directions; there was no time left to see whether "
    "these are special"
)
_WORDS = "Measured on small models of the same family, made with other arguments: "

# with what is unexplained; None where time ran out before that was known
Explain = Callable[[], Certificate | None]
# the certificate of a small model, and what says besides what is unexplained, if anything is
Measure = Callable[[Derived, Subject], tuple[Certificate, Explain | None]]


@dataclass(frozen=True)
class _Measured:
    """A member with its count, the formula of the model there, and its own certificate."""

    member: Member
    own: Counted
    formula: int | None
    certificate: Certificate
    explained: Explain | None = None

    @property
    def agrees(self) -> bool:
        """Whether measurement, formula and own count are one number."""
        return self.certificate.status == "complete" and self.formula == self.own.redundant

    def record(self, family: Family, felt: list[Place]) -> TwinMeasure:
        sizes = {name_of(p): self.member.values[p] for p in felt}
        c = self.certificate
        redundant = self.own.redundant if self.formula is None else self.formula
        return TwinMeasure(sizes, self.member.parameters, c.nullity, redundant, c.gap)


class Members:
    """Small members of a model's family, held against what was derived of the model.

    Args:
        found: what was derived.
        subject: the model.
        measure: certifies a small model by its own nullity.

    Attributes:
        left: whether they were given up for another way, to be asked again if that leads nowhere.
    """

    def __init__(self, found: Derived, subject: Subject, measure: Measure) -> None:
        self.found, self.subject, self.measure = found, subject, measure
        self.left = False
        self._known: dict[tuple[int, ...], _Measured] = {}
        self._lowered: dict[int, tuple[Member, Lowered]] = {}
        self._owns: dict[tuple[int, ...], Counted] = {}

    def certificate(self, otherwise: Callable[[], bool] | None = None) -> Certificate:
        """A certificate of the last member that was measured; `skipped` where there is no member.

        Args:
            otherwise: whether there is another way: asked where a member is still large.
        """
        if self.found.failed:
            return Certificate("skipped", reason="the formula contains factors that failed")
        if self._family is None:
            return Certificate("skipped", reason="it is not known which arguments the model has")
        self._choice.otherwise = otherwise
        try:
            self.left = False
            return self._certificate()
        except Large:
            self.left = True
            return Certificate("skipped", reason="twins of the graph are smaller than such models")

    @cached_property
    def _family(self) -> Family | None:
        s = self.subject
        return Family.of(s.loaded, s.graph, s.train)

    @property
    def family(self) -> Family:
        """Of the model, which has one."""
        assert self._family is not None
        return self._family

    @cached_property
    def _choice(self) -> Choice:
        return Choice(self.family, self.found.shapes)

    def _certificate(self) -> Certificate:
        self.subject.tell("making small models of the same family")
        found = self._choice.first()
        if isinstance(found, str):
            return Certificate("skipped", reason=found)
        short, first = found
        if first.member.parameters > MOST_PARAMETERS:
            return Certificate("skipped", reason=self._too_large(first))
        counted = self._counted(short)
        done: list[_Measured] = []
        waiting, tried = self._choice.several(short, first), False
        while (one := next(waiting, None)) is not None:
            if not tried and self._off(one, counted):
                tried = True
                self.subject.tell("making others, for the formula says nothing of one")
                short, first, counted = self._fitting(short, first, counted)
                if self._choice.fits is not None:
                    waiting = self._choice.several(short, first)
                    continue
            shown = self._settled(short, one, counted)
            if not any(shown is other for other in done):  # with more tokens two may be one
                done.append(shown)
            if _settles(done):
                break
        return self._verdict(done, short, counted, first.felt)

    def _counted(self, short: Short) -> Counted:
        s = self.subject
        if short.member.values == self.family.base:  # the model itself, which has been derived
            with fitting_threads(0):
                return count_derived(
                    s.graph, self.found.derivation, AxisSymbols(), seen=self.found.seen
                )
        return count(short.member.graph, s.output, AxisSymbols(), s.without)

    def _own(self, member: Member) -> Counted:
        key = tuple(member.values.values())
        if key not in self._owns:
            s = self.subject
            self._owns[key] = count(member.graph, s.output, {}, s.without)
        return self._owns[key]

    def _off(self, member: Member, counted: Counted) -> bool:
        """Whether a member is no use: what is derived of it is not what the formula says."""
        own = self._own(member)
        formula = at_sizes(counted, own)
        return formula is None or formula + own.inert_beside != own.redundant

    def _fitting(
        self, short: Short, first: Shrinking, counted: Counted
    ) -> tuple[Short, Shrinking, Counted]:
        """Members whose indices are those of the model, of which the formula holds."""
        self._choice.fits = self._fits
        found = self._choice.first()
        if not isinstance(found, str) and found[1].member.parameters <= MOST_PARAMETERS:
            again = self._counted(found[0])
            if not self._off(found[1].member, again):
                return *found, again
        self._choice.fits = None
        return short, first, counted

    def _fits(self, model: Member, made: Member) -> bool:
        """Whether sides of matrices are in the order of the model's, and no index is cut."""
        if not keeps_orders(model, made):
            return False
        key, output = id(model), self.subject.output
        if key not in self._lowered:
            self._lowered[key] = model, lower(model.graph, output)
        return corresponds(self._lowered[key][1], lower(made.graph, output))

    def _settled(self, short: Short, member: Member, counted: Counted) -> _Measured:
        """What a member shows, with a still larger vocabulary where it shows too much."""
        found: _Measured | None = None
        for times in RICHER:
            rich = self._choice.richer(short, member, times)
            if found is None or rich.values != found.member.values:
                found = self._measured(rich, counted)
            if found.certificate.status == "complete":
                break
        assert found is not None
        return found

    def _measured(self, member: Member, counted: Counted) -> _Measured:
        """What a member shows: once, unless time was up."""
        key = tuple(member.values.values())
        if key not in self._known:
            found = self._measure(member, counted)
            if found.certificate.nullity is None:
                return found
            self._known[key] = found
        return self._known[key]

    def _measure(self, member: Member, counted: Counted) -> _Measured:
        s = self.subject
        s.tell(f"a model of {member.parameters:,} parameters")
        own = self._own(member)
        formula = at_sizes(counted, own)
        there = replace(s, loaded=member.loaded, graph=member.graph)
        certificate, explained = self.measure(Derived(own), there)
        formula = None if formula is None else formula + own.inert_beside
        return _Measured(member, own, formula, certificate, explained)

    def _verdict(
        self, done: list[_Measured], short: Short, counted: Counted, felt: list[Place]
    ) -> Certificate:
        agree = [m for m in done if m.agrees]
        if agree and not _settles(done):  # nothing that all of them say
            reason = "small models of the family disagree: " + "; ".join(map(self._outcome, done))
            return Certificate("undetermined", on="twin", reason=reason)
        last = agree[-1] if agree else done[-1]
        found = replace(
            last.certificate,
            on="twin",
            at={},
            twins=tuple(m.record(self.family, felt) for m in done),
            members=tuple(self._changed(m.member) for m in done),
        )
        if found.status in ("undetermined", "skipped"):
            return found
        if last.formula != last.own.redundant:
            return replace(found, status="undetermined", reason=self._broken(last))
        if found.status == "incomplete" and self._single(short):
            reason = "with one layer of a kind more was measured; two are too large"
            return replace(found, status="undetermined", reason=reason)
        if found.status == "incomplete":
            full = self._explained(found, last)
            if full is None:
                return replace(found, status="undetermined", reason=_UNSEEN)
            found = full
            if any(s.kind != "structural" for s in found.unexplained_sets):
                reason = "small models of the family have more null directions, but special ones"
                return replace(found, status="undetermined", reason=reason)
            where = f"On a model of {found.parameters:,} parameters made with other arguments:"
            return replace(found, words=f"{where}\n{found.words}")
        uneven = self._uneven(short, counted)
        if uneven:
            return replace(found, status="undetermined", reason=uneven)
        words = _WORDS + "; ".join(self._spelled(m.member, felt) for m in agree) + "."
        same = [p for p in felt if len({m.member.values[p] for m in agree}) == 1]
        if same:
            words += f" The same in all of them: {_names(same)}."
        return replace(found, words="\n".join(line for line in (words, found.words) if line))

    def _outcome(self, m: _Measured) -> str:
        c = m.certificate
        by = "no formula there" if m.formula is None else f"{m.formula} by the formula"
        told = "" if m.formula == m.own.redundant else f", {by}"
        spelled = self._spelled(m.member, [])
        return f"{m.own.redundant} derived, {c.nullity} measured{told} at {spelled}"

    def _single(self, short: Short) -> bool:
        """Whether the members have one layer of a kind of which the model has several."""
        return any(short.member.values[p] == 1 < n for p, n in short.depths.items())

    @staticmethod
    def _explained(found: Certificate, last: _Measured) -> Certificate | None:
        """With what can be said of what a member has beyond what is derived; None for too late."""
        full = found if last.explained is None else last.explained()
        if full is None:
            return None
        if full.status != "incomplete":  # what was found on a small model is not known of this one
            return found
        return replace(full, on=found.on, at={}, twins=found.twins, members=found.members)

    def _broken(self, last: _Measured) -> str:
        if last.formula is None:
            return "an index of the formula has no counterpart in a smaller model of the family"
        return (
            f"at {self._spelled(last.member, [])} the formula gives {last.formula:,}, but "
            f"{last.own.redundant:,} are derived there"
        )

    def _changed(self, member: Member) -> dict[str, int]:
        """The arguments and inputs of a member that differ from the model's."""
        base = self.family.base
        return {name_of(p): n for p, n in member.values.items() if base.get(p) != n}

    def _spelled(self, member: Member, felt: list[Place]) -> str:
        changed = self._changed(member)
        names = [name_of(p) for p in felt] or list(changed)
        shown = [f"{name}={changed[name]}" for name in names if name in changed]
        more = f", … ({len(shown) - 8} more)" if len(shown) > 8 else ""
        return ", ".join(shown[:8]) + more

    def _too_large(self, one: Shrinking) -> str:
        """Which argument keeps the smallest member large, and what was said to smaller values."""
        words = f"the smallest model of the family has {one.member.parameters:,} parameters"
        kept = {
            p: why for p, why in one.kept.items() if one.member.values[p] == self.family.base[p]
        }
        if not kept:
            return words
        place = max(kept, key=lambda p: self.family.base[p])
        why = kept[place].partition(". Check that")[0][:200]
        return (
            f"{words}; {name_of(place)}={self.family.base[place]} could not be made smaller: {why}"
        )

    # layers -------------------------------------------------------------------------------------
    def _uneven(self, short: Short, counted: Counted) -> str:
        """What is wrong with the count, as that of a model with fewer layers; nothing at best."""
        total = counted.redundant
        for place, n in short.depths.items():
            few = short.member.values[place]
            if few == n:
                continue
            more = self._more(short, counted, place, n - few)
            if more is None:
                return f"{name_of(place)} does not add the same by the layer"
            total += more
        if total == self.found.redundant:
            return ""
        return f"{self.found.redundant:,} were derived, but by its layers the count is {total:,}"

    def _more(self, short: Short, counted: Counted, place: Place, layers: int) -> int | None:
        """What so many more layers of a kind add: whole periods, and what is left of one.

        A period is seen twice, and is no longer than what a member has of them: what no member has
        was not measured.
        """
        counts = {0: counted.redundant}
        few = short.member.values[place]

        def at(k: int) -> int | None:
            if k not in counts:
                made = self.family.member(with_layers(short.member, {place: few + k}))
                if isinstance(made, str):
                    return None
                counts[k] = self._own(made).redundant
            return counts[k]

        for period in range(1, min(_PERIOD, layers, few) + 1):
            one, start = at(period), at(layers % period)
            other = at(2 * period) if layers >= 2 * period else at(-period)
            if one is None or start is None or other is None:
                continue
            each = one - counts[0]
            if each == (other - one if layers >= 2 * period else counts[0] - other):
                return start - counts[0] + each * (layers // period)
        return None


def _settles(done: list[_Measured]) -> bool:
    """Whether two members agree: the last two, or those beside the smallest, if that is narrow."""
    others = [m for m in done if m.member.parameters > min(d.member.parameters for d in done)]
    for some in (done[-2:], others):
        different = {tuple(m.member.values.values()) for m in some}
        if len(different) > 1 and all(m.agrees for m in some):
            return True
    return False


def _names(places: list[Place]) -> str:
    shown = [name_of(p) for p in places[:6]]
    return ", ".join(shown) + (f" and {len(places) - 6} more" if len(places) > 6 else "")
