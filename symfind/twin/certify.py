"""The certificate of a model that is too large to be measured: its twins are.

On every twin three numbers must agree: the measured nullity, what is derived from the twin itself,
and the formula derived from the model, evaluated at the twin's sizes. Layers beyond the first two
of every repetition are taken out before; that the model's own count is what it is with those
layers is an equation between counts, which is checked too (`short`).

Where a twin has more than the formula, the model may have it as well, or only a network with so few
layers: it is told of the model only where two repetitions of each layer are there.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

from symfind.count.carriers import carried
from symfind.count.counted import Counted
from symfind.count.symbols import AxisSymbols
from symfind.graph.extents import Least, Relations, size_atoms
from symfind.report.certificate import Certificate, NullSet, TwinMeasure
from symfind.trace import Graph
from symfind.trace.graph import Op
from symfind.twin.build import Twin, build_twin
from symfind.twin.formula import at_sizes, count
from symfind.twin.module import TwinFunction
from symfind.twin.short import Fewer, Short, short, shortest
from symfind.twin.sizes import Unbuildable
from symfind.verify import measure_nullity
from symfind.verify.nullity import Nullity

TWINS = 2  # that must agree
_TRIED = 4  # before it is said that they do not agree
_VARIANTS = 12  # sizes from which twins are chosen
MOST_PARAMETERS = 6500
_EASY = 3600  # parameters of a twin that is measured in seconds
_LONGER = 4  # times as many rows, where short tables seem to be filled
_POINTS = 2  # at which a twin is measured, where it disagrees
Tell = Callable[[str], None]
Explain = Callable[[TwinFunction, Nullity], tuple[NullSet, ...]]


@dataclass(frozen=True)
class Question:
    """What is asked of the twins of a model.

    Attributes:
        graph: the traced model.
        redundant: the count that was derived for it.
        names: its own names for sizes.
        output: "raw" or "softmax".
        train: whether batch statistics are those of training.
        examples: example inputs, by the names of the graph's inputs.
        bounds: exclusive upper bounds of integer inputs, by the same names.
        seed: of all random numbers.
        device: where twins are evaluated.
        tell: called with a line on what is being done.
        explain: what is null on a twin beyond what is derived, by the tensors that carry it.
        without: kinds of families that are not derived.
        short: told of every twin on which more is null than is derived, before that.
    """

    graph: Graph
    redundant: int
    names: Mapping[str, int]
    output: Literal["raw", "softmax"] = "raw"
    train: bool = False
    examples: Mapping[str, Tensor] | None = None
    bounds: Mapping[str, int] | None = None
    seed: int = 0
    device: str = "cpu"
    tell: Tell = lambda text: None
    explain: Explain | None = None
    short: Callable[[Twin, TwinFunction, Nullity], None] | None = None
    without: Collection[str] = ()


def certify_on_twins(question: Question, most: int = MOST_PARAMETERS) -> Certificate:
    """Measure small twins of a model, and hold its formula against them.

    Args:
        question: the model and its count.
        most: parameters that a twin may have.

    Returns:
        A certificate of the last twin that was measured; `complete` only where two twins of
        different sizes agree with the formula.
    """
    return Twins(question, most).certificate()


@dataclass(frozen=True)
class _Measured:
    twin: Twin
    own: Counted
    formula: int
    nullity: Nullity
    function: TwinFunction

    @property
    def gap(self) -> int:
        """Measured directions that the formula does not have."""
        assert self.nullity.nullity is not None
        return self.nullity.nullity - self.formula

    @property
    def agrees(self) -> bool:
        """Whether measurement, formula, own count and the span of its directions are one number."""
        found = self.nullity
        same = found.nullity == self.formula == self.own.redundant == found.known
        return found.status == "clear" and same

    @property
    def short(self) -> bool:
        """Whether more is null for certain than the formula has, which is what the twin derives."""
        same = self.formula == self.own.redundant == self.nullity.known
        return self.nullity.status == "clear" and same and self.gap > 0

    @cached_property
    def support(self) -> tuple[str, ...]:
        """Tensors that carry what is unexplained."""
        found = self.nullity
        if found.theta is None or found.beyond is None or found.directions is None:
            return ()
        sizes = {name: found.theta[name].numel() for name in self.function.names}
        sets = carried(sizes, found.directions.cpu(), found.beyond.cpu())
        carrying = {name for one in sets for name in one.tensors}
        return tuple(name for name in sizes if name in carrying)

    def record(self, names: Mapping[int, str]) -> TwinMeasure:
        return TwinMeasure(
            self.twin.names(names),
            self.twin.parameters,
            self.nullity.nullity,
            self.formula,
            self.nullity.gap,
        )


class Twins:
    """Small twins of a model, whose graph is shortened once whatever is asked of them.

    Args:
        question: the model and its count.
        most: parameters that a twin may have.
    """

    def __init__(self, question: Question, most: int = MOST_PARAMETERS) -> None:
        """Nothing is built yet."""
        self.question, self.most = question, most
        self.names = {n: name for name, n in question.names.items()}
        self.narrow = False
        self.least: list[Least] = []
        self._fewer: dict[int, Fewer] = {}

    @cached_property
    def easy(self) -> bool:
        """Whether there are some that are measured in seconds."""
        self.narrow = True
        try:
            return self._build(self._shortest(_EASY).relations, 0).parameters <= _EASY
        except Unbuildable:
            return False
        finally:
            self.narrow = False

    def certificate(self) -> Certificate:
        """As of `certify_on_twins`."""
        try:
            return self._certificate()
        except Unbuildable as error:
            return Certificate("skipped", reason=f"no twin can be built: {error}")

    def _certificate(self) -> Certificate:
        model = self._model(_EASY)
        done = self._narrowly(model) or self._measured(model)
        if isinstance(done, Certificate):
            return done
        if model.kept == 1 and done[-1].short:
            self.question.tell("more was measured than derived: again with two of every layer")
            fuller = self._model(self.most)
            again = self._measured(fuller) if fuller.kept > 1 else []
            if isinstance(again, Certificate):
                return again
            if again:
                model, done = fuller, again
        if done[-1].short and (rows := _longer(done[0].twin)):
            self.question.tell("more was measured than derived: again with longer tables")
            self.least = rows
            with contextlib.suppress(Unbuildable):
                again = self._measured(model)
                if isinstance(again, list) and again[-1].nullity.nullity is not None:
                    done = again
        return self._verdict(done, model)

    def _shortest(self, most: int) -> Fewer:
        """The graph with as few layers as it takes for a twin to have so many parameters."""
        if most not in self._fewer:
            narrow, self.narrow = self.narrow, False
            try:
                self._fewer[most] = shortest(
                    self.question.graph,
                    lambda relations, variant: self._build(relations, variant).parameters,
                    most,
                )
            finally:
                self.narrow = narrow
        return self._fewer[most]

    def _model(self, most: int) -> Short:
        """The same, counted."""
        q = self.question
        return short(
            self._shortest(most),
            q.redundant,
            lambda graph: count(graph, q.output, AxisSymbols(), q.without),
        )

    def _narrowly(self, model: Short) -> list[_Measured]:
        """Twins narrower than others, where those are large, if these say that all is derived."""
        if self._build(model.relations, 0).parameters <= _EASY:
            return []
        self.narrow = True
        try:
            done = self._measured(model)
        except Unbuildable:
            done = []
        self.narrow = False
        if isinstance(done, Certificate) or len(done) < TWINS:
            return []
        return done if all(t.agrees for t in done[-TWINS:]) else []

    def _measured(self, model: Short) -> list[_Measured] | Certificate:
        """Twins until two in a row say the same, or too many do not."""
        done: list[_Measured] = []
        for twin in self._candidates(model.relations):
            self.question.tell(f"a twin of {twin.parameters:,} parameters")
            measured = self._measure(twin, model.counted)
            if isinstance(measured, Certificate):
                return measured
            done.append(measured)
            if measured.nullity.nullity is None:
                break  # there was no time
            if model.kept == 1 and measured.short:
                break  # which says nothing of deeper ones
            last = done[-TWINS:]
            if len(last) == TWINS and (all(t.agrees for t in last) or _same_lack(last)):
                break
        return done

    def _build(self, relations: Relations, variant: int) -> Twin:
        q = self.question
        twin = build_twin(
            relations.graph, variant, relations=relations, examples=q.examples, bounds=q.bounds,
            most=self.most, narrow=self.narrow, least=self.least,
        )  # fmt: skip
        return twin

    def _candidates(self, relations: Relations) -> Iterator[Twin]:
        """The smallest twin, then those that differ most from all before."""
        least = self._build(relations, 0).parameters
        if least > self.most:
            raise Unbuildable(f"the smallest has {least:,} parameters{_reason(relations)}")
        twins = [self._build(relations, variant) for variant in range(_VARIANTS)]
        chosen = twins[:1]
        yield twins[0]
        while len(chosen) < _TRIED:
            apart = {id(t): min(_difference(t, c) for c in chosen) for t in twins}
            rest = [t for t in twins if t.parameters <= self.most and apart[id(t)]]
            if not rest:
                return
            best = self._next(rest, apart)
            chosen.append(best)
            yield best

    def _next(self, rest: list[Twin], apart: Mapping[int, int]) -> Twin:
        """The one that differs most, of those that are measured in seconds if there are any.

        Narrow twins are there for their cost: the smallest that differs half as much as any.
        """
        if self.narrow:
            half = max(apart[id(t)] for t in rest) / 2
            return min((t for t in rest if apart[id(t)] >= half), key=lambda t: t.parameters)
        easy = [t for t in rest if t.parameters <= _EASY]
        return max(easy or rest, key=lambda t: (apart[id(t)], -t.parameters))

    def _measure(self, twin: Twin, counted: Counted) -> _Measured | Certificate:
        q = self.question
        own = count(twin.graph, q.output, {}, q.without)
        formula = at_sizes(counted, own)
        if formula is None:
            return Certificate(
                "undetermined", on="twin", parameters=twin.parameters,
                reason="the formula has sizes that a twin does not tell apart",
            )  # fmt: skip
        function = TwinFunction(twin, train=q.train, output=q.output, device=q.device)
        nullity = measure_nullity(
            function, function.fresh, points=_POINTS, seed=q.seed, known=own.known(),
            progress=q.tell,
        )  # fmt: skip
        return _Measured(twin, own, formula + own.inert_beside, nullity, function)

    def _verdict(self, done: list[_Measured], model: Short) -> Certificate:
        last = done[-1]
        common: dict[str, Any] = {
            "method": "jacobian",
            "on": "twin",
            "parameters": last.twin.parameters,
            "nullity": last.nullity.nullity,
            "redundant": last.formula,
            "unexplained": None if last.nullity.nullity is None else last.gap,
            "gap": last.nullity.gap,
            "points": last.nullity.points,
            "known": None if last.nullity.nullity is None else last.nullity.known,
            "twins": tuple(m.record(self.names) for m in done),
        }
        if last.nullity.status != "clear":
            return Certificate("undetermined", reason=last.nullity.reason, **common)
        if last.gap > 0:
            if self.question.short is not None and model.kept != 1:
                for one in done[-TWINS:]:
                    self.question.short(one.twin, one.function, one.nullity)
            common["unexplained_support"] = last.support
            if self.question.explain is not None and last.support:
                common["unexplained_sets"] = self.question.explain(last.function, last.nullity)
            if last.nullity.scattered:
                reason = "random points of a twin disagree: units may be dead or always on at all"
                return Certificate("undetermined", reason=reason, **common)
            if model.kept == 1:
                reason = "with one layer of each repetition more was measured; two are too large"
                return Certificate("undetermined", reason=reason, **common)
            return Certificate("incomplete", **common)
        if last.gap < 0 or not last.agrees:
            reason = "the formula and what a twin itself derives differ: this is a bug"
            return Certificate("undetermined", reason=reason, **common)
        if model.uneven:
            return Certificate("undetermined", reason=model.uneven, **common)
        if len(done) < TWINS or not all(m.agrees for m in done[-TWINS:]):
            reason = "twins of different sizes disagree, or only one is small enough"
            return Certificate("undetermined", reason=reason, **common)
        return Certificate("complete", **common)


def _longer(twin: Twin) -> list[Least]:
    """More rows for all tables that the model has longer.

    What is looked up in short tables takes finitely many values, which a model may fill.
    """
    tables = list(dict.fromkeys(axis.root for axis in twin.relations.tables))
    rows = [Least(a, min(a.size, _LONGER * twin.sizes(a))) for a in tables]
    return [row for row in rows if row.size > twin.sizes(row.axis)]


def _same_lack(twins: list[_Measured]) -> bool:
    """Whether the same tensors carry, on all of these, what the formula does not have."""
    return all(t.short for t in twins) and len({t.support for t in twins}) == 1


def _difference(a: Twin, b: Twin) -> int:
    """How many kinds of indices of parameters have different sizes on two twins."""
    parameters = a.relations.graph.parameters.values()
    axes = [axis for op in parameters for axis in a.relations.axes.get(id(op), [[]])[0]]
    return len({x.size for x in size_atoms(axes) if a.sizes(x) != b.sizes(x)})


def _reason(relations: Relations) -> str:
    """The operation that keeps the most entries of parameters at their sizes."""
    kept = [(axis.size, op) for axis, op in relations.pinned if axis.size > 1]
    if not kept:
        return ""
    size, op = max(kept, key=lambda pair: pair[0])
    return f"; {_name(op)} keeps an index of size {size:,}"


def _name(op: Op) -> str:
    return f"{op.target} ({op.name})" + (f" at {op.where}" if op.where else "")
