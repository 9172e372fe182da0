"""Which families of any size lie in a space of fields that was found at small sizes.

The coefficients of every monomial are cut into pieces along the indices of which axes are made
(heads times widths, parts of a concatenation); pieces that move together form a family, and which
coefficients are free in it is a structure (`structure.py`).
"""

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, branches
from symfind.discovery.lift import Axes, Lifted, Piece, letters_of, places_of, taken
from symfind.discovery.monomials import Monomial
from symfind.discovery.structure import Image, Structure, images, structures
from symfind.numerics.decompose import svd

Sizes = tuple[tuple[int, int], ...]

_LINKED = 1e-9  # entries of a projector that are zero but for rounding
_MOST_PIECES = 64  # of one kind of fields
_MOST_IMAGES = 160  # whose factors are solved for at once
_EXACT = 1e-8  # what is left of an array, of entries of order one, that is in a space
_DENOMINATOR = 60  # of factors


def lifted(
    text: str,
    blocks: Sequence[tuple[Monomial, Tensor]],
    axes: Axes,
    sizes: Any = None,
    fixed: Collection[Axis] = (),
) -> list[Lifted]:
    """Families of any size within a space of fields; what has no structure is left out.

    Args:
        text: how they act.
        blocks: monomials with the coefficients of a basis of the space, [fields, *sizes].
        axes: of the tensors.
        sizes: of atomic axes.
        fixed: atomic axes that have the same size in every model.
    """
    letters = [letters_of(block, axes) for block, _ in blocks]
    if any(own is None for own in letters):
        return []
    cut: list[tuple[Piece, Tensor]] = []
    kinds: dict[Piece, Sizes] = {}  # sizes of the letters, here and in the model itself
    for number, ((_, basis), own) in enumerate(zip(blocks, letters, strict=True)):
        assert own is not None
        for piece in _pieces(number, own, fixed):
            part = taken(basis, places_of(own, piece, sizes))
            if part.numel() and float(part.abs().max()) > _LINKED:
                cut.append((piece, part))
                here, there = _shape(own, piece, sizes), _shape(own, piece, None)
                kinds[piece] = tuple(zip(here, there, strict=True))
    if len(cut) > _MOST_PIECES:
        return []
    every = tuple(b for b, _ in blocks)
    return [
        one
        for together, spaced in _components(cut)
        for one in _families(text, every, together, spaced, [kinds[p] for p in together])
    ]


def _shape(letters: Sequence[Axis], piece: Piece, sizes: Any) -> list[int]:
    """Sizes of all atoms of a piece that are not fixed."""
    return [n for place in places_of(letters, piece, sizes) for n in place.shape]


def _pieces(block: int, letters: Sequence[Axis], fixed: Collection[Axis]) -> Iterator[Piece]:
    """All pieces of the coefficients of a monomial."""
    options = []
    for axis in letters:
        own: list[tuple[tuple[int, ...], tuple[int | None, ...]]] = []
        for parts, below in branches(axis):
            ways = [range(a.size) if a in fixed else (None,) for a in below]
            own += [(parts, at) for at in itertools.product(*ways)]
        options.append(own)
    for chosen in itertools.product(*options):
        yield Piece(block, tuple(parts for parts, _ in chosen), tuple(at for _, at in chosen))


def _components(
    cut: Sequence[tuple[Piece, Tensor]],
) -> Iterator[tuple[list[Piece], list[Tensor]]]:
    """Pieces that move together, with a basis of how they do.

    The projector onto a direct sum has no entries between its summands.
    """
    flat = torch.cat([values.reshape(len(values), -1) for _, values in cut], 1)
    _, s, vh = svd(flat)
    rows = vh[s > _LINKED * s[0]]
    widths = [values[0].numel() for _, values in cut]
    parts = rows.split(widths, 1)
    left = list(range(len(cut)))
    while left:
        group = [left.pop(0)]
        for i in group:
            near = [j for j in left if float((parts[i].T @ parts[j]).abs().max()) > _LINKED]
            group += near
            left = [j for j in left if j not in near]
        group.sort()
        own = torch.cat([parts[i] for i in group], 1)
        _, s, vh = svd(own)
        basis = vh[s > _LINKED * s[0]].split([widths[i] for i in group], 1)
        shaped = [
            b.reshape(len(b), *cut[i][1].shape[1:]) for i, b in zip(group, basis, strict=True)
        ]
        yield [cut[i][0] for i in group], shaped


def _families(
    text: str,
    blocks: tuple[Monomial, ...],
    pieces: Sequence[Piece],
    spaced: Sequence[Tensor],
    kinds: Sequence[Sizes],
) -> list[Lifted]:
    """Families within a space, the largest first, until they are all of it.

    The coefficients of every piece are a sum of images of those of one of them.
    """
    flat = torch.cat([values.reshape(len(values), -1) for values in spaced], 1)
    rows = torch.linalg.qr(flat.T).Q.T  # orthonormal
    tried = [
        (float(space.dimension(tuple(v.shape[1:]))), lead, space)
        for lead, v in enumerate(spaced) for space in structures(tuple(v.shape[1:]))
        if all(len({kinds[lead][k] for k in places}) == 1 for _, places in space.parts)
    ]  # fmt: skip
    found: list[Lifted] = []
    seen = rows[:0]
    for dimension, lead, space in sorted(tried, key=lambda t: (-t[0], t[2].constants)):
        if round(dimension) > len(rows) or len(seen) == len(rows):
            continue
        fit = _fitted(rows, [tuple(v.shape[1:]) for v in spaced], kinds, lead, space)
        if fit is None:
            continue
        maps, elements = fit
        more = elements - (elements @ seen.T) @ seen
        _, s, vh = svd(more)
        new = vh[s > _LINKED * max(1.0, float(s[0]))] if len(s) else vh[:0]
        if not len(new):
            continue
        seen = torch.cat([seen, new])
        found.append(_kept(text, blocks, pieces, lead, space, maps))
    return found


def _fitted(
    rows: Tensor,
    shapes: Sequence[tuple[int, ...]],
    kinds: Sequence[Sizes],
    lead: int,
    space: Structure,
) -> tuple[list[tuple[Image, ...]], Tensor] | None:
    """Sums of images of a structure on one piece that lie in the row space of orthonormal rows."""
    n = round(float(space.dimension(shapes[lead])))
    basis = torch.stack([
        space.array(c, shapes[lead]) for c in torch.eye(n, dtype=torch.float64)
    ])  # fmt: skip
    widths = [math.prod(shape) for shape in shapes]
    starts = [0, *itertools.accumulate(widths)]
    own: list[tuple[int, Image]] = [
        (k, replace(image, mean=space.constant(image.given)))
        for k in range(len(shapes)) if k != lead
        for image in images(kinds[lead], kinds[k])
    ]  # fmt: skip
    if len(own) > _MOST_IMAGES:
        return None

    def placed(k: int, values: Tensor) -> Tensor:
        full = torch.zeros(n, starts[-1], dtype=torch.float64)
        full[:, starts[k] : starts[k + 1]] = values.reshape(n, -1)
        return full

    first = placed(lead, basis)
    others = [placed(k, image.of(basis, shapes[k])) for k, image in own]
    chosen = list(range(len(own)))
    factors = _factors(first, others, chosen, rows)
    if factors is None:
        return None
    for k in reversed(range(len(own))):  # the fewest that do
        fewer = [i for i in chosen if i != k]
        again = _factors(first, others, fewer, rows)
        if again is not None:
            chosen, factors = fewer, again
    maps: list[list[Image]] = [[] for _ in shapes]
    letters = "abcdefgh"[: len(shapes[lead])]
    maps[lead] = [Image(letters, letters, 1.0)]
    total = first
    for i, factor in zip(chosen, factors, strict=True):
        k, image = own[i]
        maps[k].append(replace(image, factor=_round(factor)))
        total = total + factor * others[i]
    return [tuple(m) for m in maps], total


def _factors(
    first: Tensor, others: Sequence[Tensor], chosen: Sequence[int], rows: Tensor
) -> list[float] | None:
    """Factors of images, with which the sum lies in the row space; None where there are none."""

    def outside(values: Tensor) -> Tensor:
        return (values - (values @ rows.T) @ rows).reshape(-1)

    wanted = -outside(first)
    if not chosen:
        return [] if float(wanted.abs().max()) < _EXACT else None
    columns = torch.stack([outside(others[i]) for i in chosen], 1)
    solution = torch.linalg.lstsq(columns, wanted[:, None], driver="gelsd").solution[:, 0]
    left = float((columns @ solution - wanted).abs().max())
    return [float(x) for x in solution] if left < _EXACT else None


def _round(value: float) -> float:
    near = Fraction(value).limit_denominator(_DENOMINATOR)
    return float(near) if abs(value - near) < _EXACT else value


def _kept(
    text: str,
    blocks: tuple[Monomial, ...],
    pieces: Sequence[Piece],
    lead: int,
    space: Structure,
    maps: Sequence[tuple[Image, ...]],
) -> Lifted:
    """A family without the pieces, and the monomials, that do not move in it."""
    moving = [k for k, images_ in enumerate(maps) if images_]
    used = sorted({pieces[k].block for k in moving})
    return Lifted(
        _only(text, blocks, used),
        tuple(blocks[k] for k in used),
        tuple(replace(pieces[k], block=used.index(pieces[k].block)) for k in moving),
        moving.index(lead),
        space,
        tuple(maps[k] for k in moving),
    )


def _only(text: str, blocks: Sequence[Monomial], used: Sequence[int]) -> str:
    """How the monomials that are left act."""
    if len(used) == len(blocks):
        return text
    moves: dict[str, list[str]] = {}
    for k in used:
        letter = "A" if len(blocks[k].sizes) > 1 else "a"
        moves.setdefault(blocks[k].target, []).append(blocks[k].text.replace("{}", letter))
    return ", ".join(f"{tensor} -> {' + '.join(parts)}" for tensor, parts in moves.items())
