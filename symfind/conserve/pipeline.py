"""From generators to laws: find them, watch them along a flow, count them again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import torch

from symfind.analysis.subject import Subject
from symfind.conserve.brackets import generic_point, lie_closure
from symfind.conserve.fields import Theta
from symfind.conserve.flow import gradient_flow, random_loss
from symfind.conserve.laws import Combination, Found, find_laws
from symfind.conserve.model import ClosureCheck, Conserved, Drift, FlowCheck
from symfind.conserve.steps import Steps, drifts
from symfind.errors import InputError
from symfind.load import Inputs, draw
from symfind.report.model import Report
from symfind.verify import Function
from symfind.verify.function import Call
from symfind.verify.threads import fitting_threads

FLOW_PARAMETERS = 20_000
CLOSURE_PARAMETERS = 400
CALLS = 64  # at most so many draws of the inputs
DRIFT = 1e-8  # relative change above which a law does not hold


def laws_of(report: Report, subject: Subject, check: bool, how: Steps | None = None) -> Conserved:
    """The quantities that gradient flow conserves, read off the generators of a report.

    Args:
        report: of the model, its generators verified.
        subject: the model.
        check: watch every law along a gradient flow, and count the laws a second time.
        how: discrete steps that are followed as well.

    Raises:
        InputError: the model is too large to verify generators on it.
    """
    if report.verification.status == "skipped":
        raise InputError(
            "conservation laws are read off generators that hold on the model: "
            + report.verification.reason
        )
    if report.verification.on is not None:
        raise InputError(
            "conservation laws are read off generators that hold on the model, and these were "
            "checked on a narrower one of its family: allow more time, or take a smaller model"
        )
    loaded, given = subject.loaded, subject.loaded.inputs
    function = Function(
        loaded.model, given.args, given.kwargs,
        train=subject.train, output=subject.output, device=subject.device,
    )  # fmt: skip
    tell, seed = subject.tell, subject.seed
    tell("looking for conserved quantities")
    with fitting_threads(0):
        # Linear algebra of small matrices, which is done where it starts at once.
        found = find_laws(report.factors, function.shapes, partial(_point, function), seed)
    rng = torch.Generator().manual_seed(seed)
    theta = function.random_point(rng)
    measured = report.certificate.status in ("complete", "incomplete")
    nullity = report.certificate.nullity if measured else None
    with fitting_threads(function.count):
        combinations, flow = _watched(found, function, theta, given, rng, check, tell)
        closure = _recounted(found, function, theta, given, rng, check, nullity, tell)
    drifted = None
    if how is not None:
        tell("following discrete steps")
        drifted = _drifted(found, function, theta, given, rng, how)
    if closure.status == "complete":
        # nothing was missed, so what could not be decided gives nothing
        splits = tuple(s if s.laws is not None else replace(s, laws=0) for s in found.splits)
        found = replace(found, splits=splits, open=())
    return Conserved(
        model=subject.loaded.name,
        spec=subject.loaded.spec,
        output=report.output,
        parameters=report.dimension.parameters,
        redundant=report.dimension.redundant,
        nullity=nullity,
        count=found.count,
        counted=found.counted,
        laws=tuple(c.law for c in combinations),
        splits=found.splits,
        open=found.open,
        flow=flow,
        closure=closure,
        verification=report.verification.status,
        steps=drifted,
    )


def _drifted(
    found: Found,
    function: Function,
    theta: Theta,
    given: Inputs,
    rng: torch.Generator,
    how: Steps,
) -> tuple[Drift, ...]:
    """Every law along discrete steps.

    Raises:
        InputError: there are too many parameters.
    """
    if found.counted == "twin" or function.count > FLOW_PARAMETERS:
        raise InputError(f"--steps: {function.count:,} parameters are too many to follow laws")
    calls = [function.place(draw(given, rng, dtype=torch.float64)) for _ in range(2)]
    loss = random_loss(function, theta, calls, rng)
    alive = [c for c in found.combinations if c.spaces]
    return drifts(alive, function, theta, calls, loss, how)


def _point(function: Function, rng: torch.Generator) -> Theta:
    return {name: value.cpu() for name, value in function.random_point(rng).items()}


def _watched(
    found: Found,
    function: Function,
    theta: Theta,
    given: Inputs,
    rng: torch.Generator,
    wanted: bool,
    tell: Callable[[str], None],
) -> tuple[Sequence[Combination], FlowCheck]:
    """The drift of every law along the flow of a random loss."""
    alive = [c for c in found.combinations if c.spaces]
    if not wanted:
        return found.combinations, FlowCheck("skipped", reason="not asked for")
    if found.counted == "twin" or function.count > FLOW_PARAMETERS:
        reason = f"{function.count:,} parameters are too many"
        return found.combinations, FlowCheck("skipped", reason=reason)
    if not alive:
        return found.combinations, FlowCheck("skipped", reason="no law to watch")
    tell("following a gradient flow")
    calls = [function.place(draw(given, rng, dtype=torch.float64)) for _ in range(2)]
    loss = random_loss(function, theta, calls, rng)
    path = gradient_flow(function, theta, calls, loss)
    result = [c.measured(path, rng) if c.spaces else c for c in found.combinations]
    drifts = [c.law.drift for c in result if c.law.drift is not None]
    controls = [c.law.control for c in result if c.law.control is not None]
    least = min(controls, default=None)
    holds = max(drifts) < DRIFT and (least is None or least > 100 * max(drifts))
    status: Literal["conserved", "violated"] = "conserved" if holds else "violated"
    check = FlowCheck(status, max(drifts), least, path.moved, path.evaluations)
    return result, check


def _recounted(
    found: Found,
    function: Function,
    theta: Theta,
    given: Inputs,
    rng: torch.Generator,
    wanted: bool,
    nullity: int | None,
    tell: Callable[[str], None],
) -> ClosureCheck:
    """The number of laws from the Lie algebra that the gradients generate."""
    if not wanted:
        return ClosureCheck("skipped", reason="not asked for")
    if function.count > CLOSURE_PARAMETERS:
        reason = f"{function.count:,} parameters are too many for the Lie algebra of the gradients"
        return ClosureCheck("skipped", reason=reason)
    tell("bracketing gradients")
    calls = _rich(function, theta, given, rng)
    try:
        result = lie_closure(function, generic_point(function, calls, rng), calls, rng)
    except RuntimeError as error:  # an operation of which torch has no second derivative
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ClosureCheck("skipped", reason=f"gradients could not be bracketed: {first}")
    laws = function.count - result.dimension
    status: Literal["complete", "incomplete", "undetermined"] = "undetermined"
    reason = ""
    if not result.closed:
        reason = "the ranks have no clear gap, or the algebra was still growing"
    elif nullity is not None and result.levels[0] != function.count - nullity:
        reason = "these inputs do not reach the rank of the measured nullity"
    elif laws < found.count:
        reason = "more laws than the Lie algebra leaves room for: special inputs, or a bug"
    else:
        status = "complete" if laws == found.count else "incomplete"
    gap = (round(result.spectrum.kept, 2), round(result.spectrum.dropped, 2))
    return ClosureCheck(status, laws, result.dimension, result.levels, gap, reason)


def _rich(function: Function, theta: Theta, given: Inputs, rng: torch.Generator) -> list[Call]:
    """Enough draws of the inputs for the rank over all inputs: three rows for each parameter."""
    rows = len(function(theta))
    calls: list[Call] = []
    while not calls or (rows * len(calls) < 3 * function.count and len(calls) < CALLS):
        calls.append(function.place(draw(given, rng, dtype=torch.float64)))
    return calls
