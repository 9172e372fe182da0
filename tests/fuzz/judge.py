"""What is derived of a random network, held against what is true of it."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import symfind
from symfind.analysis import certification
from symfind.analysis.derived import Derived
from symfind.count.counted import counted
from symfind.count.rank import directions
from symfind.count.symbols import Symbols
from symfind.errors import SymfindError
from symfind.load import Inputs
from symfind.points import enliven
from symfind.solve.families.family import Family
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Nullity, measure_nullity
from tests.fuzz.network import Network
from tests.fuzz.truth import Measured, Theta, Truth
from tests.fuzz.written import Written

SLOW = 30.0  # seconds of processor time
POINTS = 3  # at which directions must vanish
FALSE = 1e-8  # change of the outputs along a direction, both at unit norm
BATCH = 8
LIVELY = 8  # points, and inputs on which units are to switch
LONG, LONGER = 12, 40  # points, before rules are called short, or a certificate false
TIMES = (0.3, 1.0)
RESOLVED, SHORTEST = 1e-3, 1e-4  # of a flow that does not depend on its steps, and of the time
STEPS = ((8, 32), (128, 512))  # of an integrator: more where the field bends too much for its order
STILL = 1e-10  # change of the outputs at both ends, beyond which no step is the reason


@dataclass
class Verdict:
    """What came of one seed: `words` are those that must not occur."""

    seed: int
    status: str = "short"
    derived: int = -1
    nullity: int = -1
    words: str = ""
    seconds: float = 0.0
    rigid: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether it is unsound, a crash, or too slow."""
        return self.status.isupper() or self.seconds > SLOW

    def __str__(self) -> str:
        slow = " SLOW" if self.seconds > SLOW else ""
        return (f"seed {self.seed}: {self.status}{slow}, {self.derived} of {self.nullity}, "
                f"{self.seconds:.1f} s {self.words}")  # fmt: skip


def judge(seed: int, verify: bool, drawn: type[Network] = Network) -> Verdict:
    """Judge one random network: the rules alone, or all of an analysis."""
    return judge_model(drawn(seed), verify)


def judge_model(model: Network | Written, verify: bool) -> Verdict:
    """Judge a network."""
    verdict = Verdict(model.seed)
    truth = Truth(model)
    if not truth.count:
        verdict.status = "empty"
        return verdict
    points = [m for m, _ in zip(truth.measure(), range(2 * POINTS), strict=False)]
    if not points:
        verdict.status = "no point"
        return verdict
    clear = [m for m in points if m.clear]
    if not clear:
        verdict.status = "no gap"
        return verdict
    verdict.nullity = min(m.nullity for m in clear)
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (_analysed if verify else _alone)(verdict, truth, points)
    except SymfindError as error:
        verdict.status, verdict.words = "REFUSED", f"{type(error).__name__}: {error}"
    except Exception as error:
        verdict.status, verdict.words = "CRASH", f"{type(error).__name__}: {error}"[:300]
    verdict.seconds = time.process_time() - start
    if verdict.status == "short":
        _look_longer(verdict, truth, LONG, times=1)
        verdict.status = "complete" if verdict.derived == verdict.nullity else "short"
    return verdict


def _example(model: Network | Written) -> Inputs:
    x = model.example(BATCH, torch.Generator().manual_seed(0))
    return Inputs((x,), {}, {} if x.is_floating_point() else {"0": model.rows})


def _analysed(verdict: Verdict, truth: Truth, points: list[Measured]) -> None:
    """The whole of an analysis: what it counts, and what it says of that."""
    seen: list[Nullity] = []

    def watched(*args: Any, **options: Any) -> Nullity:
        seen.append(measure_nullity(*args, **options))
        return seen[-1]

    with mock.patch.object(certification, "measure_nullity", watched):
        report = symfind.analyze(truth.model, _example(truth.model))
    verdict.derived = report.dimension.redundant
    verdict.rigid = tuple(u.op for u in report.unsupported)
    verdict.status = report.certificate.status
    if "derivation" in verdict.rigid:
        verdict.status, verdict.words = "CRASH", str(report.unsupported)[:300]
    elif verdict.derived > verdict.nullity:
        verdict.status = "FALSE"
    elif verdict.status == "complete" and verdict.derived < verdict.nullity:
        _look_longer(verdict, truth, LONGER, times=4)
        # Any point bounds the nullity from above, whoever proposed it; this measures it anew.
        for theta in (one.theta for one in seen if one.theta is not None):
            if verdict.derived < verdict.nullity:
                verdict.nullity = min(verdict.nullity, truth.nullity_at(theta))
        if verdict.derived < verdict.nullity:
            verdict.status = "FALSE COMPLETE"
    elif verdict.derived == verdict.nullity:
        verdict.status = "complete"


def _look_longer(verdict: Verdict, truth: Truth, points: int, times: int) -> None:
    """Bring the nullity down to what is derived: units may have been dead at all points so far."""
    for m in truth.measure(points, spread=3.0, times=times):
        verdict.nullity = min(verdict.nullity, m.nullity if m.clear else truth.count)
        if verdict.derived < verdict.nullity:
            verdict.nullity = min(verdict.nullity, truth.nullity_at(m.theta, draws=3))
        if verdict.derived == verdict.nullity:
            return
    for theta in _lively(truth):
        verdict.nullity = min(verdict.nullity, truth.nullity_at(theta, draws=3))
        if verdict.derived == verdict.nullity:
            return


def _lively(truth: Truth) -> Iterator[Theta]:
    """Points at which units live: any point bounds the nullity from above, whoever proposes it."""
    graph = trace(truth.model, _example(truth.model).args, {})
    (key,) = (op.key for op in graph.ops if op.target == "input")
    for _ in range(LIVELY):
        inputs = [{key: truth.inputs()[:BATCH]} for _ in range(LIVELY)]
        theta = enliven(graph, truth.point(1.0, 1.5), inputs, truth.rng)
        yield {n: w + 1e-3 * torch.randn(w.shape, generator=truth.rng, dtype=w.dtype)
               for n, w in theta.items()}  # fmt: skip


def _alone(verdict: Verdict, truth: Truth, points: list[Measured]) -> None:
    """The rules: every direction, and every family followed for a while."""
    inputs = _example(truth.model)
    graph = trace(truth.model, inputs.args, {})
    derived = Derived(counted(graph, derive(graph), Symbols({})))
    verdict.derived = derived.redundant
    verdict.rigid = tuple(op.target for op, _ in derived.derivation.lowered.gaps)
    verdict.status = "complete" if verdict.derived == verdict.nullity else "short"
    if verdict.derived > verdict.nullity:
        verdict.status, verdict.words = "FALSE", "more than the nullity"
    for family in derived.derivation.families:
        words = _false(family, truth, points)
        if words:
            verdict.status = "FALSE"
            verdict.words += f"; {family.kind} of {', '.join(family.names)}: {words}"


def _false(family: Family, truth: Truth, points: list[Measured]) -> str:
    for m in points[:POINTS]:
        found = directions(Point(m.theta), [family], truth.sizes)
        if not found.numel() or not bool(torch.isfinite(found).all()):
            continue
        found = found / found.norm(dim=0).clamp(min=1e-12)
        change = (m.jacobian @ found).norm(dim=0) / m.jacobian.norm(dim=0).max().clamp(min=1e-300)
        if float(change.max()) > FALSE:
            return f"moves the outputs by {float(change.max()):.1e}"
    loose = getattr(family, "loose", False)  # its field has to be followed step by step
    for m in points[: 1 if loose else 2]:
        for t in TIMES[: 1 if loose else 2]:
            change = _followed(family, truth, m, t)
            if change > 1e-6:
                return f"followed for {t} it moves the outputs by {change:.1e}"
    return ""


def _followed(family: Family, truth: Truth, m: Measured, t: float) -> float:
    """How far a random element of the group moves the outputs, relative to their size."""
    rng = torch.Generator().manual_seed(truth.model.seed)
    c = torch.randn(family.count(), generator=rng, dtype=torch.float64)
    c = c / max(1.0, float(c.norm()))
    if getattr(family, "loose", False):
        return _stepped(family, truth, m, c, t)
    return _moved(truth, m, {**m.theta, **Point(m.theta).flow(family, c, t)})


def _stepped(family: Family, truth: Truth, m: Measured, c: Tensor, t: float) -> float:
    """The same of a field that is followed in steps, for a shorter time before a pole of it."""
    whole, fine = t, 0.0
    while True:
        for few, many in STEPS:
            ends = [_integrated(family, m.theta, c, t, n) for n in (few, many)]
            coarse, fine = (_moved(truth, m, end) for end in ends)
            if 0 < coarse < STILL and 0 < fine < STILL:  # zero is of ends too far to compare
                return fine * whole / t
            if fine < coarse / 16:  # of an integrator of order four
                return 0.0
        apart, gone = (
            max(float((end[n] - m.theta[n]).abs().max()) for n in end)
            for end in ({n: m.theta[n] + ends[0][n] - ends[1][n] for n in ends[0]}, ends[1])
        )
        if apart <= RESOLVED * gone or t < whole * SHORTEST:
            return fine * whole / t
        t /= 10


def _moved(truth: Truth, m: Measured, theta: Theta) -> float:
    with torch.no_grad():
        before, after = truth(m.theta, m.x), truth(theta, m.x)
    far = max(float(w.abs().max()) for w in theta.values())
    if not bool(torch.isfinite(after).all()) or not far < 1e4:
        return 0.0  # too far to compare anything
    return float((after - before).abs().max() / before.abs().max().clamp(min=1.0))


def _integrated(family: Family, theta: Theta, c: Tensor, t: float, steps: int) -> dict[str, Tensor]:
    here, h = dict(theta), t / steps

    def field(point: Theta) -> dict[str, Tensor]:
        return Point(point).direction(family, c)

    def along(k: dict[str, Tensor], s: float) -> dict[str, Tensor]:
        return {n: w + s * k[n] if n in k else w for n, w in here.items()}

    for _ in range(steps):
        a = field(here)
        b = field(along(a, h / 2))
        d = field(along(b, h / 2))
        e = field(along(d, h))
        here = {n: w + h / 6 * (a[n] + 2 * b[n] + 2 * d[n] + e[n]) if n in a else w
                for n, w in here.items()}  # fmt: skip
    return here
