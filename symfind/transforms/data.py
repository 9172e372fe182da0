"""Symmetries of what made some data: of a function that was fitted to them, or given.

The gradients of a fitted function are not exact, and neither is the null space of its equation.
Rows are weighted by |∇f|, since errors of gradients are of one size where gradients are small too;
the polarisation matrix (their second moments) is cut at the widest gap in its spectrum, and the
span is moved to the nearest Lie algebra (A. Moskalev et al., "LieGG", 2022, take the singular
vectors as they are).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.nearest import nearest_subalgebra
from symfind.transforms.action import Action
from symfind.transforms.answer import answer
from symfind.transforms.basis import reduced
from symfind.transforms.confidence import upper_bound
from symfind.transforms.fields import Dictionary
from symfind.transforms.flows import SAMPLES, follow
from symfind.transforms.manifold import submanifold
from symfind.transforms.naming import as_matrices, named, text
from symfind.transforms.oracle import Oracle
from symfind.transforms.points import Points
from symfind.transforms.result import Found, Generator

SMALL = 0.06  # root mean square of a cosine, above which a field is none
RATIO = 4.0  # between the smallest value kept and the largest dropped
_UNKNOWNS = 1500  # coefficients of a field
_HELD = 0.25  # of the samples, for defects
_MOST = 20_000  # samples of the equation
LEAST = 0.02  # coefficient of a learned field that is shown, relative to the largest
_TOLERANCE = 0.1  # of brackets of learned generators
_SHOWN = 24  # of the smallest values of the spectrum
_UNCLEAR = (
    "small values of the spectrum are set apart from others by no gap: more data, a better fit or "
    "other fields may tell"
)


@dataclass(frozen=True)
class Cut:
    """A spectrum of root mean squares, ascending, and how many are as good as zero.

    Attributes:
        values: all of them.
        null: how many are dropped.
        clear: whether a gap says so.
    """

    values: Tensor
    null: int
    clear: bool

    @property
    def gap(self) -> tuple[float, float]:
        """Both sides, as log10."""
        kept = float(self.values[self.null]) if self.null < len(self.values) else 1.0
        dropped = float(self.values[self.null - 1]) if self.null else 1e-16
        return math.log10(max(kept, 1e-16)), math.log10(max(dropped, 1e-16))


def cut(values: Tensor) -> Cut:
    """Cut ascending values at the widest gap that has small values below it.

    Where none is small, nothing is null; where some are and none is set apart, that is not clear.
    """
    count = len(values)
    above = torch.cat([values, torch.ones(1, dtype=values.dtype)])
    places = [i for i in range(1, count + 1) if float(values[i - 1]) <= SMALL]
    if not places:
        return Cut(values, 0, True)
    ratios = {i: float(above[i]) / max(float(values[i - 1]), 1e-16) for i in places}
    best = max(places, key=lambda i: ratios[i])
    if ratios[best] < RATIO:
        return Cut(values, 0, False)
    return Cut(values, best, True)


def search_data(
    oracle: Oracle,
    action: Action,
    values: list[Tensor],
    affine: bool,
    degree: int,
    seed: int,
    tell: Callable[[str], None],
    spec: str,
    notes: tuple[str, ...],
) -> Found:
    """Find the fields that leave a function unchanged, at given samples.

    Args:
        oracle: the function.
        action: what moves.
        values: samples of the inputs.
        affine: whether fields have constant terms.
        degree: one or two.
        seed: of all random numbers.
        tell: called with a line on what is being done.
        spec: what was asked for.
        notes: how the function was come by.

    Raises:
        InputError: there are fewer samples than unknowns, or too many unknowns.
    """
    rng = torch.Generator().manual_seed(seed)
    points = Points(oracle, action, rng)
    order = torch.randperm(len(values[0]), generator=rng)[:_MOST]
    tell("differentiating at the samples")
    x, g = points.gradients([value[order] for value in values])
    held = max(1, int(_HELD * len(x)))
    scales = _scales(x)
    whole = Dictionary(action.size, affine or degree > 1, degree)
    seen, sight = _sight((g * scales)[held:])
    small = Dictionary(seen.shape[1], whole.constant, degree)
    _check(small, len(x) - held)
    tell("solving the invariance equation")
    moments = _moments(small, (x / scales)[held:] @ seen, (g * scales)[held:] @ seen)
    spectrum, vectors = torch.linalg.eigh(moments)
    found = cut(spectrum.clamp(min=0.0).sqrt())
    solutions = vectors.T[: found.null].reshape(-1, small.size, len(small.monomials))
    solutions = _closed(small, solutions)
    rows = (seen @ solutions @ small.pulled_back(seen)).flatten(1)
    fields = _unscaled(reduced(rows).reshape(-1, whole.size, len(whole.monomials)), scales, whole)
    tell("measuring defects")
    generators = tuple(
        _generator(whole, field, x[:held], g[:held], points, [v[order[:SAMPLES]] for v in values])
        for field in fields
    )
    return _found(points, whole, fields, generators, found, sight, seen, scales, x, spec, notes)


def _scales(x: Tensor) -> Tensor:
    """Sizes of coordinates, where they differ much; else one."""
    sizes = x.flatten(0, 1).square().mean(0).sqrt()
    top = float(sizes.max())
    apart = float(sizes.min()) < 0.2 * top
    return sizes.clamp(min=1e-12 * top) if apart else torch.ones_like(sizes)


def _check(small: Dictionary, samples: int) -> None:
    if small.count > _UNKNOWNS:
        raise InputError(
            f"{small.words} on {small.size} coordinates have {small.count:,} coefficients, "
            f"{_UNKNOWNS:,} at most for data: act on one axis (--act)"
        )
    if samples < 2 * small.count:
        raise InputError(
            f"{samples} samples are too few for {small.count} unknown coefficients: give "
            f"{math.ceil(2 * small.count / (1 - _HELD))} or more, or act on one axis (--act)"
        )


def _weights(x: Tensor, g: Tensor) -> Tensor:
    """One over the mean length of gradients, and the length of features, by sample."""
    return g.flatten(1).norm(dim=1).square().mean().sqrt() * x.flatten(1).norm(dim=1)


def _moments(small: Dictionary, x: Tensor, g: Tensor) -> Tensor:
    """The polarisation matrix: mean of the squares of weighted rows."""
    phi = small.features(x)
    rows = torch.einsum("sin,sip->snp", g, phi).flatten(1) / _weights(phi, g)[:, None]
    return rows.T @ rows / len(rows)


def _sight(g: Tensor) -> tuple[Tensor, Cut]:
    """Coordinates that the function depends on, and the spectrum of the gradients."""
    rows = g.reshape(-1, g.shape[2])
    values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    found = cut((values.clamp(min=0.0) / values[-1]).sqrt())
    if not found.null:
        return torch.eye(g.shape[2], dtype=g.dtype), found
    return vectors[:, found.null :], found


def _closed(small: Dictionary, solutions: Tensor) -> Tensor:
    """The nearest fields that close under the bracket, where these are affine."""
    if small.degree > 1 or not len(solutions):
        return solutions
    matrices = small.matrices(solutions).numpy()
    side = matrices.shape[1]
    basis = np.linalg.qr(matrices.reshape(len(matrices), -1).T)[0].T
    near = torch.from_numpy(nearest_subalgebra(basis, side).reshape(-1, side, side))
    return near[:, : small.size, : len(small.monomials)]


def _unscaled(fields: Tensor, scales: Tensor, whole: Dictionary) -> Tensor:
    """Fields of x/d as fields of x."""
    factors = [math.prod(float(scales[i]) for i in m) for m in whole.monomials]
    return fields * scales[:, None] / torch.tensor(factors, dtype=fields.dtype)


def _generator(
    whole: Dictionary, field: Tensor, x: Tensor, g: Tensor, points: Points, few: list[Tensor]
) -> Generator:
    moved = whole.field(field, x)
    along = (g * moved).sum((1, 2))
    size = g.flatten(1).norm(dim=1) * moved.flatten(1).norm(dim=1)
    cosines = (along / size.clamp(min=1e-300)).square().clamp(max=1.0)
    flow = follow(points.oracle, points.action, whole, field, few, torch.Generator().manual_seed(1))
    flat = whole.degree == 1
    return Generator(
        text=text(whole, field, LEAST),
        matrix=as_matrices(whole, field[None])[0] if flat else [],
        source="data",
        defect=float(cosines.mean().sqrt()),
        bound=math.sqrt(upper_bound(cosines)),
        moved=flow.moved,
        residual=flow.residual,
        coefficients=field,
    )


def _small(fields: Tensor) -> list[str]:
    size = fields.abs().amax((1, 2), keepdim=True) if len(fields) else fields
    hidden = (fields != 0) & (fields.abs() <= LEAST * size)
    return [f"coefficients below {LEAST:.0%} of the largest are not shown"] * bool(hidden.any())


def _found(
    points: Points,
    whole: Dictionary,
    fields: Tensor,
    generators: tuple[Generator, ...],
    spectrum: Cut,
    sight: Cut,
    seen: Tensor,
    scales: Tensor,
    x: Tensor,
    spec: str,
    notes: tuple[str, ...],
) -> Found:
    name = named(whole, fields, _TOLERANCE)
    trivial = (whole.size - seen.shape[1]) * len(whole.monomials)
    blind = torch.linalg.qr(seen, mode="complete").Q[:, seen.shape[1] :].T * scales
    kept, dropped = spectrum.gap
    flat = x[:, :, :].flatten(1)
    special = [f"the data lie on a submanifold: {words}" for words in submanifold(flat)]
    if special:
        special.append("off it the fitted function is free, and fields are known along it only")
    return answer(
        points, whole, name, generators, trivial,
        "" if spectrum.clear and sight.clear else _UNCLEAR,
        spec=spec,
        blind=tuple(tuple(row) for row in reduced(blind).tolist()),
        points=len(x),
        gap=(round(kept, 1), round(dropped, 1)),
        sources={"data": len(generators)} if generators else {},
        rules="not asked: the function is known by data",
        notes=(*notes, *_small(fields), *special, *([name.reason] if name.reason else [])),
        spectrum=tuple(spectrum.values[:_SHOWN].tolist()),
    )  # fmt: skip
