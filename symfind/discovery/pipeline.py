"""Symmetries of a model without any rule: its derivatives are all that is asked for."""

import math
from collections.abc import Sequence

import torch

from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject, probed
from symfind.analysis.verification import verify_derived
from symfind.discovery.check import Basis, checked
from symfind.discovery.compare import Comparison, Symbolic, compare, support
from symfind.discovery.dictionary import Shape
from symfind.discovery.explore import Exploration
from symfind.discovery.generators import Discovered, moves
from symfind.discovery.result import Discovery, Status
from symfind.discovery.samples import Samples
from symfind.discovery.search import Found
from symfind.errors import InputError
from symfind.verify import Function, Nullity, measure_nullity
from symfind.verify.threads import fitting_threads

MOST_PARAMETERS = 2000


def discoverable(subject: Subject) -> Function:
    """The function of a model that is small enough.

    Raises:
        InputError: it has too many parameters for dense linear algebra.
    """
    function = subject.function()
    if function.count > MOST_PARAMETERS:
        raise InputError(
            f"{subject.loaded.name} has {function.count:,} parameters; discovery is for "
            f"{MOST_PARAMETERS:,} at most: take smaller sizes (--set)"
        )
    return function


def discovered(
    subject: Subject, function: Function, derived: Derived | str, fields: int
) -> Discovery:
    """Find the symmetries that a dictionary of local vector fields can express.

    The linearised invariance equation `D_θ f(θ, x) ξ(θ) = 0` is solved for ξ in the span of the
    dictionary, stacked over random θ and x. It knows the model as a function only, so it works
    where operations have no rule, and what it finds is compared with what the rules derive.

    Args:
        subject: the model.
        function: the same, as a function of its parameters.
        derived: what the rules derive, or why that is not known.
        fields: size of the dictionary at most.

    Raises:
        InputError: the model is not finite on its inputs.
    """
    symbolic = derived if isinstance(derived, str) else _symbolic(subject, derived)
    probed(function, torch.Generator().manual_seed(subject.seed))
    with fitting_threads(function.count):
        return _discovery(subject, function, symbolic, fields)


def _symbolic(subject: Subject, derived: Derived) -> Symbolic:
    """What the rules derive, and the model itself confirms."""
    try:
        verify_derived(derived, subject, True)
    except NotImplementedError:  # an operation without a second derivative has no tangent here
        pass
    families = tuple(
        (factor.id, factor.kind, tally.family)
        for k, (group, factor) in enumerate(zip(derived.groups, derived.factors, strict=True))
        if k not in derived.failed
        for tally in group.tallies
    )
    gaps = tuple(dict.fromkeys(gap.op for gap in derived.gaps()))
    return Symbolic(families, tuple(derived.unread), gaps)


def _discovery(
    subject: Subject, function: Function, symbolic: Symbolic | str, fields: int
) -> Discovery:
    subject.tell("measuring the nullity")
    fresh = subject.fresh()
    measured = measure_nullity(function, fresh, seed=subject.seed, progress=subject.tell)
    shapes = [Shape(name, function.shapes[name]) for name in function.names]
    samples = Samples(function, fresh, subject.seed + 1)
    exploration = Exploration(shapes, samples, measured, fields, subject.tell)
    exploration.run()
    found = exploration.found
    subject.tell("checking generators")
    theta = measured.theta or samples.theta(0)
    none = torch.zeros(function.count, 0, dtype=torch.float64)
    basis = checked(found, samples, subject.seed, theta, none)
    if exploration.unclear:
        reason = "no clear gap in the spectrum of the stacked equation"
    elif basis.rejected:
        reason = "solutions that fail at other points, or whose flow changes the output"
    else:
        reason = measured.reason
    complete = basis.dimension == measured.nullity
    status: Status = "complete" if complete else "incomplete"
    largest = max(found, key=lambda f: f.dictionary.count, default=None)
    return Discovery(
        model=subject.loaded.name,
        spec=subject.loaded.spec,
        parameters=function.count,
        nullity=measured.nullity,
        dimension=basis.dimension,
        status="undetermined" if reason else status,
        reason=reason,
        remainder=() if reason else _remainder(basis, measured, samples),
        fields=largest.dictionary.count if largest else 0,
        independent=largest.unknowns.count if largest else 0,
        points=max((f.solution.points for f in found), default=0),
        gap=_narrowest(found),
        rejected=basis.rejected,
        left_out=() if complete else tuple(exploration.left_out),
        patterns=basis.patterns,
        generators=basis.generators,
        comparison=_comparison(basis.generators, symbolic, samples),
        searched=exploration.searched,
    )


def _narrowest(found: Sequence[Found]) -> tuple[float, float] | None:
    """The narrowest gap that decided a dimension."""
    gaps = [(f.solution.spectrum.kept, f.solution.spectrum.dropped) for f in found]
    kept, dropped = min(gaps, key=lambda g: g[0] - g[1], default=(math.nan, math.nan))
    return (round(kept, 1), round(dropped, 1)) if gaps else None


def _comparison(
    found: Sequence[Discovered], symbolic: Symbolic | str, samples: Samples
) -> Comparison:
    if isinstance(symbolic, str):
        return Comparison(0, 0, (), 0, (), (), symbolic)
    theta = samples.theta(0)
    directions = moves(found, theta, samples.slices)
    return compare(directions, symbolic, theta, samples.slices)


def _remainder(basis: Basis, measured: Nullity, samples: Samples) -> tuple[str, ...]:
    """The tensors that carry what is null and not discovered."""
    missing = (measured.nullity or 0) - basis.dimension
    if missing <= 0 or measured.theta is None or measured.null is None:
        return ()
    known = moves(basis.generators, measured.theta, samples.slices)
    return support(measured.null, known, samples.slices, missing)
