"""The staged object behind every entry point: each part is computed once, when first asked for."""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from torch import nn

from symfind.alone import alone
from symfind.analysis.derived import Derived
from symfind.analysis.points import asked_points
from symfind.analysis.subject import Subject, probe
from symfind.analysis.verification import VERIFIED_PARAMETERS
from symfind.conserve.model import Conserved
from symfind.conserve.pipeline import laws_of
from symfind.conserve.steps import parse_steps
from symfind.count.counted import Counted, counted
from symfind.count.without import checked, switched_off
from symfind.describe.explained import explain
from symfind.discovery.explore import MOST_FIELDS
from symfind.discovery.family import Acting
from symfind.discovery.pipeline import discoverable, discovered
from symfind.discovery.result import Discovery
from symfind.discrete.part import spec_of, verified_spec
from symfind.discrete.spec import PermutationSpec
from symfind.errors import LoadError, TraceError
from symfind.exact.nullity import MOST_PARAMETERS, ExactNullity, check_size, measured_exactly
from symfind.exact.rank import flint
from symfind.exact.subject import Subject as Exactly
from symfind.family import Family
from symfind.formulas.fitted import (
    FITTED_PARAMETERS,
    FITTED_SECONDS,
    Broken,
    Fitted,
    fitted,
)
from symfind.load import Loaded, resolve
from symfind.orbit.checkpoint import aliases_of
from symfind.orbit.group import Group
from symfind.report.explained import Explanation
from symfind.report.model import Report
from symfind.session.asked import asked
from symfind.session.examination import Examination, Wanted
from symfind.session.interrupted import Stage
from symfind.session.naming import symbols_of
from symfind.session.stages import Checked, Clock, guarded, uncollected
from symfind.session.unended import watched
from symfind.solve.solver import Derivation, derive, nothing
from symfind.trace import Graph, trace_loaded
from symfind.verify.threads import fitting_threads

Tell = Callable[[str], None] | None
Output = Literal["raw", "softmax"]


@alone()
def open(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Output = "raw",
    device: str = "cpu",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    without: Sequence[str] = (),
    budget: float | None = None,
    progress: Tell = None,
) -> "Session":
    """Load a model, and hold it for any number of questions.

    Nothing but loading is done here: tracing, derivation, verification and certificate follow when
    an answer needs them, each once. The model is never changed.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        device: where to verify and certify.
        seed: of all random numbers.
        train: batch statistics as in training; dropout stays off.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        weights: a checkpoint whose names and shapes are checked against the model.
        without: kinds of families (as in the report, or "all") that are not derived, to see what
            discovery finds in their place.
        budget: seconds that code of the model may take while it is loaded, and while it is traced,
            ten at least. Held on the main thread of systems with interval timers only.
        progress: called with a line on what is being done; from another thread where code of the
            model takes long.

    Raises:
        LoadError: the spec cannot be loaded, or not in time.
        InputError: there are no example inputs, or they do not fit; or there is no such kind.
    """
    off = checked(without)
    clock, tell = Clock(), progress or (lambda text: None)
    tell("loading the model")
    with clock.part("load"), watched("loading the model", tell, budget, LoadError):
        loaded = resolve(
            model, example_inputs, inputs=inputs, settings=settings, weights=weights, seed=seed
        )
    session = Session(loaded, output, train, device, seed, settings or {}, tell, clock)
    session.without, session.limit = off, budget
    return session


class Session:
    """A model with what is known of its symmetries so far. Made by `symfind.open`.

    Attributes:
        loaded: the model with its inputs.
        output: "raw" or "softmax".
        train: whether batch statistics are those of training.
        device: where it is evaluated.
        seed: of all random numbers.
        without: kinds of families that are not derived.
        limit: seconds that code of the model may take while it is traced.
    """

    def __init__(
        self,
        loaded: Loaded,
        output: Output,
        train: bool,
        device: str,
        seed: int,
        settings: Mapping[str, Any],
        tell: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """Hold a loaded model."""
        self.loaded, self.output, self.train = loaded, output, train
        self.device, self.seed = device, seed
        self._settings, self._tell, self._clock = settings, tell, clock
        self._stage = Stage(loaded, output, train, clock)
        self.without: frozenset[str] = frozenset()
        self.limit: float | None = None
        self._checked: Checked | None = None
        self._answers: dict[tuple[Any, ...], Any] = {}

    # stages -------------------------------------------------------------------------------------
    @cached_property
    @alone()
    def graph(self) -> Graph:
        """The traced graph.

        Raises:
            TraceError: the model cannot be traced, or not in time; the message names the line.
            InputError: the inputs do not fit.
        """
        self._tell("tracing")
        doing = "tracing the model"
        with self._stage(doing, "trace"), watched(doing, self._tell, self.limit, TraceError):
            graph = trace_loaded(self.loaded, train=self.train)
            for note in graph.notes:
                self._tell(note)
            return graph

    @cached_property
    @alone()
    def derivation(self) -> Derivation:
        """All families of symmetries, not yet counted."""
        graph = self.graph
        self._tell("deriving symmetries")
        with self._stage("deriving symmetries", "solve"), fitting_threads(0), uncollected():
            found = guarded(self.subject, lambda: derive(graph, self.output), nothing)
            return switched_off(found, self.without)

    @cached_property
    @alone()
    def counted(self) -> Counted:
        """The families, counted at the model's sizes and as formulas."""
        derivation, before = self.derivation, self._clock.spent.get("solve", 0.0)
        symbols = symbols_of(self.loaded, derivation.lowered.parameters)
        with self._stage("counting symmetries", "solve"), fitting_threads(0), uncollected():
            found = guarded(
                self.subject,
                lambda: counted(self.graph, derivation, symbols),
                lambda why: counted(self.graph, nothing(why), symbols),
            )
        self._clock.spent["solve"] += before
        return found

    @cached_property
    @alone()
    def fitted(self) -> Fitted | Broken | None:
        """The count as a formula in the arguments that the model is made with.

        None where these are not known, or where nothing was looked at.
        """
        family = Family.of(self.loaded, self.graph, self.train)
        if family is None:
            return None
        self._tell("the formula at other sizes")
        with fitting_threads(0), uncollected(), contextlib.suppress(Exception):
            return fitted(family, self.output, self.counted.redundant, self._tell)
        return None

    @property
    def subject(self) -> Subject:
        """The model with its graph, and how its function is evaluated."""
        return Subject(
            self.loaded, self.graph, self.output, self.train, self.device, self.seed, self._tell,
            without=self.without,
        )  # fmt: skip

    @cached_property
    @alone()
    def group(self) -> Group:
        """What acts on checkpoints of the model, by site; neither counted nor verified."""
        return Group(self.derivation, self._shapes(), aliases_of(self.loaded.model))

    @cached_property
    @alone()
    def whole_group(self) -> Group:
        """The same with what discovery finds, for which the null space is measured.

        Raises:
            InputError: the model is not finite on its inputs.
        """
        report = self.report(discover=True, formula=False)
        factors = [f for f in report.factors if f.origin == "discovery"]
        found = {f.id: g for f in factors for g in f.generators if isinstance(g, Acting)}
        return Group(self.derivation, self._shapes(), aliases_of(self.loaded.model), found)

    # answers ------------------------------------------------------------------------------------
    @alone()
    def report(
        self,
        verify: bool = True,
        certify: Literal["auto", "always", "never"] = "auto",
        *,
        points: str | Sequence[str] = "generic",
        budget: float | None = None,
        discover: bool = False,
        discovery: bool = True,
        formula: bool = True,
    ) -> Report:
        """Which continuous groups act, where, in how many dimensions, and whether that is all.

        Args:
            verify: check every generator on the model itself.
            certify: measure the nullity where the model is small enough, always, or never.
            points: where the nullity is measured besides random parameters: "generic", "init" (the
                model's own initial values) and "weights", as a sequence or joined by commas.
            budget: seconds that verification and certificate may take together, the latter two
                thirds of them or a minute; what is not known then is undetermined, as after an
                interruption. Code of the model may take as long while it is traced, see `open`.
            discover: look for all vector fields that explain what no rule does, however long it
                takes; a few seconds are spent on that in any case.
            discovery: whether it is looked for them at all.
            formula: hold the count against other sizes, for a formula; one that is there is given.

        Raises:
            InputError: a point is none, or the model is not finite on its inputs.
            TraceError: the model cannot be traced; the message names the line.
        """
        self.limit = self.limit if budget is None else budget
        places = asked_points(points, self.loaded, self._settings, self.seed)
        subject, counts = self.subject, self.counted
        subject = replace(subject, discover=discover, discovery=discovery)
        wanted = Wanted(verify, certify, places, budget)
        asked = ("report", verify, certify, tuple(places), budget, discover, discovery)
        key = (*asked, formula or (*asked, True) in self._answers)  # one that is there will do
        if key not in self._answers:
            # a small member of a large model is looked for where time is spent on twins too
            twins = certify != "never" and (budget is None or budget >= 2 * FITTED_SECONDS)
            small = counts.parameters <= FITTED_PARAMETERS
            fit = (lambda: self.fitted) if formula and (small or twins) else (lambda: None)
            examination = Examination(subject, counts, wanted, self._clock, self._checked, fit)
            report = examination.report()
            self._checked = examination.lasting or self._checked
            if not examination.stopped:
                self._answers[key] = report
            return report
        return self._answers[key]

    @alone()
    def laws(self, check: bool = True, steps: str | None = None) -> Conserved:
        """The quantities that gradient flow conserves, whatever the loss and the data.

        Args:
            check: measure the nullity, watch every law along a gradient flow, and count the laws a
                second time by the Lie algebra of the gradients, where the model is small enough.
            steps: discrete steps that are followed as well: `sgd:lr=0.1,momentum=0.9,wd=0.01`.

        Raises:
            InputError: the model is too large to verify generators on it.
        """
        how = None if steps is None else parse_steps(steps)
        report = self.report(certify="auto" if check else "never", formula=False)
        return self._once(("laws", check, steps), lambda: laws_of(report, self.subject, check, how))

    @alone()
    def permutations(self, verify: bool = True) -> PermutationSpec:
        """The permutations of hidden indices that leave the outputs alone.

        Args:
            verify: apply a random element to the model itself, where it fits in memory.
        """
        return self._once(("permutations", verify), lambda: self._permutations(verify))

    @alone()
    def explain(
        self,
        rotation: bool = False,
        between: tuple[str, str] | None = None,
        at: str = "",
        everything: bool = False,
    ) -> Explanation:
        """Why there are no larger groups: what every wire could carry, and what cuts it down.

        Args:
            rotation: only wires along which a rotation could be expected.
            between: parts of the names of two tensors, one that writes and one that reads.
            at: part of the name of a tensor.
            everything: also wires that end at inputs and outputs.

        Raises:
            InputError: a name leads nowhere, for which the message lists the nearest.
        """
        found = self._once(("explain",), lambda: explain(self.derivation.matrices))
        return asked(self.loaded, found, rotation, between, at, everything)

    @alone()
    def exact(
        self, prime: int | None = None, expected: int | None = None, most: int = MOST_PARAMETERS
    ) -> ExactNullity:
        """The nullity of a piecewise rational model, by ranks over a prime field.

        Args:
            prime: the modulus, between 2^16 and 2^31; drawn at random without it.
            expected: how many independent directions are known to be null; as many end the search.
            most: parameters above which it is not begun: time grows with their cube.

        Raises:
            ExactError: an operation is not piecewise rational, there are too many parameters, or
                python-flint is not installed.
        """
        flint()
        check_size(sum(math.prod(op.shape or ()) for op in self.graph.parameters.values()), most)
        exactly = Exactly(self.loaded.model, self.loaded.inputs, self.graph)
        asked = (exactly, self.output, self.seed, prime, expected, self._tell)
        return self._once(("exact", prime, expected), lambda: measured_exactly(*asked))

    @alone()
    def discover(self, fields: int = MOST_FIELDS) -> Discovery:
        """The symmetries that a dictionary of local vector fields expresses, without any rule.

        Args:
            fields: size of the dictionary at most.

        Raises:
            InputError: the model has too many parameters, or is not finite on its inputs.
        """
        return self._once(("discover", fields), lambda: self._discover(fields))

    def __repr__(self) -> str:
        """What is held, and what is known so far."""
        count = sum(p.numel() for p in self.loaded.model.parameters())
        stages = [s for s in ("graph", "derivation", "counted") if s in self.__dict__]
        done = ", ".join(dict.fromkeys((*stages, *(k[0] for k in self._answers)))) or "nothing yet"
        return f"<symfind session of {self.loaded.name}: {count:,} parameters; computed: {done}>"

    # ---------------------------------------------------------------------------------------------
    def _once(self, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        if key not in self._answers:
            self._answers[key] = compute()
        return self._answers[key]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(op.shape or ()) for name, op in self.graph.parameters.items()}

    def _permutations(self, verify: bool) -> PermutationSpec:
        spec = spec_of(self.derivation, self._shapes(), aliases_of(self.loaded.model))
        small = sum(op.numel() for op in self.loaded.model.parameters()) <= VERIFIED_PARAMETERS
        if not (verify and small and spec.perms):
            return spec
        self._tell("applying a random element to the model")
        function = self.subject.function()
        return verified_spec(spec, function, self.seed, lambda theta: probe(function, theta))

    def _discover(self, fields: int) -> Discovery:
        none = Graph([], [], {}, [], [])
        subject = Subject(self.loaded, none, self.output, self.train, "cpu", self.seed, self._tell)
        function = discoverable(subject)
        derived: Derived | str
        try:
            subject = replace(subject, graph=self.graph)
            derived = Derived(self.counted)
        except TraceError as error:
            derived = str(error)
        return discovered(subject, function, derived, fields)
