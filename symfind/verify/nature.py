"""What kind of null directions these are: of which inputs, of which points, of which origin."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.verify import budget
from symfind.verify.function import Call, Function, Point
from symfind.verify.nullity import Draw
from symfind.verify.rank import NOISE, spectral_rank

_SPARE = 9  # samples more than the dimension that is looked for
_MOST_RANK = 800  # functions, up to which their span is sampled
_MOST_FIELDS = 1200  # linear vector fields that are tried at once
_POINTS = 4  # at which they must vanish
_PART = 1e-6  # of a unit vector, below which it lies in the span of others


def persisting(
    function: Function, theta: Point, known: Tensor, beyond: Tensor, draw: Draw, seed: int
) -> int | None:
    """How many null directions, up to known ones, are null for other inputs as well.

    Args:
        function: the function.
        theta: the point where they are null.
        known: known null directions, [parameters, known]; they need not be null for these inputs.
        beyond: those in question, [parameters, number].
        draw: draws the other inputs.
        seed: of these.

    Returns:
        The number; None where the function cannot be evaluated on these inputs.
    """
    vectors = torch.cat([known, beyond], 1)
    rng = torch.Generator().manual_seed(seed)
    rows: list[Tensor] = []
    norms: list[Tensor] = []
    count = 0
    while count < vectors.shape[1] + 32 and len(rows) < 200:
        budget.check()
        try:
            call = function.place(draw(rng))
            jacobian = function.pullback(theta, call, _cotangents(function, theta, call, rng))
        except (InputError, RuntimeError, ValueError, IndexError, TypeError):
            return None
        rows.append(jacobian @ vectors)
        norms.append(jacobian.norm())
        count += len(jacobian)
    effect = torch.cat(rows) / torch.stack(norms).square().sum().sqrt()
    if len(effect) > effect.shape[1]:
        effect = torch.linalg.qr(effect, mode="r").R
    _, values, vh = torch.linalg.svd(effect, full_matrices=True)
    null = vh[int((values > 10**NOISE).sum()) :].T[known.shape[1] :]
    return int((torch.linalg.svdvals(null) > _PART).sum()) if null.numel() else 0


def _cotangents(function: Function, theta: Point, call: Call, rng: torch.Generator) -> Tensor:
    outputs = function(theta, call).numel()
    if outputs <= 64:
        return torch.eye(outputs, dtype=torch.float64, device=function.device)
    drawn = torch.randn(64, outputs, generator=rng, dtype=torch.float64) / math.sqrt(outputs)
    return drawn.to(function.device)


def fills(
    function: Function, theta: Point, names: Sequence[str], draw: Draw, rank: int, seed: int
) -> bool | None:
    """Whether the functions that some tensors reach fill an affine space of dimension `rank`.

    The functions f(θ, ·) with all other tensors held lie in their affine span, whose dimension is
    the rank of differences of samples. Where the rank of the derivative equals it, the image is
    open in that space: there are more parameters than dimensions, and no group is needed to
    explain it (Kileel, Trager, Bruna, "On the expressive power of deep polynomial neural
    networks", 2019, definition of filling).

    Args:
        function: the function.
        theta: values of the tensors that are held.
        names: tensors that vary.
        draw: draws inputs.
        rank: of the derivative by the tensors that vary.
        seed: of the samples.

    Returns:
        None where that would cost too much, or the samples show no clear rank.
    """
    if rank > _MOST_RANK:
        return None
    rng = torch.Generator().manual_seed(seed)
    wanted = rank + _SPARE
    calls: list[Call] = []
    outputs = 0
    while outputs < 2 * wanted:
        calls.append(function.place(draw(rng)))
        outputs += function(theta, calls[-1]).numel()
        if len(calls) > 50 * wanted:
            return None
    drawn = [function.random_point(rng) for _ in range(wanted + 1)]
    varied = {name: torch.stack([point[name] for point in drawn]) for name in names}
    samples = torch.cat([_samples(function, theta, varied, call) for call in calls], 1)
    spectrum = spectral_rank(samples[1:] - samples[0])
    return spectrum.rank == rank if spectrum.clear else None


def _samples(function: Function, theta: Point, varied: Point, call: Call) -> Tensor:
    """Outputs at several points, [points, outputs]; what is stacked in `varied` differs."""
    budget.check()

    def at(point: Point) -> Tensor:
        return function.evaluate({**theta, **point}, call)

    with function.scope():
        try:
            return torch.func.vmap(at, randomness="same")(varied)
        except Exception:  # whatever the code of a model raises when its parameters are batched
            count = len(next(iter(varied.values())))
            return torch.stack([at({n: v[i] for n, v in varied.items()}) for i in range(count)])


def linear_fields(theta: Point, names: Sequence[str], sizes: dict[str, int]) -> Tensor | None:
    """Vector fields that are linear in single tensors, at a point: columns [parameters, number].

    gl on every axis of every tensor, and translations of vectors. None where they are too many.
    """
    shapes = {name: tuple(theta[name].shape) for name in names}
    count = sum(sum(n * n for n in s) + (s[0] if len(s) == 1 else 0) for s in shapes.values())
    if count > _MOST_FIELDS:
        return None
    parts, start = [], 0
    for name, size in sizes.items():
        for field in _of_tensor(theta[name]) if name in shapes else ():
            column = field.new_zeros(sum(sizes.values()), field.shape[1])
            column[start : start + size] = field
            parts.append(column)
        start += size
    return torch.cat(parts, 1) if parts else None


def _of_tensor(value: Tensor) -> list[Tensor]:
    fields = []
    for axis, n in enumerate(value.shape):
        moved = value.movedim(axis, 0).reshape(n, -1)
        # E_ij acts as: row i becomes what row j was
        each = moved.new_zeros(n, n, *moved.shape)
        for i in range(n):
            each[i, :, i] = moved
        rest = [m for a, m in enumerate(value.shape) if a != axis]
        back = each.reshape(n * n, n, *rest).movedim(1, axis + 1)
        fields.append(back.reshape(n * n, -1).T)
    if value.ndim == 1:
        fields.append(torch.eye(len(value), dtype=value.dtype, device=value.device))
    return fields


def linearly_explained(
    function: Function, theta: Point, names: Sequence[str], known: Tensor, draw: Draw, seed: int
) -> int | None:
    """How many null directions beyond known ones a linear action on some tensors explains.

    The linearised invariance equation J(θ) ξ(θ) = 0 is solved for fields ξ that are linear in each
    of the tensors, at several points together; its solutions at `theta` are held against what is
    known there.

    Returns:
        The number; None where there would be too many fields.
    """
    sizes = {name: math.prod(shape) for name, shape in function.shapes.items()}
    at_theta = linear_fields(theta, names, sizes)
    if at_theta is None:
        return None
    rng = torch.Generator().manual_seed(seed)
    points: list[Point] = [theta, *(function.random_point(rng) for _ in range(_POINTS - 1))]
    norms = at_theta.norm(dim=0).clamp(min=1e-300)
    equation: list[Tensor] = []
    for point in points:
        fields = linear_fields(point, names, sizes)
        assert fields is not None
        rows: list[Tensor] = []
        while sum(map(len, rows)) < fields.shape[1] + 32 and len(rows) < 400:
            budget.check()
            call = function.place(draw(rng))
            cotangents = _cotangents(function, point, call, rng)
            rows.append(function.pullback(point, call, cotangents) @ (fields / norms))
        equation.append(torch.linalg.qr(torch.cat(rows), mode="r").R)
    stacked = torch.cat(equation)
    _, values, vh = torch.linalg.svd(stacked, full_matrices=True)
    if float(values[0]) == 0.0:
        return None
    solutions = vh[int((values > 10**NOISE * values[0]).sum()) :].T
    found = at_theta / norms @ solutions
    basis = torch.linalg.qr(known).Q
    found = found - basis @ (basis.T @ found)
    return int((torch.linalg.svdvals(found) > _PART).sum()) if found.numel() else 0
