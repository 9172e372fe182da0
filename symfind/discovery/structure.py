"""Which coefficients of a kind of fields are free: a linear space of arrays of symbolic size.

A solution at one size is a space of arrays `A[i, j, …]`. Where it is all of them, the skew ones,
the diagonal ones, those with rows that sum to zero, …, it is the same at any size, and its
dimension is a formula in the sizes. What one tensor moves by is then a linear image of what another
moves by: transposed, summed, repeated, times a number.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_EXACT = 1e-9

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Part:
    """A space of arrays with one or two letters.

    Attributes:
        name: in words, empty for all arrays.
        letters: how many.
        project: arrays [..., n] or [..., n, n] onto the space, orthogonally.
        dimension: of the size, a number or a symbol.
        mask: of a size, where coefficients are put before they are projected: a basis.
    """

    name: str
    letters: int
    project: Callable[[Tensor], Tensor]
    dimension: Formula
    mask: Callable[[int], Tensor]


def _eye(a: Tensor) -> Tensor:
    return torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)


def _scalar(a: Tensor) -> Tensor:
    trace = a.diagonal(dim1=-2, dim2=-1).mean(-1)
    return trace[..., None, None] * _eye(a)


def _centred(a: Tensor) -> Tensor:
    return a - a.mean(-1, keepdim=True)


def _stabiliser(a: Tensor) -> Tensor:
    centred = _centred(_centred(a).mT).mT
    return (centred - centred.mT) / 2


def _constant(a: Tensor) -> Tensor:
    return a.mean(-1, keepdim=True).expand_as(a)


def _all(n: int) -> Tensor:
    return torch.ones(n, dtype=torch.bool)


def _first(n: int) -> Tensor:
    return torch.arange(n) == 0


def _before(n: int) -> Tensor:
    return torch.arange(n) < n - 1


def _corner(n: int) -> Tensor:
    return _first(n)[:, None] & _first(n)


def _upper(n: int, of: int | None = None) -> Tensor:
    """Above the diagonal, among the first so many."""
    i = torch.arange(n)
    inside = i < (n if of is None else of)
    return (i[:, None] < i) & inside[:, None] & inside


ONE = (
    Part("", 1, lambda a: a, lambda n: n, _all),
    Part("summing to zero", 1, _centred, lambda n: n - 1, _before),
    Part("constant", 1, _constant, lambda n: 1, _first),
)
TWO = (
    Part("scalar", 2, _scalar, lambda n: 1, _corner),
    Part("diagonal", 2, lambda a: a * _eye(a), lambda n: n, lambda n: torch.eye(n).bool()),
    Part("skew", 2, lambda a: (a - a.mT) / 2, lambda n: n * (n - 1) / 2, _upper),
    Part("skew, rows summing to zero", 2, _stabiliser, lambda n: (n - 1) * (n - 2) / 2,
         lambda n: _upper(n, n - 1)),
    Part("symmetric", 2, lambda a: (a + a.mT) / 2, lambda n: n * (n + 1) / 2,
         lambda n: _upper(n) | torch.eye(n).bool()),
    Part("traceless", 2, lambda a: a - _scalar(a), lambda n: n * n - 1,
         lambda n: _before(n)[:, None] | _before(n)),
    Part("without diagonal", 2, lambda a: a * (1 - _eye(a)), lambda n: n * (n - 1),
         lambda n: ~torch.eye(n).bool()),
    Part("skew or scalar", 2, lambda a: (a - a.mT) / 2 + _scalar(a),
         lambda n: n * (n - 1) / 2 + 1, lambda n: _upper(n) | _corner(n)),
)  # fmt: skip


@dataclass(frozen=True)
class Structure:
    """A space of arrays: a product of parts, each on one letter or on two.

    Attributes:
        parts: with the positions of their letters.
    """

    parts: tuple[tuple[Part, tuple[int, ...]], ...]

    def project(self, values: Tensor) -> Tensor:
        """Arrays [..., *sizes] onto the space."""
        count = sum(len(places) for _, places in self.parts)
        for part, places in self.parts:
            axes = [p - count for p in places]
            last = list(range(-len(axes), 0))
            values = part.project(values.movedim(axes, last)).movedim(last, axes)
        return values

    def dimension(self, sizes: Sequence[Any]) -> Any:
        """Of numbers or symbols."""
        total: Any = 1
        for part, places in self.parts:
            total = total * part.dimension(sizes[places[0]])
        return total

    def array(self, c: Tensor, sizes: Sequence[int]) -> Tensor:
        """The array of an element, from as many coefficients as the space has dimensions."""
        mask = torch.ones((), dtype=torch.bool)
        order: list[int] = []
        for part, places in self.parts:
            own = part.mask(sizes[places[0]])
            mask = mask[..., *(None,) * own.ndim] & own
            order += places
        if order:
            mask = mask.permute([order.index(k) for k in range(len(order))])
        values = torch.zeros(tuple(sizes), dtype=c.dtype, device=c.device)
        values[mask.to(c.device)] = c
        return self.project(values)

    @property
    def spelled(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """What tells it from others, at any size."""
        return tuple((part.name, places) for part, places in self.parts)

    def constant(self, letters: str) -> str:
        """Those of its letters along which arrays are constant."""
        return "".join(letters[places[0]] for part, places in self.parts if part.name == "constant")

    @property
    def constants(self) -> int:
        """Letters that say nothing: better said by an array without them."""
        return sum(part.name in ("constant", "scalar") for part, _ in self.parts)

    @property
    def words(self) -> str:
        """What is special about the arrays, empty where nothing is."""
        return ", ".join(part.name for part, _ in self.parts if part.name)


def structures(sizes: Sequence[int]) -> Iterator[Structure]:
    """All structures that arrays of some sizes may have, the plainest first."""
    letters = range(len(sizes))
    pairs = [
        (i, j) for i, j in itertools.combinations(letters, 2) if sizes[i] == sizes[j]
    ]  # fmt: skip
    for pair in [None, *pairs]:
        rest = [k for k in letters if pair is None or k not in pair]
        for two in (None,) if pair is None else TWO:
            for ones in itertools.product(ONE, repeat=len(rest)):
                parts = [(one, (k,)) for one, k in zip(ones, rest, strict=True)]
                yield Structure((*([(two, pair)] if two and pair else []), *parts))


@dataclass(frozen=True)
class Image:
    """A linear image of arrays: an Einstein sum, along which new letters are repeated.

    Attributes:
        given: letters of the array; equal ones take its diagonal.
        made: letters of the image; along what is not in `given` it is repeated, and equal ones make
            a diagonal.
        factor: that multiplies it.
        mean: letters along which the array is constant: no sum is taken along them, but a mean.
    """

    given: str
    made: str
    factor: float
    mean: str = ""

    def same(self, other: "Image") -> bool:
        """Whether two are the same at any size."""
        alike = (self.given, self.made) == (other.given, other.made)
        return alike and abs(self.factor - other.factor) < _EXACT

    def of(self, values: Tensor, sizes: Sequence[int]) -> Tensor:
        """The image [..., *sizes] of arrays [..., *given]."""
        letters = "".join(dict.fromkeys(self.made))
        size = dict(zip(self.made, sizes, strict=True))
        kept = "".join(c for c in letters if c in self.given)
        image = torch.einsum(f"...{self.given}->...{kept}", values)
        for k, c in enumerate(self.given):
            if c in self.mean and c not in kept:
                image = image / values.shape[values.ndim - len(self.given) + k]
        batch = image.shape[: image.ndim - len(kept)]
        for k, c in enumerate(letters):
            if c not in self.given:
                image = image.unsqueeze(len(batch) + k)
        image = image.expand((*batch, *(size[c] for c in letters)))
        for k, c in enumerate(self.made):
            if self.made.index(c) < k:  # a second time: the diagonal of what is made
                eye = torch.eye(size[c], dtype=image.dtype, device=image.device)
                image = image.unsqueeze(len(batch) + k)
                shape = [1] * image.ndim
                shape[len(batch) + self.made.index(c)] = shape[len(batch) + k] = size[c]
                image = image * eye.reshape(shape)
        return self.factor * image


def images(sizes: Sequence[Any], wanted: Sequence[Any]) -> list[Image]:
    """All images of arrays of some sizes that have the wanted ones.

    Args:
        sizes: of the array; whatever tells indices apart.
        wanted: of the image.
    """
    found = []
    for given in _named(sizes):
        size = dict(zip(given, sizes, strict=True))
        found += [Image(given, made, 1.0) for made in _made(size, "", wanted)]
    return found


def _made(size: Mapping[str, Any], before: str, wanted: Sequence[Any]) -> Iterator[str]:
    """Letters of images, of which at most two are the same."""
    if not wanted:
        yield before
        return
    fresh = "uvwxyz"[len(before)]
    for c in (*size, fresh):
        again = len(set(before + c)) < len(before) + 1
        if size.get(c, wanted[0]) == wanted[0] and not (again and len(set(before)) < len(before)):
            yield from _made({**size, c: wanted[0]}, before + c, wanted[1:])


def _named(sizes: Sequence[Any]) -> Iterator[str]:
    """Letters of an array: all different, or two of one size the same."""
    letters = "abcdefgh"[: len(sizes)]
    yield letters
    for i, j in itertools.combinations(range(len(sizes)), 2):
        if sizes[i] == sizes[j]:
            yield letters[:j] + letters[i] + letters[j + 1 :]
