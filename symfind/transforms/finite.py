"""Finite groups: what f does under one, how it acts on parameters, and weights that obey it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from symfind.alone import alone
from symfind.errors import TraceError
from symfind.load.loaded import Loaded
from symfind.ops.lower import Lowered, lower
from symfind.trace import trace_loaded
from symfind.transforms.given import Given, given_action
from symfind.transforms.groups import FiniteGroup, finite_group, group_of
from symfind.transforms.open import evaluator, open_function, weights_of
from symfind.transforms.oracle import Oracle
from symfind.transforms.parameters import TensorAction, averaged, moved
from symfind.transforms.reports import Equivariance, TensorPart
from symfind.transforms.representation import spelled
from symfind.transforms.symmetric import (
    FITTED,
    HOLDS,
    SPARE,
    Outcome,
    moved_values,
    outcome,
    over,
    samples,
)
from symfind.transforms.weighted import Weighted, weighted
from symfind.verify.sampling import Law

_SAMPLES = 48
_SHOWN = 200  # elements by which f is tried


@alone()
def equivariance(
    f: nn.Module | str | Callable[..., Any],
    x: Any = None,
    *,
    group: str | Any,
    axes: Sequence[int] = (),
    velocities: str | None = None,
    channels: str = "trivial",
    hidden: str = "auto",
    out: str = "auto",
    on: Sequence[str] = (),
    seed: int = 0,
    train: bool = False,
    specs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Equivariance:
    """See whether a function is invariant or equivariant under a finite group.

    Of a model, the action on its parameters is derived, f_gθ(g x) = ρ(g) f_θ(x), and tried at
    random θ. What it leaves in place are the weights of the equivariant network, a space of
    dimension (1/|G|) Σ tr ρ(g), and the average over the group projects any weights to it.

    Args:
        f: a module, a spec, or a function of tensors.
        x: an example of its input.
        group: `D1`, `C2`, `C4`, `D2`, `D4`, `T`, `O`, `Th`, `Oh` turn the axes of a grid; `S_n` and
            `C_n` permute the values of one axis; or a file .npy, or an array, of matrices
            [count, n, n] or permutations [count, n], which act along one axis.
        axes: of the input: those of the grid, the last ones by default, or the one that is mixed.
        velocities: a lattice, D2Q9: a point group then permutes the values of one axis as it does
            these velocities.
        channels: along the axis before the grid: `trivial`, `regular` or `vector`.
        hidden: along hidden indices: `trivial`, `regular`, `vector`, `index` (as the input), or
            `auto`: as the input where sizes allow it and one axis is permuted, else trivial.
        out: the same along the last other axis of the output.
        on: names of the inputs that are moved.
        seed: of all random numbers.
        train: batch statistics as in training.
        specs: input specs that replace the example inputs.
        settings: keyword arguments for a factory, class or config.
        weights: a checkpoint, at whose weights the function is taken.
        progress: called with a line on what is being done.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the matrices are no finite group, sizes do not fit, or a stride or an even
            kernel treats the two ends of an axis differently.
    """
    tell = progress or (lambda text: None)
    tell("loading the model")
    oracle, _, loaded = open_function(
        f, x, inputs=specs, settings=settings, weights=weights, train=train, seed=seed
    )
    oracle = oracle.choosing(on) if on else oracle
    acting = _group(group)
    given = given_action(oracle, acting, axes, velocities, channels)
    part = _part(loaded, oracle, given, hidden, out, seed, train, tell)
    tell("moving inputs")
    own = _outcomes(oracle, given, part, seed)
    found = _reported(oracle, f if isinstance(f, str) else oracle.name, given, own)
    if part is None or isinstance(part, str):
        return replace(found, reason=part or "")
    assert loaded is not None
    return _with_parameters(found, oracle, loaded, given, part, seed, train, tell)


def _group(group: Any) -> FiniteGroup:
    if isinstance(group, FiniteGroup):
        return group
    if isinstance(group, str):
        return finite_group(group)
    return group_of(group.numpy() if isinstance(group, Tensor) else group)


def _part(
    loaded: Loaded | None,
    oracle: Oracle,
    given: Given,
    hidden: str,
    out: str,
    seed: int,
    train: bool,
    tell: Callable[[str], None],
) -> Weighted | str | None:
    """The action on the parameters, or why there is none; None where there are no parameters."""
    if loaded is None or not any(p.requires_grad for p in loaded.model.parameters()):
        return None
    tell("deriving the action on the parameters")
    try:
        lowered = lower(trace_loaded(loaded, train=train), "raw")
    except TraceError as error:
        return f"the model cannot be traced: {error}"
    if not given.group.orthogonal:
        return "the matrices are not orthogonal: no action on parameters is derived"
    tries = ["auto", "trivial"] if hidden == "auto" else [hidden]
    result: Weighted | str = ""
    for name in tries:
        result = _tried(lowered, loaded, oracle, given, name, out, seed, train)
        if isinstance(result, Weighted):
            return result
    return result


def _tried(
    lowered: Lowered,
    loaded: Loaded,
    oracle: Oracle,
    given: Given,
    hidden: str,
    out: str,
    seed: int,
    train: bool,
) -> Weighted | str:
    made = weighted(lowered, oracle, given, hidden, out, dict(loaded.model.named_buffers()))
    residual = _residual(loaded, oracle, given, made, seed, train)
    if residual <= HOLDS:
        return replace(made, residual=residual)
    return (
        "the action that follows from the axes of the parameters changes f: f_gθ(g x) differs "
        f"from ρ(g) f_θ(x) by {residual:.0e} (a hidden index that a nonlinearity mixes, or "
        "positions that are told apart)"
    )


def _residual(
    loaded: Loaded, oracle: Oracle, given: Given, made: Weighted, seed: int, train: bool
) -> float:
    """How much f_gθ(g x) and ρ(g) f_θ(x) differ at random θ and x, for generators."""
    rng = torch.Generator().manual_seed(seed)
    theta = weights_of(loaded, seed)
    for name, parameter in loaded.model.named_parameters():
        if parameter.requires_grad:
            theta[name] = Law.of(loaded.model, name).draw(rng)
    values = samples(oracle, 4, seed)
    before = _at(oracle, loaded, theta, train).structured(values)
    worst = 0.0
    for g in given.group.generators:
        turned = moved(made.actions, theta, g)
        after = _at(oracle, loaded, turned, train).structured(
            moved_values(given.motions, values, g)
        )
        for y, z, motion in zip(before, after, made.outputs, strict=True):
            spread = float((y - y.roll(1, 0)).square().mean().sqrt()) or 1.0
            worst = max(worst, float((z - over(motion, y, g)).square().mean().sqrt()) / spread)
    return worst


def _at(oracle: Oracle, loaded: Loaded, values: Mapping[str, Tensor], train: bool) -> Oracle:
    """The same function at other weights."""
    return replace(oracle, evaluate=evaluator(loaded.model, values, train))


def _outcomes(
    oracle: Oracle, given: Given, part: Weighted | str | None, seed: int
) -> list[Outcome]:
    """What every output of f itself does."""
    group = given.group
    sizes = [y[0].numel() for y in oracle.structured(samples(oracle, 1, seed))]
    few = max((n for n in sizes if n <= FITTED), default=0)  # outputs of a map to be fitted
    values = samples(oracle, max(_SAMPLES, 2 * (few + SPARE)), seed)
    before = oracle.structured(values)
    count = min(len(group.elements), _SHOWN)
    after = [oracle.structured(moved_values(given.motions, values, g)) for g in range(count)]
    outputs = part.outputs if isinstance(part, Weighted) else (None,) * len(before)
    return [
        outcome(group, y, [ys[i] for ys in after], given.ways(tuple(y.shape[1:]), outputs[i]))
        for i, y in enumerate(before)
    ]


def _reported(oracle: Oracle, spec: str, given: Given, own: Sequence[Outcome]) -> Equivariance:
    kinds = [o.kind for o in own]
    kind = next((k for k in ("neither", "equivariant") if k in kinds), "invariant")
    residuals = torch.stack([o.residuals for o in own]).amax(0)
    group = given.group
    characters = own[0].characters
    whole = characters is not None and len(characters) == len(group.elements)
    return Equivariance(
        function=oracle.name,
        spec=spec,
        group=group.name,
        order=group.order,
        acts=given.words,
        kind=kind,  # type: ignore[arg-type]
        how="; ".join(dict.fromkeys(o.how for o in own)),
        representation=spelled(group, characters) if whole and characters is not None else "",
        residuals=tuple(residuals.tolist()),
        reason="",
    )


def _with_parameters(
    found: Equivariance,
    oracle: Oracle,
    loaded: Loaded,
    given: Given,
    part: Weighted,
    seed: int,
    train: bool,
    tell: Callable[[str], None],
) -> Equivariance:
    group, values = given.group, weights_of(loaded, seed)
    trained = {n for n, p in loaded.model.named_parameters() if p.requires_grad}
    parts = [_tensor(a, group) for n, a in part.actions.items() if n in trained]
    result = replace(
        found,
        action=part.residual,
        tensors=tuple(parts),
        parameters=sum(p.size for p in parts),
        free=sum(p.free for p in parts),
    )
    if not group.full:
        return result
    tell("averaging the weights over the group")
    projected = averaged(part.actions, values, group)
    at = _at(oracle, loaded, projected, train)
    after = max(float(o.residuals.max()) for o in _outcomes(at, given, part, seed))
    kept = {n: projected[n].to(v.dtype) for n, v in _state(loaded).items() if n in projected}
    return replace(result, symmetrised=after, weights=kept)


def _state(loaded: Loaded) -> dict[str, Tensor]:
    return {**dict(loaded.model.named_parameters()), **dict(loaded.model.named_buffers())}


def _tensor(acting: TensorAction, group: FiniteGroup) -> TensorPart:
    size = 1
    for n in acting.shape:
        size *= n
    return TensorPart(acting.name, acting.shape, acting.words, size, acting.free(group))
