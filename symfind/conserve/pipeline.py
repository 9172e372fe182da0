"""The whole of it: analyse, find the laws, watch them along a flow, count them again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from symfind.alone import alone
from symfind.analysis import analyze
from symfind.conserve.brackets import generic_point, lie_closure
from symfind.conserve.fields import Theta
from symfind.conserve.flow import gradient_flow, random_loss
from symfind.conserve.laws import Combination, Found, find_laws
from symfind.conserve.model import ClosureCheck, Conserved, FlowCheck
from symfind.errors import InputError
from symfind.load import Inputs, as_inputs, draw, load
from symfind.verify import Function
from symfind.verify.function import Call
from symfind.verify.threads import fitting_threads

FLOW_PARAMETERS = 20_000
CLOSURE_PARAMETERS = 400
CALLS = 64  # at most so many draws of the inputs
DRIFT = 1e-8  # relative change above which a law does not hold


@alone()
def conserved(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Literal["raw", "softmax"] = "raw",
    check: bool = True,
    device: str = "cpu",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Conserved:
    """Find the quantities that gradient flow conserves, whatever the loss and the data.

    Under θ' = −∇L(θ) with L any function of the model's outputs, h(θ) is conserved when ∇h is a
    symmetry of the model: dh/dt = −∇h·∇L = 0. So the laws are the symmetry fields that are
    gradients: for δW = A W the symmetric A, which give W Wᵀ (Zhao et al., "Symmetries, flat minima,
    and the conserved quantities of gradient flow", 2023; Marcotte, Gribonval, Peyré, 2023).

    Combinations with constant coefficients are found, exactly; fields that would become gradients
    after multiplication by a function of θ are not looked for. `closure` says whether that, or
    anything else, leaves laws unfound.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": the loss sees outputs up to what softmax ignores.
        check: measure the nullity, watch every law along a gradient flow, and count the laws a
            second time by the Lie algebra of the gradients, where the model is small enough.
        device: where to verify and check.
        seed: of all random numbers.
        train: batch statistics as in training; dropout stays off.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        progress: called with a line on what is being done.

    Returns:
        The laws. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is too large to verify generators on it.
        TraceError: the model cannot be traced.
    """
    tell = progress or (lambda text: None)
    name = spec = type(model).__name__
    if isinstance(model, str):
        tell("loading the model")
        loaded = load(model, inputs=inputs, settings=settings or {}, seed=seed)
        model, name, spec = loaded.model, loaded.name, loaded.spec
        example_inputs = loaded.inputs if example_inputs is None else example_inputs
    report = analyze(
        model,
        example_inputs,
        output,
        True,
        "auto" if check else "never",
        device,
        seed,
        train=train,
        progress=progress,
    )
    if report.verification.status == "skipped":
        raise InputError(
            "conservation laws are read off generators that hold on the model: "
            + report.verification.reason
        )
    given = as_inputs(example_inputs)
    function = Function(model, given.args, given.kwargs, train=train, output=output, device=device)
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
    if closure.status == "complete":
        # nothing was missed, so what could not be decided gives nothing
        splits = tuple(s if s.laws is not None else replace(s, laws=0) for s in found.splits)
        found = replace(found, splits=splits, open=())
    return Conserved(
        model=name,
        spec=spec,
        output=output,
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
    )


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
    result = lie_closure(function, generic_point(function, calls, rng), calls, rng)
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
