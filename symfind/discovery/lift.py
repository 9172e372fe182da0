"""From fields that were found at small sizes to families of any size.

The monomials of a kind of fields say how tensors move each other at any size. Their coefficients
are cut into pieces along the indices of which axes are made (heads times widths, parts of a
concatenation); pieces that move together form a family, and which coefficients are free in it is a
structure (`structure.py`), which has to be the same on models of different sizes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, branches, extent, positions
from symfind.discovery.family import Acting
from symfind.discovery.monomials import Monomial
from symfind.discovery.structure import Image, Structure

Axes = Callable[[str, int], Axis | None]  # of a tensor, by its dimension (sizes of one left out)


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
            places.append(places_of(letters, piece, sizes))
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


def places_of(letters: Sequence[Axis], piece: Piece, sizes: Any) -> list[Tensor]:
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
