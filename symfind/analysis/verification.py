"""Every derived generator is checked on the model itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch

from symfind.algebra.generator import Generator
from symfind.analysis.derived import Derived
from symfind.analysis.narrower import MOST_PARAMETERS, narrower
from symfind.analysis.shorter import Shorter, shorter, split
from symfind.analysis.subject import Subject, probed
from symfind.budget import OutOfTime, remaining
from symfind.errors import SymfindError
from symfind.load import Inputs
from symfind.load.inputs import describe
from symfind.report.model import Factor, Residual, Verification
from symfind.solve.families.combined import CombinedFamily
from symfind.solve.point.generator import BoundGenerator
from symfind.twin.formula import count
from symfind.verify import Verification as Outcome
from symfind.verify import verify
from symfind.verify.combination import Combination
from symfind.verify.function import Function, Point
from symfind.verify.invariance import Residual as Measured
from symfind.verify.invariance import measured, points_of

VERIFIED_PARAMETERS = 400_000_000
_INPUTS = 3  # draws, besides those given
_SHOWS = 1e-6  # of the output, that a random change of what moves does to it
INTERRUPTED = "interrupted"
TIME_UP = "the time limit was reached"


@dataclass(frozen=True)
class Verified:
    """The outcome for the report, and the approximate factors with their residuals.

    Attributes:
        function: what was evaluated, where that was not the model on all of its inputs.
        theta: a point at which it was.
        words: what is to be said of inputs beyond the given ones.
    """

    verification: Verification
    approximate: tuple[Factor, ...]
    function: Function | None = None
    theta: Point | None = None
    words: str = ""

    @property
    def proven(self) -> bool:
        """Whether all generators that are counted have been seen to hold."""
        return self.verification.status in ("verified", "failed")

    @property
    def here(self) -> bool:
        """Whether that was on the model itself."""
        return self.proven and self.verification.on is None

    @property
    def stopped(self) -> str:
        """Why nothing should be begun after this, empty where nothing stands against it."""
        reason = self.verification.reason
        return reason if reason in (INTERRUPTED, TIME_UP) else ""


def verify_derived(found: Derived, subject: Subject, wanted: bool) -> Verified:
    """Check all generators at a random point; those that fail leave the counted factors."""
    if not wanted:
        return unverified(found, "not asked for")
    try:
        return _verified(found, subject)
    except KeyboardInterrupt:
        return unverified(found, INTERRUPTED)
    except OutOfTime:
        return unverified(found, TIME_UP)
    except SymfindError:
        raise
    except Exception as error:  # memory, or an operation that cannot be differentiated
        first = (str(error).strip().splitlines() or [""])[0]
        reason = f"the model could not be evaluated: {type(error).__name__}: {first}"
        return unverified(found, reason.removesuffix(": "))


def unverified(found: Derived, reason: str) -> Verified:
    """Nothing was checked, and why."""
    return Verified(Verification("skipped", reason=reason), tuple(found.near))


def _verified(found: Derived, subject: Subject) -> Verified:
    hurried = remaining() is not None and found.parameters > MOST_PARAMETERS
    if found.parameters > VERIFIED_PARAMETERS or hurried:
        elsewhere = _elsewhere(found, subject)
        if elsewhere is not None:
            return elsewhere
    if found.parameters > VERIFIED_PARAMETERS:
        reason = f"{found.parameters:,} parameters in float64 do not fit in memory"
        return unverified(found, reason)
    subject.tell("verifying generators on the model")
    fewer = shorter(subject, found.parameters)
    function = subject.function() if fewer is None else fewer.function
    rng = torch.Generator().manual_seed(subject.seed)
    if fewer is None:
        theta = probed(function, rng)
    else:
        theta = fewer.theta
    points = points_of(function, rng, theta)
    pairs = found.generators(found.groups, found.factors)
    result = _checked([g for g, _ in pairs], subject, fewer, rng, points)
    bound = {id(g.family): g for g, _ in pairs}
    rejected = set(result.failed)
    kept = [_combined(one) for one in result.kept]
    bound |= {id(g.family): g for g in kept}
    found.reject({id(g.family) for g, _ in pairs if g.id in rejected}, [g.family for g in kept])
    _hold(found, bound, result.residuals)
    near = _near(found, subject, fewer, rng, points) if found.near else ()
    lost = tuple(found.factors[k] for k in sorted(found.failed))
    return Verified(
        Verification(
            "failed" if lost else "verified", subject.device, "float64", result.worst, lost,
            points=result.points, inputs=fewer.described if fewer else None,
        ),
        near,
        fewer.function if fewer else None,
        theta,
    )  # fmt: skip


def _elsewhere(found: Derived, subject: Subject) -> Verified | None:
    """On a narrower model of the same family: what fails there is not counted here either."""
    subject.tell("making a narrower model of the same family")
    other = narrower(subject)
    if other is None:
        return None
    there = replace(subject, loaded=other.member.loaded, graph=other.member.graph)
    own = Derived(count(other.member.graph, subject.output, {}, subject.without))
    result = _verified(own, there).verification
    if result.status == "failed":
        ids = {f.id for f in result.failed}
        named = {id(t.family) for g, f in zip(found.groups, found.factors, strict=True)
                 if f.id in ids for t in g.tallies}  # fmt: skip
        if len([f for f in found.factors if f.id in ids]) < len(ids):
            return unverified(found, "generators fail on a narrower model of the same family")
        found.reject(named)
    lost = tuple(found.factors[k] for k in sorted(found.failed))
    result = replace(
        result, failed=lost, inputs=describe(other.member.loaded.inputs), on=other.changed,
        parameters=own.parameters,
    )  # fmt: skip
    return Verified(result, tuple(found.near))


def _hold(
    found: Derived, bound: Mapping[int, BoundGenerator], residuals: Mapping[str, Measured]
) -> None:
    """Write residuals and generators into the factors whose families were looked at."""
    alike = Counter((r.infinitesimal, r.random) for r in residuals.values())
    for k, group in enumerate(found.groups):
        if all(id(t.family) in bound for t in group.tallies):
            generators = tuple(bound[id(t.family)] for t in group.tallies)
            worst = max((residuals[g.id] for g in generators), key=lambda r: r.worst)
            number = alike[worst.infinitesimal, worst.random]
            found.factors[k] = replace(
                found.factors[k],
                residual=_residual(worst, number if number > 1 else None),
                generators=generators,
            )


def _residual(found: Measured, together: int | None = None) -> Residual:
    return Residual(found.infinitesimal, found.random, found.finite, together)


def _near(
    found: Derived,
    subject: Subject,
    fewer: Shorter | None,
    rng: torch.Generator,
    points: Sequence[Point],
) -> tuple[Factor, ...]:
    """Approximate factors with their residuals; what no eps breaks is counted, and left out."""
    loose = found.generators(found.approximate, found.near)
    broken = _measured([g for g, _ in loose], subject, fewer, rng, points[0])
    small = [g for g, _ in loose if broken[g.id].finite is not None]
    exact = _unbroken(small, subject, rng, points) if small and fewer is None else []
    if exact and found.promote([g.family for g in exact]):
        _hold(found, {id(g.family): g for g in exact}, broken)
    near = []
    by_family = {id(g.family): g for g, _ in loose}
    for group, f in zip(found.approximate, found.near, strict=True):
        generators = tuple(by_family[id(t.family)] for t in group.tallies)
        r = broken[generators[0].id]
        # where a random direction changes less, nothing is approximate; where it changes nothing,
        # nothing was seen
        if r.infinitesimal < 1.0 and r.random > _SHOWS:
            near.append(replace(f, residual=_residual(r), generators=generators))
    return tuple(near)


def _unbroken(
    generators: Sequence[BoundGenerator],
    subject: Subject,
    rng: torch.Generator,
    points: Sequence[Point],
) -> list[BoundGenerator]:
    """Those that hold as well where every eps is large, and other changes of what moves show.

    Where all that an eps is added to is zero, no change shows, and nothing is told.
    """
    raised = subject.raised
    if raised is None:
        return []
    batches = [None, *_more(subject)]

    def holds(g: BoundGenerator) -> bool:
        effect = 0.0
        for inputs, theta in product(batches, points):
            result = verify(raised, [g], inputs, rng=rng, points=[theta], tell=subject.tell)
            if result.failed:
                return False
            effect = max(effect, result.random)
        return effect > _SHOWS

    return [g for g in generators if holds(g)]


def _checked(
    generators: Sequence[Generator],
    subject: Subject,
    fewer: Shorter | None,
    rng: torch.Generator,
    points: Sequence[Point],
) -> Outcome:
    """On fewer positions where these show everything; on all what fails there, or must be."""
    if fewer is None:
        return verify(subject.function(), generators, rng=rng, points=points,
                      more=lambda: _more(subject), tell=subject.tell)  # fmt: skip
    few, rest = split(generators, fewer, subject.seed)
    result = verify(fewer.function, few, rng=rng, points=points, tell=subject.tell)
    rest += [g for g in few if g.id in result.failed]
    if not rest:
        return result
    subject.tell(f"{len(rest)} of {len(generators)} generators on inputs of full length")
    whole = verify(subject.function(), rest, rng=rng, points=points, tell=subject.tell)
    residuals = {**result.residuals, **whole.residuals}
    worst = max(r.worst for r in residuals.values())
    return replace(whole, residuals=residuals, worst=worst)


def _more(subject: Subject) -> list[Inputs]:
    """Inputs besides the given ones, which may be few and on one side of what decides."""
    fresh, rng = subject.fresh(), torch.Generator().manual_seed(subject.seed)
    return [fresh(rng) for _ in range(_INPUTS)]


def _measured(
    generators: Sequence[Generator],
    subject: Subject,
    fewer: Shorter | None,
    rng: torch.Generator,
    theta: Point,
) -> dict[str, Measured]:
    """Of approximate generators: what fails on fewer positions needs no others to be seen to."""
    if fewer is None:
        return measured(subject.function(), generators, rng=rng, theta=theta, tell=subject.tell)
    found = measured(fewer.function, generators, rng=rng, theta=theta, tell=subject.tell)
    passed = [g for g in generators if found[g.id].finite is not None]
    _, rest = split(passed, fewer, subject.seed) if passed else ([], [])
    return found | measured(subject.function(), rest, rng=rng, theta=theta, tell=subject.tell)


def _combined(one: Combination) -> BoundGenerator:
    """The family that a combination of bound generators is."""
    parts = [(g.family, mix) for g, mix in one.parts if isinstance(g, BoundGenerator)]
    return BoundGenerator(one.id, CombinedFamily.of(tuple(parts)))
