"""Which combinations of generators are gradients: the null space of the exterior derivative."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.conserve.fields import Fields, Theta, curl, random_directions
from symfind.numerics.decompose import right, svd
from symfind.numerics.rank import widest_gap

POINTS = 3
MARGIN = 6  # directions beyond those that the number of coefficients asks for
SAME = 1e-8  # what still counts as zero at a point that the solution has not seen

Draw = Callable[[torch.Generator], Theta]


@dataclass(frozen=True, eq=False)
class Closed:
    """Coefficients of the combinations that are gradients.

    Attributes:
        own: for every space of fields, an orthonormal basis [count, k] of what is closed by itself.
        mixed: a basis [all counts, k] of closed combinations that need several spaces; None where
            it was not looked for.
        clear: whether the ranks were decided by a clear gap, at points not seen before too.
        undecided: positions of spaces whose fields have no finite derivative; all others were
            solved without them.
    """

    own: tuple[Tensor, ...]
    mixed: Tensor | None
    clear: bool
    undecided: frozenset[int] = frozenset()


def closed_combinations(
    spaces: Sequence[Fields], draw: Draw, rng: torch.Generator, *, mixed: bool
) -> Closed:
    """Solve dξ = 0 for constant coefficients, in every space and, if `mixed`, in their sum.

    Every equation is ω(v, w) = 0 at a random point for random directions, so the solutions are
    exact with probability one; they are tested at a further point.

    Args:
        spaces: of fields, each linear in its coefficients.
        draw: draws a generic point.
        rng: the source of randomness.
        mixed: whether to look for combinations of several spaces.
    """
    counts = [s.count for s in spaces]
    most = sum(counts) if mixed else max(counts, default=0)
    number = math.ceil(math.sqrt(2 * most / POINTS)) + MARGIN
    table, scales = _equations(spaces, draw, rng, POINTS, number, mixed)
    fresh, _ = _equations(spaces, draw, rng, 1, MARGIN, mixed)
    undecided = frozenset(
        k
        for k, blocks in enumerate(zip(table, fresh, strict=True))
        if not all(bool(b.isfinite().all()) for b in blocks)
    )
    clear = True
    own = []
    for k, (rows, test, scale) in enumerate(zip(table, fresh, scales, strict=True)):
        if k in undecided:
            own.append(rows.new_zeros(rows.shape[1], 0))
            continue
        basis, good = _kernel(rows, test, scale)
        own.append(basis)
        clear &= good
    extra = None
    left = [k for k in range(len(spaces)) if k not in undecided]
    if mixed and left:
        rows, test = (torch.cat([blocks[k] for k in left], 1) for blocks in (table, fresh))
        whole, good = _kernel(rows, test, torch.cat([scales[k] for k in left]))
        beyond = _beyond(whole, torch.block_diag(*(own[k] for k in left)))
        extra = beyond.new_zeros(sum(counts), beyond.shape[1])
        extra[[i for k in left for i in _range(counts, k)]] = beyond
        clear &= good
    return Closed(tuple(own), extra, clear, undecided)


def _range(counts: Sequence[int], k: int) -> range:
    """Where the coefficients of one space stand among all."""
    start = sum(counts[:k])
    return range(start, start + counts[k])


def _equations(
    spaces: Sequence[Fields],
    draw: Draw,
    rng: torch.Generator,
    points: int,
    number: int,
    mixed: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Rows [equations, count] of every space over shared directions, and the size of its terms."""
    rows: list[list[Tensor]] = [[] for _ in spaces]
    sizes: list[list[Tensor]] = [[] for _ in spaces]
    for _ in range(points):
        theta = draw(rng)
        shared = random_directions(theta, list(theta), number, rng)
        for k, space in enumerate(spaces):
            few = number if mixed else math.ceil(math.sqrt(2 * space.count / POINTS)) + MARGIN
            directions = {n: d[:few] for n, d in shared.items()}
            block = curl(space, theta, directions)
            rows[k].append(block)
            terms = space.pairing(theta, directions).square().mean(0)
            sizes[k].append(terms + block.square().mean(0))
    scales = [torch.stack(s).mean(0).sqrt() for s in sizes]
    return [torch.cat(r) for r in rows], [torch.where(s > 0, s, 1.0) for s in scales]


def _kernel(rows: Tensor, test: Tensor, scale: Tensor) -> tuple[Tensor, bool]:
    """Null space of the rows, decided by the gap below the size of the terms that must cancel."""
    count = rows.shape[1]
    if count == 0:
        return rows.new_zeros(0, 0), True
    matrix = rows / scale / math.sqrt(len(rows))
    values, vh = right(matrix)
    values = torch.cat([values, values.new_zeros(count - len(values))])
    # The terms have size one: where all cancel, the largest singular value is rounding noise.
    spectrum = widest_gap(torch.cat([values.new_ones(1).maximum(values[:1]), values]))
    basis = vh[spectrum.rank - 1 :].T / scale[:, None]
    basis = torch.linalg.qr(basis).Q if basis.shape[1] else basis
    left = (test / scale) @ (basis * scale[:, None])
    norm = (basis * scale[:, None]).norm(dim=0)
    holds = not basis.shape[1] or float((left.norm(dim=0) / norm).max()) < SAME * len(test)
    return basis, spectrum.clear and holds


def _beyond(whole: Tensor, part: Tensor) -> Tensor:
    """A basis of what `whole` spans beyond the orthonormal columns of `part`, which it contains."""
    number = whole.shape[1] - part.shape[1]
    if number <= 0:
        return whole[:, :0]
    rest = whole - part @ (part.T @ whole)
    u, _, _ = svd(rest)
    return u[:, :number]
