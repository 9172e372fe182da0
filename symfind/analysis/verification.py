"""Every derived generator is checked on the model itself."""

from dataclasses import dataclass, replace

import torch

from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject, probe
from symfind.errors import SymfindError
from symfind.report.model import Factor, Residual, Verification
from symfind.solve.families.combined import CombinedFamily
from symfind.solve.point.generator import BoundGenerator
from symfind.verify import verify
from symfind.verify.budget import OutOfTime
from symfind.verify.combination import Combination
from symfind.verify.invariance import points_of

VERIFIED_PARAMETERS = 400_000_000
INTERRUPTED = "interrupted"
TIME_UP = "the time limit was reached"


@dataclass(frozen=True)
class Verified:
    """The outcome for the report, and the approximate factors with their residuals."""

    verification: Verification
    approximate: tuple[Factor, ...]

    @property
    def proven(self) -> bool:
        """Whether all generators that are counted have been seen to hold."""
        return self.verification.status in ("verified", "failed")

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
    if found.parameters > VERIFIED_PARAMETERS:
        reason = f"{found.parameters:,} parameters in float64 do not fit in memory"
        return unverified(found, reason)
    subject.tell("verifying generators on the model")
    function = subject.function()
    rng = torch.Generator().manual_seed(subject.seed)
    theta = function.random_point(rng)
    probe(function, theta)
    points = points_of(function, rng, theta)
    pairs = found.generators(found.groups, found.factors)
    result = verify(function, [g for g, _ in pairs], rng=rng, points=points)
    bound = {id(g.family): g for g, _ in pairs}
    rejected = set(result.failed)
    kept = [_combined(one) for one in result.kept]
    bound |= {id(g.family): g for g in kept}
    found.reject({id(g.family) for g, _ in pairs if g.id in rejected}, [g.family for g in kept])
    for k, group in enumerate(found.groups):
        generators = [bound[id(t.family)] for t in group.tallies]
        measured = [result.residuals[g.id] for g in generators]
        worst = max(measured, key=lambda r: r.worst)
        residual = Residual(worst.infinitesimal, worst.random, worst.finite)
        found.factors[k] = replace(
            found.factors[k], residual=residual, generators=tuple(generators)
        )
    near = []
    if found.near:
        loose = found.generators(found.approximate, found.near)
        broken = verify(function, [g for g, _ in loose], rng=rng, points=points[:1])
        for k, f in enumerate(found.near):
            generators = [g for g, i in loose if i == k]
            r = broken.residuals[generators[0].id]
            residual = Residual(r.infinitesimal, r.random, r.finite)
            near.append(replace(f, residual=residual, generators=tuple(generators)))
    lost = tuple(found.factors[k] for k in sorted(found.failed))
    return Verified(
        Verification(
            "failed" if lost else "verified", subject.device, "float64", result.worst, lost,
            points=result.points,
        ),
        tuple(near),
    )  # fmt: skip


def _combined(one: Combination) -> BoundGenerator:
    """The family that a combination of bound generators is."""
    parts = [(g.family, mix) for g, mix in one.parts if isinstance(g, BoundGenerator)]
    return BoundGenerator(one.id, CombinedFamily.of(tuple(parts)))
