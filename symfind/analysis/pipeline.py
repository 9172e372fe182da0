"""The whole of an analysis: load, trace, derive, count, verify, certify, report."""

import gc
import math
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from symfind import __version__
from symfind.alone import alone
from symfind.analysis.certification import certify_derived
from symfind.analysis.derived import Derived
from symfind.analysis.points import Values, asked_points
from symfind.analysis.subject import Subject, probe
from symfind.analysis.verification import (
    INTERRUPTED,
    TIME_UP,
    VERIFIED_PARAMETERS,
    Verified,
    unverified,
    verify_derived,
)
from symfind.discrete import discrete_part
from symfind.errors import SymfindError
from symfind.load import resolve
from symfind.load.inputs import describe
from symfind.report.certificate import Certificate
from symfind.report.model import Dimension, Discrete, ModelInfo, Report, Timing, Versions
from symfind.solve.solver import nothing
from symfind.trace import trace_loaded
from symfind.verify.budget import OutOfTime, limited
from symfind.verify.threads import fitting_threads

Tell = Callable[[str], None] | None


@alone()
def analyze(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Literal["raw", "softmax"] = "raw",
    verify: bool = True,
    certify: Literal["auto", "always", "never"] = "auto",
    device: str = "cpu",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    points: str | Sequence[str] = "generic",
    budget: float | None = None,
    discover: bool = False,
    progress: Tell = None,
) -> Report:
    """Find the continuous symmetries of a model's parameter space.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        verify: check every generator on the model itself.
        certify: measure the nullity where the model is small enough, always, or never.
        device: where to verify and certify.
        seed: of all random numbers.
        train: batch statistics as in training; dropout stays off.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        weights: a checkpoint whose names and shapes are checked against the model, and where the
            nullity is measured as well.
        points: where the nullity is measured besides random parameters: "generic", "init" (the
            model's own initial values) and "weights", as a sequence or joined by commas.
        budget: seconds that verification and certificate may take together; what is not known
            then is said to be undetermined. An interruption from the keyboard does the same.
        discover: look for all vector fields that explain what no rule does, as `symfind.discover`,
            however long it takes; a few seconds are spent on that in any case.
        progress: called with a line on what is being done.

    Returns:
        The report. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is not finite on them.
        TraceError: the model cannot be traced; the message names the line.
    """
    tell = progress or (lambda text: None)
    start = time.perf_counter()
    tell("loading the model")
    loaded = resolve(
        model, example_inputs, inputs=inputs, settings=settings, weights=weights, seed=seed
    )
    places = asked_points(points, loaded, settings or {}, seed)
    ends = {"load": time.perf_counter()}
    tell("tracing")
    graph = trace_loaded(loaded, train=train)
    for note in graph.notes:
        tell(note)
    ends["trace"] = time.perf_counter()
    subject = Subject(loaded, graph, output, train, device, seed, tell, discover)
    tell("deriving symmetries")
    found = _derived(subject)
    ends["solve"] = time.perf_counter()
    verified, discrete, certificate = _checked(
        found, subject, verify, certify, places, budget, ends
    )
    ends["certify"] = time.perf_counter()
    return _report(subject, found, verified, certificate, discrete, _timing(start, ends))


def _checked(
    found: Derived,
    subject: Subject,
    verify: bool,
    certify: str,
    places: Mapping[str, Values],
    budget: float | None,
    ends: dict[str, float],
) -> tuple[Verified, tuple[Discrete, ...], Certificate]:
    """What is checked on the model, as far as the limit on time and the keyboard let it be."""
    verified = unverified(found, "not begun")
    discrete = certificate = None
    stopped = ""
    try:
        with limited(budget):
            verified = verify_derived(found, subject, verify)
            if not verified.stopped:
                discrete = _discrete(subject, found, verified)
                ends["verify"] = time.perf_counter()
                certificate = certify_derived(found, subject, certify, places)
    except KeyboardInterrupt:
        stopped = INTERRUPTED
    except OutOfTime:
        stopped = TIME_UP
    if discrete is None:
        discrete = _discrete(subject, found, unverified(found, ""))
    ends.setdefault("verify", time.perf_counter())
    if certificate is None and certify == "never":
        certificate = certify_derived(found, subject, certify, {})
    reason = stopped or verified.stopped
    return verified, discrete, certificate or Certificate("undetermined", reason=reason)


def _derived(subject: Subject) -> Derived:
    try:
        with fitting_threads(0), _uncollected():  # many small matrices, many small objects
            return Derived(subject.graph, subject.loaded, subject.output)
    except Exception as error:
        if isinstance(error, SymfindError | MemoryError):
            raise
        sizes = [math.prod(op.shape or ()) for op in subject.graph.parameters.values()]
        if sum(sizes) <= VERIFIED_PARAMETERS:
            # indices out of range show up here first; then that is what there is to say
            function = subject.function()
            probe(function, function.random_point(torch.Generator().manual_seed(subject.seed)))
        return _nothing(subject, error)


def _nothing(subject: Subject, error: Exception) -> Derived:
    """The last resort: nothing is claimed, and why is said."""
    where = (traceback.extract_tb(error.__traceback__) or [None])[-1]
    at = f" at {os.path.basename(where.filename)}:{where.lineno}" if where else ""
    why = f"nothing was derived: {type(error).__name__}: {error}{at}"
    warnings.warn(f"{why}; this is a fault of symfind, and nothing is claimed", stacklevel=2)
    return Derived(subject.graph, subject.loaded, subject.output, nothing(why))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No collection of cycles, which would walk through all of a traced model again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _report(
    subject: Subject,
    found: Derived,
    verified: Verified,
    certificate: Certificate,
    discrete: tuple[Discrete, ...],
    timing: Timing,
) -> Report:
    loaded = subject.loaded
    algebra, symmetry, inert = found.orbit()
    formula = found.formula()
    sizes = found.sizes()
    return Report(
        model=ModelInfo(
            loaded.name,
            loaded.spec,
            describe(loaded.inputs, loaded.model),
            subject.mode,
            {name: math.prod(shape) for name, shape in found.shapes.items()},
        ),
        output=subject.output,
        dimension=Dimension.of(found.parameters, algebra, symmetry, inert, formula, sizes),
        factors=found.standing(),
        approximate=verified.approximate,
        discrete=discrete,
        unsupported=found.gaps(),
        certificate=certificate,
        verification=verified.verification,
        timing=timing,
        versions=Versions(__version__, str(torch.__version__)),
    )


def _discrete(subject: Subject, found: Derived, verified: Verified) -> tuple[Discrete, ...]:
    subject.tell("permutations, signs and reflections")
    function = (verified.function or subject.function()) if verified.proven else None
    try:
        return discrete_part(found.derivation, found.shapes, function, subject.seed)
    except SymfindError:
        raise
    except Exception as error:  # what is continuous stands without
        warnings.warn(
            f"permutations and signs are left out ({type(error).__name__}: {error}): this is a "
            "fault of symfind", stacklevel=2,
        )  # fmt: skip
        return ()


def _timing(start: float, ends: dict[str, float]) -> Timing:
    spent = {}
    for name, end in ends.items():
        spent[name] = round(end - start, 3)
        start = end
    return Timing(**spent)
