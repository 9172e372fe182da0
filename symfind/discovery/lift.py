"""From fields that were found at small sizes to families of any size.

The monomials of a kind of fields say how tensors move each other at any size. Their coefficients
are cut into pieces along the indices of which axes are made (heads times widths, parts of a
concatenation); pieces that move together form a family, and which coefficients are free in it is a
structure (`structure.py`), which has to be the same on models of different sizes.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, branches, extent, positions
from symfind.discovery.family import Acting
from symfind.discovery.monomials import Monomial
from symfind.discovery.structure import Image, Structure, images, matching
from symfind.numerics.decompose import svd

Axes = Callable[[str, int], Axis | None]  # of a tensor, by its dimension (sizes of one left out)

_LINKED = 1e-9  # entries of a projector that are zero but for rounding
_MOST_PIECES = 64  # of one kind of fields


@dataclass(frozen=True)
class Piece:
    """Some of the coefficients of one monomial: one part of every concatenation.

    Attributes:
        block: number of the monomial.
        choice: for every free letter, the parts that are chosen.
    """

    block: int
    choice: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Lifted:
    """What fields of one kind may be at any size.

    Attributes:
        text: how they act.
        blocks: their monomials.
        pieces: of the coefficients, that are not zero.
        lead: number of the piece whose coefficients say all.
        spaces: structures that these may have.
        maps: for every piece, images that its coefficients may be of those of the lead.
    """

    text: str
    blocks: tuple[Monomial, ...]
    pieces: tuple[Piece, ...]
    lead: int
    spaces: tuple[Structure, ...]
    maps: tuple[tuple[Image, ...], ...]

    def agreeing(self, other: "Lifted") -> "Lifted | None":
        """What both may be, if there is something."""
        if (self.text, self.lead, self.pieces) != (other.text, other.lead, other.pieces):
            return None
        theirs = [s.spelled for s in other.spaces]
        spaces = tuple(s for s in self.spaces if s.spelled in theirs)
        maps = tuple(
            tuple(m for m in mine if any(m.same(o) for o in others))
            for mine, others in zip(self.maps, other.maps, strict=True)
        )
        if not spaces or not all(maps):
            return None
        return replace(self, spaces=spaces, maps=maps)

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
            places.append(_places(letters, piece.choice, sizes))
        space = self.spaces[0]
        text = f"{self.text} (A {space.words})" if space.words else self.text
        return LiftedFamily(
            name, text, tuple(blocks), self.pieces, tuple(places), self.lead, space,
            tuple(m[0] for m in self.maps),
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


def _places(letters: Sequence[Axis], choice: Sequence[tuple[int, ...]], sizes: Any) -> list[Tensor]:
    return [
        torch.from_numpy(positions(axis, part, sizes).copy())
        for axis, part in zip(letters, choice, strict=True)
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
        maps: what the coefficients of the pieces are.
    """

    id: str
    words: str
    blocks: tuple[Monomial, ...]
    pieces: tuple[Piece, ...]
    places: tuple[list[Tensor], ...]
    lead: int
    space: Structure
    maps: tuple[Image, ...]

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
        for piece, places, image in zip(self.pieces, self.places, self.maps, strict=True):
            shape = tuple(n for place in places for n in place.shape)
            grid = torch.meshgrid(*(p.reshape(-1).to(c.device) for p in places), indexing="ij")
            made = image.of(lead, shape)
            if grid:
                values[piece.block][grid] += made.reshape(grid[0].shape)
            else:
                values[piece.block] = values[piece.block] + made
        return list(zip(self.blocks, values, strict=True))


def lifted(
    text: str, blocks: Sequence[tuple[Monomial, Tensor]], axes: Axes, sizes: Any = None
) -> list[Lifted]:
    """Families of any size within a space of fields; what has no structure is left out.

    Args:
        text: how they act.
        blocks: monomials with the coefficients of a basis of the space, [fields, *sizes].
        axes: of the tensors.
        sizes: of atomic axes.
    """
    letters = [letters_of(block, axes) for block, _ in blocks]
    if any(own is None for own in letters):
        return []
    cut: list[tuple[Piece, Tensor]] = []
    for number, ((_, basis), own) in enumerate(zip(blocks, letters, strict=True)):
        assert own is not None
        options = [[choice for choice, _ in branches(axis)] for axis in own]
        for choice in itertools.product(*options):
            part = taken(basis, _places(own, choice, sizes))
            if part.numel() and float(part.abs().max()) > _LINKED:
                cut.append((Piece(number, tuple(choice)), part))
    if len(cut) > _MOST_PIECES:
        return []
    found = []
    for together, spaced in _components(cut):
        one = _lifted(text, tuple(b for b, _ in blocks), together, spaced)
        found += [one] if one else []
    return found


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


def _lifted(
    text: str, blocks: tuple[Monomial, ...], pieces: Sequence[Piece], spaced: Sequence[Tensor]
) -> Lifted | None:
    """A family whose coefficients all follow from those of one piece."""
    count = len(spaced[0])
    for lead in sorted(range(len(pieces)), key=lambda i: -spaced[i].ndim):
        basis = spaced[lead]
        flat = basis.reshape(count, -1)
        spaces = matching(basis) if int(torch.linalg.matrix_rank(flat)) == count else []
        maps = tuple(tuple(images(basis, other)) for other in spaced) if spaces else ()
        if maps and all(maps):
            used = sorted({p.block for p in pieces})
            return Lifted(
                _only(text, blocks, used),
                tuple(blocks[k] for k in used),
                tuple(replace(p, block=used.index(p.block)) for p in pieces),
                lead,
                tuple(spaces),
                maps,
            )
    return None


def _only(text: str, blocks: Sequence[Monomial], used: Sequence[int]) -> str:
    """How the monomials that are left act."""
    if len(used) == len(blocks):
        return text
    moves: dict[str, list[str]] = {}
    for k in used:
        letter = "A" if len(blocks[k].sizes) > 1 else "a"
        moves.setdefault(blocks[k].target, []).append(blocks[k].text.replace("{}", letter))
    return ", ".join(f"{tensor} -> {' + '.join(parts)}" for tensor, parts in moves.items())
