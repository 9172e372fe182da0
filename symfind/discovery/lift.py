"""From fields that were found at small sizes to families of any size.

The monomials of a kind of fields say how tensors move each other at any size. Their coefficients
are cut into pieces along the indices of which axes are made (heads times widths, parts of a
concatenation); pieces that move together form a family, and which coefficients are free in it is a
structure (`structure.py`), which has to be the same on models of different sizes.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, branches, extent, positions
from symfind.discovery.family import Acting
from symfind.discovery.monomials import Monomial
from symfind.discovery.structure import Image, Structure, images, structures
from symfind.numerics.decompose import svd

Axes = Callable[[str, int], Axis | None]  # of a tensor, by its dimension (sizes of one left out)

Sizes = tuple[tuple[int, int], ...]

_LINKED = 1e-9  # entries of a projector that are zero but for rounding
_MOST_PIECES = 64  # of one kind of fields
_MOST_IMAGES = 160  # whose factors are solved for at once
_EXACT = 1e-8  # what is left of an array, of entries of order one, that is in a space
_DENOMINATOR = 60  # of factors


@dataclass(frozen=True)
class Piece:
    """Some of the coefficients of one monomial: one part of every concatenation.

    Attributes:
        block: number of the monomial.
        choice: for every free letter, the parts that are chosen.
        at: for every free letter and atom of these, the position that is chosen, where the atom has
            the same size in every model; None for all of them.
    """

    block: int
    choice: tuple[tuple[int, ...], ...]
    at: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True)
class Lifted:
    """What fields of one kind may be at any size.

    Attributes:
        text: how they act.
        blocks: their monomials.
        pieces: of the coefficients, that are not zero.
        lead: number of the piece whose coefficients say all.
        space: the structure that these have.
        maps: for every piece, images of those of the lead whose sum its coefficients are.
    """

    text: str
    blocks: tuple[Monomial, ...]
    pieces: tuple[Piece, ...]
    lead: int
    space: Structure
    maps: tuple[tuple[Image, ...], ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from others, at any size."""
        return self.text, self.pieces, self.lead, self.space.spelled, self.maps

    def renamed(self, names: Mapping[str, str]) -> "Lifted":
        """The same on other tensors."""
        blocks = tuple(
            replace(
                b,
                target=names.get(b.target, b.target),
                factors=tuple(
                    (replace(s, name=names.get(s.name, s.name)), letters)
                    for s, letters in b.factors
                ),
            )
            for b in self.blocks
        )
        text = self.text
        for old, new in sorted(names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(old, new)
        return replace(self, blocks=blocks, text=text)

    def family(self, name: str, axes: Axes, sizes: Any = None) -> "LiftedFamily | None":
        """The family at the sizes of a model; None where its tensors are others.

        Args:
            name: unique.
            axes: of the tensors of the model.
            sizes: of atomic axes, where they are not their own.
        """
        every = [letters_of(block, axes) for block in self.blocks]
        if any(letters is None for letters in every):
            return None
        blocks, places = [], []
        for block, letters in zip(self.blocks, every, strict=True):
            assert letters is not None
            blocks.append(replace(block, sizes=tuple(int(extent(a, sizes)) for a in letters)))
        for piece in self.pieces:
            letters = every[piece.block]
            assert letters is not None
            places.append(_places(letters, piece, sizes))
        space = self.space
        text = f"{self.text} (A {space.words})" if space.words else self.text
        return LiftedFamily(
            name, text, tuple(blocks), self.pieces, tuple(places), self.lead, space,
            self.maps,
        )  # fmt: skip


def letters_of(block: Monomial, axes: Axes) -> list[Axis] | None:
    """The axes of the free letters of a monomial; None where a tensor has other axes."""
    found: dict[str, Axis] = {}
    pairs = [(block.target, k, letter) for k, letter in enumerate(block.letters)]
    for source, letters in block.factors:
        if source.form in ("kernel", "precision"):
            pairs += [(source.name, source.axis, letter) for letter in letters]
        else:
            pairs += [(source.name, k, letter) for k, letter in enumerate(letters)]
    for name, k, letter in pairs:
        axis = axes(name, k)
        if axis is None:
            return None
        before = found.get(letter)
        if before is None or len(branches(axis)) > len(branches(before)):
            found[letter] = axis
    return [found[letter] for letter in block.free]


def _shape(letters: Sequence[Axis], piece: Piece, sizes: Any) -> list[int]:
    """Sizes of all atoms of a piece that are not fixed."""
    return [n for place in _places(letters, piece, sizes) for n in place.shape]


def _places(letters: Sequence[Axis], piece: Piece, sizes: Any) -> list[Tensor]:
    """Positions along every letter, with a dimension for each atom that is not fixed."""
    return [
        torch.from_numpy(positions(axis, parts, sizes).copy())[
            tuple(slice(None) if k is None else k for k in at)
        ]
        for axis, parts, at in zip(letters, piece.choice, piece.at, strict=True)
    ]


def taken(values: Tensor, places: Sequence[Tensor]) -> Tensor:
    """Entries of arrays [fields, *sizes] at some places, with one dimension for each atom."""
    shape = [n for place in places for n in place.shape]
    for k, place in enumerate(places):
        values = values.index_select(k + 1, place.reshape(-1))
    return values.reshape(len(values), *shape)


@dataclass(frozen=True)
class LiftedFamily(Acting):
    """A family of symbolic size, at the sizes of a model.

    Attributes:
        id: unique name.
        words: how it acts.
        blocks: monomials with their sizes.
        pieces: of their coefficients.
        places: of the pieces.
        lead: number of the piece whose coefficients an element is.
        space: of these.
        maps: images, whose sum the coefficients of a piece are.
    """

    id: str
    words: str
    blocks: tuple[Monomial, ...]
    pieces: tuple[Piece, ...]
    places: tuple[list[Tensor], ...]
    lead: int
    space: Structure
    maps: tuple[tuple[Image, ...], ...]

    @property
    def monomials(self) -> tuple[Monomial, ...]:
        """The blocks of fields."""
        return self.blocks

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the leading coefficients."""
        return tuple(n for place in self.places[self.lead] for n in place.shape)

    @property
    def dimension(self) -> int:
        """Of the space of leading coefficients."""
        return round(float(self.space.dimension(self.sizes)))

    @property
    def text(self) -> str:
        """How it acts."""
        return self.words

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random element, shape [dimension]."""
        n = self.dimension
        return torch.randn(n, generator=rng, dtype=torch.float64) / max(n, 1) ** 0.5

    def elements(self) -> Iterator[Tensor]:
        """A basis."""
        yield from torch.eye(self.dimension, dtype=torch.float64)

    def mixed(self, c: Tensor) -> list[tuple[Monomial, Tensor]]:
        """Every monomial with its coefficients."""
        lead = self.space.array(c, self.sizes)
        values = [torch.zeros(b.sizes, dtype=c.dtype, device=c.device) for b in self.blocks]
        for piece, places, images_ in zip(self.pieces, self.places, self.maps, strict=True):
            shape = tuple(n for place in places for n in place.shape)
            made = torch.stack([image.of(lead, shape) for image in images_]).sum(0)
            if not places:
                values[piece.block] = values[piece.block] + made
                continue
            grid = torch.meshgrid(*(p.reshape(-1).to(c.device) for p in places), indexing="ij")
            values[piece.block][grid] += made.reshape(grid[0].shape)
        return list(zip(self.blocks, values, strict=True))


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
            part = taken(basis, _places(own, piece, sizes))
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
