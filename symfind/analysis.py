"""The whole of an analysis: load, trace, derive, count, verify, certify, report."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from symfind import __version__
from symfind.errors import InputError, SymfindError, TraceError
from symfind.load import Inputs, Loaded, as_inputs, check_fits, load, sizes_of
from symfind.load.build import check_model
from symfind.load.inputs import describe as describe_inputs
from symfind.load.inputs import leaves, map_leaves
from symfind.report.model import (
    Certificate,
    Dimension,
    Factor,
    ModelInfo,
    Report,
    Residual,
    Timing,
    Unsupported,
    Verification,
    Versions,
)
from symfind.solve.bound import BoundGenerator
from symfind.solve.count import tally, whole
from symfind.solve.factors import Group, factor, gather, spell
from symfind.solve.solver import derive
from symfind.solve.symbols import Symbols
from symfind.trace import Graph, trace
from symfind.trace.blame import place
from symfind.trace.misfit import misfit

if TYPE_CHECKING:
    from symfind.verify import Function

DENSE_PARAMETERS = 3000
MOST_PARAMETERS = 10_000
VERIFIED_PARAMETERS = 400_000_000

Tell = Callable[[str], None] | None


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
        weights: a checkpoint whose names and shapes are checked against the model.
        progress: called with a line on what is being done.

    Returns:
        The report. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is not finite on them.
        TraceError: the model cannot be traced; the message names the line.
    """
    from symfind.verify.threads import fitting_threads

    tell = progress or (lambda text: None)
    start = time.perf_counter()
    tell("loading the model")
    loaded = _loaded(model, example_inputs, inputs, settings or {}, weights, seed)
    ends = {"load": time.perf_counter()}
    tell("tracing")
    graph = _traced(loaded, train)
    ends["trace"] = time.perf_counter()
    tell("deriving symmetries")
    try:
        with fitting_threads(0):  # many small matrices
            found = _Derived(graph, loaded, output)
    except Exception:
        sizes = [math.prod(op.shape or ()) for op in graph.parameters.values()]
        if sum(sizes) <= VERIFIED_PARAMETERS:
            # indices out of range show up here first; then that is what there is to say
            function = _function(loaded, graph, output, device, train)
            _probe(function, function.random_point(torch.Generator().manual_seed(seed)))
        raise
    ends["solve"] = time.perf_counter()
    verification, failed, approximate = _verify(
        found, loaded, graph, output, verify, device, seed, train, tell
    )
    ends["verify"] = time.perf_counter()
    proven = verification.status == "verified"
    try:
        certificate = _certify(
            found, loaded, graph, output, certify, device, seed, train, failed, proven, tell
        )
    except KeyboardInterrupt:
        certificate = Certificate("undetermined", reason="interrupted")
    ends["certify"] = time.perf_counter()
    return found.report(
        loaded, graph, output, train, verification, failed, approximate, certificate,
        _timing(start, ends),
    )  # fmt: skip


def _traced(loaded: Loaded, train: bool) -> Graph:
    try:
        return trace(loaded.model, loaded.inputs.args, loaded.inputs.kwargs, train=train)
    except TraceError as error:
        raise misfit(loaded.model, loaded.inputs) or error from error


def _timing(start: float, ends: dict[str, float]) -> Timing:
    spent = {}
    for name, end in ends.items():
        spent[name] = round(end - start, 3)
        start = end
    return Timing(**spent)


def _loaded(
    model: nn.Module | str,
    example_inputs: Any,
    inputs: Sequence[str],
    settings: Mapping[str, Any],
    weights: str | None,
    seed: int,
) -> Loaded:
    if isinstance(model, str):
        loaded = load(model, inputs=inputs, settings=settings, weights=weights, seed=seed)
        if example_inputs is not None:
            loaded.inputs = as_inputs(example_inputs)
            check_fits(loaded.model, loaded.inputs)
        return loaded
    name = type(model).__name__
    check_model(model, name)
    if example_inputs is None:
        raise InputError(
            f"{name} needs example inputs: pass example_inputs=, a tensor, a tuple or a dict"
        )
    given = as_inputs(example_inputs)
    check_fits(model, given)
    return Loaded(model, given, name, name, sizes_of(model))


class _Derived:
    """What the symbolic side found, counted and grouped."""

    def __init__(self, graph: Graph, loaded: Loaded, output: str) -> None:
        self.derivation = derive(graph, output)
        self.symbols = Symbols(loaded.sizes)
        self.shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
        self.parameters = sum(math.prod(s) for s in self.shapes.values())
        self.unread = {name: math.prod(self.shapes[name]) for name in graph.unread}
        families = self.derivation.families
        relaxed = self.derivation.approximate
        tallies = tally(families, self.shapes, self.symbols)
        self.open = [t for t in tallies if not t.known]
        self.groups = gather(tallies)
        self.approximate = gather([whole(f, self.symbols) for f in relaxed])
        taken: set[str] = set()
        self.factors = [factor(g, self.symbols, taken) for g in self.groups]
        self.near = [factor(g, self.symbols, taken) for g in self.approximate]

    def generators(
        self, groups: Sequence[Group], factors: Sequence[Factor]
    ) -> list[tuple[BoundGenerator, int]]:
        """Bound generators and the factor that each belongs to."""
        return [
            (BoundGenerator(f"{f.id}@{i}", t.family), k)
            for k, (g, f) in enumerate(zip(groups, factors, strict=True))
            for i, t in enumerate(g.tallies)
        ]

    def separate(self, rejected: set[int]) -> set[int]:
        """Give families that failed factors of their own, so that the others stand.

        Args:
            rejected: identities of families.

        Returns:
            The positions of the factors that failed.
        """
        if not rejected:
            return set()
        failed: set[int] = set()
        groups: list[Group] = []
        for group in self.groups:
            good = [t for t in group.tallies if id(t.family) not in rejected]
            bad = [t for t in group.tallies if id(t.family) in rejected]
            groups += [Group(good)] if good else []
            if bad:
                failed.add(len(groups))
                groups.append(Group(bad))
        taken: set[str] = set()
        self.groups = groups
        self.factors = [factor(g, self.symbols, taken) for g in groups]
        return failed

    def orbit(self, without: set[int]) -> tuple[int, int, int]:
        """Dimensions of algebra, orbit and inert directions of the factors that stand."""
        algebra = symmetry = inert = 0
        for k, g in enumerate(self.groups):
            if k in without:
                continue
            if g.tallies[0].family.kind == "inert":
                inert += g.orbit
            else:
                algebra += sum(t.algebra for t in g.tallies)
                symmetry += g.orbit
        return algebra, symmetry, inert + sum(self.unread.values())

    def formula(self, without: set[int]) -> str:
        total: Any = sum(self.unread.values())
        for k, g in enumerate(self.groups):
            if k not in without:
                total = total + g.formula(self.symbols, orbit=True)
        return spell(total)

    def report(
        self,
        loaded: Loaded,
        graph: Graph,
        output: Any,
        train: bool,
        verification: Verification,
        failed: set[int],
        approximate: tuple[Factor, ...],
        certificate: Certificate,
        timing: Timing,
    ) -> Report:
        algebra, symmetry, inert = self.orbit(failed)
        formula = self.formula(failed)
        sizes = {k: v for k, v in sorted(self.symbols.used.items()) if k in formula}
        return Report(
            model=ModelInfo(
                loaded.name,
                loaded.spec,
                describe_inputs(loaded.inputs, loaded.model),
                "train" if train else "eval",
                {name: math.prod(shape) for name, shape in self.shapes.items()},
            ),
            output=output,
            dimension=Dimension.of(self.parameters, algebra, symmetry, inert, formula, sizes),
            factors=tuple(f for k, f in enumerate(self.factors) if k not in failed)
            + self._unread_factors(),
            approximate=approximate,
            discrete=(),
            unsupported=self._gaps(),
            certificate=certificate,
            verification=verification,
            timing=timing,
            versions=Versions(__version__, str(torch.__version__)),
        )

    def _unread_factors(self) -> tuple[Factor, ...]:
        from symfind.report.model import GeneratorText

        return tuple(
            Factor(
                f"{name}:unread", "inert", f"R^{n}", f"R^{n}", 1, n, n, str(n), (name,),
                GeneratorText(f"{name} -> anything", ""),
            )
            for name, n in self.unread.items()
        )  # fmt: skip

    def _gaps(self) -> tuple[Unsupported, ...]:
        nodes: dict[tuple[str, str], list[str]] = {}
        for op, why in self.derivation.lowered.gaps:
            nodes.setdefault((op.target, why), []).append(op.name)
        gaps = [
            Unsupported(target, tuple(names), "rigid" if why == "no rule" else f"rigid: {why}")
            for (target, why), names in nodes.items()
        ]
        if self.open:
            names = tuple(dict.fromkeys(n for t in self.open for n in t.family.names))
            gaps.append(Unsupported("count", names, "left out: no closed formula was identified"))
        return tuple(gaps)


def _function(loaded: Loaded, graph: Graph, output: Any, device: str, train: bool) -> "Function":
    from symfind.verify import Function

    return Function(
        loaded.model,
        loaded.inputs.args,
        loaded.inputs.kwargs,
        train=train,
        output=output,
        device=device,
    )


def _verify(
    found: _Derived,
    loaded: Loaded,
    graph: Graph,
    output: Any,
    wanted: bool,
    device: str,
    seed: int,
    train: bool,
    tell: Callable[[str], None],
) -> tuple[Verification, set[int], tuple[Factor, ...]]:
    from dataclasses import replace

    from symfind.verify import verify

    if not wanted:
        return Verification("skipped", reason="not asked for"), set(), tuple(found.near)
    if found.parameters > VERIFIED_PARAMETERS:
        reason = f"{found.parameters:,} parameters in float64 do not fit in memory"
        return Verification("skipped", reason=reason), set(), tuple(found.near)
    tell("verifying generators on the model")
    function = _function(loaded, graph, output, device, train)
    rng = torch.Generator().manual_seed(seed)
    theta = function.random_point(rng)
    _probe(function, theta)
    pairs = found.generators(found.groups, found.factors)
    result = verify(function, [g for g, _ in pairs], rng=rng, theta=theta)
    bound = {id(g.family): g for g, _ in pairs}
    rejected = set(result.failed)
    failed = found.separate({id(g.family) for g, _ in pairs if g.id in rejected})
    for k, group in enumerate(found.groups):
        generators = [bound[id(t.family)] for t in group.tallies]
        measured = [result.residuals[g.id] for g in generators]
        worst = max(measured, key=lambda r: max(r.infinitesimal, r.finite or 0.0))
        residual = Residual(worst.infinitesimal, worst.random, worst.finite)
        found.factors[k] = replace(
            found.factors[k], residual=residual, generators=tuple(generators)
        )
    near = []
    if found.near:
        loose = found.generators(found.approximate, found.near)
        measured_near = verify(function, [g for g, _ in loose], rng=rng, theta=theta)
        for k, f in enumerate(found.near):
            generators = [g for g, i in loose if i == k]
            r = measured_near.residuals[generators[0].id]
            residual = Residual(r.infinitesimal, r.random, r.finite)
            near.append(replace(f, residual=residual, generators=tuple(generators)))
    lost = tuple(found.factors[k] for k in sorted(failed))
    status: Any = "failed" if failed else "verified"
    return (
        Verification(status, device, "float64", result.worst, lost),
        failed,
        tuple(near),
    )


def _probe(function: "Function", theta: Mapping[str, torch.Tensor]) -> None:
    """Evaluate once: what fails here fails because of the inputs, or is not finite."""
    try:
        function(theta)
    except SymfindError:
        raise
    except Exception as error:
        at = place(error)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the model fails on its example inputs: {type(error).__name__}: {reason}"
            + (f" at {at!r}" if at else "")
            + ". Give inputs of the shapes, dtypes and ranges that forward expects (--input; an "
            "upper bound for integers is written 'i64<VOCAB>[1,128]')"
        ) from error


def _bounds(loaded: Loaded, graph: Graph) -> dict[str, int]:
    """Upper bounds of integer inputs: those given, else the table that an input is looked up in."""
    bounds = dict(loaded.inputs.bounds)
    keys = [key for key, leaf in leaves(loaded.inputs) if isinstance(leaf, torch.Tensor)]
    for key, op in zip(keys, graph.inputs, strict=False):
        for user in op.users:
            if user.target.startswith("aten.embedding") and user.args[1] is op:
                bounds.setdefault(key, int((user.args[0].shape or (2,))[0]))
    return bounds


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point()


def _certify(
    found: _Derived,
    loaded: Loaded,
    graph: Graph,
    output: Any,
    certify: str,
    device: str,
    seed: int,
    train: bool,
    failed: set[int],
    proven: bool,
    tell: Callable[[str], None],
) -> Certificate:
    from symfind.load.inputs import draw
    from symfind.verify import measure_nullity

    if certify == "never":
        return Certificate("skipped", reason="not asked for")
    if found.parameters > DENSE_PARAMETERS and certify == "auto":
        reason = f"{found.parameters:,} parameters are too many for a dense Jacobian"
        return Certificate("skipped", reason=reason)
    if found.parameters > MOST_PARAMETERS:
        reason = f"{found.parameters:,} parameters: a dense Jacobian is for {MOST_PARAMETERS:,}"
        return Certificate("skipped", reason=f"{reason} at most")
    tell("measuring the nullity")
    function = _function(loaded, graph, output, device, train)
    bounds = _bounds(loaded, graph)
    start = Inputs(loaded.inputs.args, loaded.inputs.kwargs, bounds)

    def fresh(rng: torch.Generator) -> Inputs:
        # Of several sizes, so that units that are rarely active are reached as well.
        scale = float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))
        return map_leaves(
            draw(start, rng, bounds=bounds, dtype=torch.float64),
            lambda _, leaf: leaf * scale if _is_float(leaf) else leaf,
        )

    _, symmetry, inert = found.orbit(failed)
    redundant = symmetry + inert
    measured = measure_nullity(
        function,
        fresh,
        seed=seed,
        expected=redundant if proven else None,
        progress=tell,
    )
    common: dict[str, Any] = {
        "method": "jacobian",
        "on": "model",
        "parameters": found.parameters,
        "nullity": measured.nullity,
        "redundant": redundant,
        "unexplained": None if measured.nullity is None else measured.nullity - redundant,
        "gap": measured.gap,
        "points": measured.points,
    }
    if measured.status == "undetermined" or measured.nullity is None:
        return Certificate("undetermined", reason=measured.reason, **common)
    if measured.nullity == redundant:
        return Certificate("complete", **common)
    if measured.nullity < redundant:
        return Certificate(
            "undetermined",
            reason="more was derived than measured: the inputs are special, or this is a bug",
            **common,
        )
    tell("looking for what carries the unexplained directions")
    from symfind.solve.support import unexplained_support

    assert measured.theta is not None and measured.null is not None
    support = unexplained_support(
        measured.theta,
        measured.null,
        [t.family for k, g in enumerate(found.groups) if k not in failed for t in g.tallies],
        found.unread,
    )
    return Certificate("incomplete", unexplained_support=support, **common)
