"""One call for one answer: a session that is opened, asked and dropped."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from symfind.conserve.model import Conserved
from symfind.discovery.explore import MOST_FIELDS
from symfind.discovery.result import Discovery
from symfind.discrete.spec import PermutationSpec
from symfind.exact.nullity import MOST_PARAMETERS, ExactNullity
from symfind.exact.rank import flint
from symfind.report.model import Report
from symfind.session.session import Tell, open


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
    discovery: bool = True,
    formula: bool = True,
    without: Sequence[str] = (),
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
            Loading and tracing end with an error when code of the model runs as long, and longer
            than ten seconds; on the main thread of systems with interval timers only.
        discover: look for all vector fields that explain what no rule does, as `symfind.discover`,
            however long it takes; a few seconds are spent on that in any case.
        discovery: whether it is looked for them at all. What is found, and stands on the model,
            counts like what rules derive.
        formula: hold the count against other sizes of the model's arguments, for a formula in them.
        without: kinds of families (as in the report, or "all") that are not derived, to see what
            discovery finds in their place.
        progress: called with a line on what is being done.

    Returns:
        The report. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is not finite on them.
        TraceError: the model cannot be traced; the message names the line.
    """
    session = open(
        model, example_inputs, output, device, seed,
        train=train, inputs=inputs, settings=settings, weights=weights,
        without=without, budget=budget, progress=progress,
    )  # fmt: skip
    return session.report(
        verify, certify, points=points, budget=budget, discover=discover, discovery=discovery,
        formula=formula,
    )  # fmt: skip


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
    steps: str | None = None,
    progress: Tell = None,
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
        steps: discrete steps that are followed as well: `sgd:lr=0.1,momentum=0.9,wd=0.01`.
        progress: called with a line on what is being done.

    Returns:
        The laws. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is too large to verify generators on it.
        TraceError: the model cannot be traced.
    """
    session = open(
        model, example_inputs, output, device, seed,
        train=train, inputs=inputs, settings=settings, progress=progress,
    )  # fmt: skip
    return session.laws(check, steps)


def permutations(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Literal["raw", "softmax"] = "raw",
    verify: bool = True,
    device: str = "cpu",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Tell = None,
) -> PermutationSpec:
    """Find the permutations of hidden indices that leave a model's outputs alone.

    Those that lie in a continuous group (a linear bond) are among them; they are marked.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        verify: apply a random element to the model itself, where it fits in memory.
        device: where to verify.
        seed: of all random numbers.
        train: batch statistics as in training; running statistics are then not read.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        progress: called with a line on what is being done.

    Returns:
        The permutations and where they act. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is not finite on them.
        TraceError: the model cannot be traced; the message names the line.
    """
    session = open(
        model, example_inputs, output, device, seed,
        train=train, inputs=inputs, settings=settings, progress=progress,
    )  # fmt: skip
    return session.permutations(verify)


def exact_nullity(
    model: nn.Module | str,
    example_inputs: Any = None,
    *,
    output: Literal["raw", "softmax"] = "raw",
    train: bool = False,
    seed: int = 0,
    prime: int | None = None,
    expected: int | None = None,
    most: int = MOST_PARAMETERS,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Tell = None,
) -> ExactNullity:
    """Parameters minus the rank of the Jacobian, over a prime field.

    Args:
        model: a module, or a spec as on the command line. It is not changed.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        train: trace in training mode. Batch statistics are not rational.
        seed: of all primes and points.
        prime: the modulus, between 2^16 and 2^31; drawn at random without it, which is better: the
            error bound is then about the choice of the prime as well.
        expected: how many independent directions are known to be null. Where there are pieces,
            others are tried while more directions are null; as many as expected end the search.
        most: parameters above which it is not begun: time grows with their cube.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        progress: called with a line per point.

    Returns:
        The nullity; see `symfind.exact.nullity` for what is proven.

    Raises:
        ExactError: the model has an operation that is not piecewise rational, or python-flint is
            not installed (the extra `exact`).
        InputError: the inputs do not fit, or the prime is none.
        LoadError: the spec cannot be loaded.
        TraceError: the model cannot be traced.
    """
    flint()
    session = open(
        model, example_inputs, output, "cpu", seed,
        train=train, inputs=inputs, settings=settings, progress=progress,
    )  # fmt: skip
    return session.exact(prime, expected, most)


def discover(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Literal["raw", "softmax"] = "raw",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    fields: int = MOST_FIELDS,
    progress: Tell = None,
) -> Discovery:
    """Find the symmetries that a dictionary of local vector fields can express.

    The linearised invariance equation `D_θ f(θ, x) ξ(θ) = 0` is solved for ξ in the span of the
    dictionary, stacked over random θ and x. It knows the model as a function only, so it works
    where operations have no rule, and what it finds is compared with what the rules derive.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        seed: of all random numbers.
        train: batch statistics as in training; dropout stays off.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        fields: size of the dictionary at most.
        progress: called with a line on what is being done.

    Returns:
        Generators with exact coefficients where they are rational, and the comparison.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, the model is not finite on them, or it has too many
            parameters for dense linear algebra.
    """
    session = open(
        model, example_inputs, output, "cpu", seed,
        train=train, inputs=inputs, settings=settings, progress=progress,
    )  # fmt: skip
    return session.discover(fields)
