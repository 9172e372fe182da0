"""Finite groups: point groups of grids, permutations, or matrices from a file."""

import itertools
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symfind.errors import InputError

MOST = 2000  # elements
_NEAR = 1e-6  # of a product to an element
_FULL = 6  # things, up to which every permutation is an element

# generators, as signed permutations of the axes of a grid
_TURN = [[0, -1], [1, 0]]
_MIRROR = [[1, 0], [0, -1]]
_CYCLE = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
_QUARTER = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
_HALF = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]
_INVERSION = [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]
POINT_GROUPS = {
    "D1": [[[-1]]],
    "C2": [[[-1, 0], [0, -1]]],
    "C4": [_TURN],
    "D2": [_MIRROR, [[-1, 0], [0, 1]]],
    "D4": [_TURN, _MIRROR],
    "T": [_CYCLE, _HALF],
    "O": [_CYCLE, _QUARTER],
    "Th": [_CYCLE, _HALF, _INVERSION],
    "Oh": [_CYCLE, _QUARTER, _INVERSION],
}


@dataclass(frozen=True)
class FiniteGroup:
    """A finite group by orthogonal or other matrices, its *defining* representation.

    Attributes:
        name: as it was asked for.
        kind: `grid` where the matrices permute and reverse the axes of a grid, else `index`.
        elements: matrices, [count, d, d]; of a large symmetric group one of each class.
        weights: the part of the group that each stands for, [count].
        generators: places of elements that generate the group, or represent all.
        order: number of elements.
    """

    name: str
    kind: str
    elements: Tensor
    weights: Tensor
    generators: tuple[int, ...]
    order: int

    @property
    def full(self) -> bool:
        """Whether every element is there."""
        return len(self.elements) == self.order

    @property
    def size(self) -> int:
        """On how many axes, or coordinates, it acts."""
        return self.elements.shape[1]

    @cached_property
    def orthogonal(self) -> bool:
        """Whether the matrices are orthogonal."""
        eye = torch.eye(self.size, dtype=torch.float64)
        return bool((self.elements @ self.elements.mT - eye).abs().max() < _NEAR)

    @cached_property
    def regular(self) -> Tensor:
        """How elements permute the elements, [count, order, order].

        Raises:
            InputError: the group is too large for it.
        """
        if not self.full or self.order > 200:
            raise InputError(f"{self.name} has {self.order} elements: its regular representation "
                             "is too large")  # fmt: skip
        products = torch.einsum("gij,hjk->ghik", self.elements, self.elements)
        flat = self.elements.flatten(1)
        places = torch.cdist(products.flatten(2).flatten(0, 1), flat).argmin(1)
        places = places.reshape(self.order, self.order)
        return torch.nn.functional.one_hot(places, self.order).mT.double()

    def mean(self, values: Tensor) -> float:
        """The average over the group of a class function, from its values at the elements."""
        return float((self.weights * values).sum())


def finite_group(text: str) -> FiniteGroup:
    """The group of a name, `D4`, `Oh`, `S_5`, or of a file of matrices or permutations.

    Raises:
        InputError: there is no such group, or the matrices generate none that is finite.
    """
    if text in POINT_GROUPS:
        return _generated(text, "grid", torch.tensor(POINT_GROUPS[text], dtype=torch.float64))
    found = re.fullmatch(r"([SC])_?(\d+)", text)
    if found and int(found[2]) > 0:
        size = int(found[2])
        return _symmetric(size) if found[1] == "S" else _cyclic(size)
    if text.endswith(".npy"):
        return _generated(text, "index", _read(text))
    raise InputError(
        f"{text!r} names no group: write {', '.join(POINT_GROUPS)}, S_n or C_n with a number, or a "
        "file .npy of matrices [count, n, n] or permutations [count, n]"
    )


def group_of(matrices: Any, name: str = "group") -> FiniteGroup:
    """The group that matrices [count, n, n] or permutations [count, n] generate.

    Raises:
        InputError: they generate no finite group.
    """
    return _generated(name, "index", _matrices(np.asarray(matrices), name))


def _generated(name: str, kind: str, generators: Tensor) -> FiniteGroup:
    """All products of generators, the identity first."""
    size = generators.shape[1]
    found = torch.eye(size, dtype=torch.float64)[None]
    fresh = found
    while len(fresh):
        products = torch.einsum("gij,hjk->ghik", generators, fresh).reshape(-1, size, size)
        if not bool(torch.isfinite(products).all()) or float(products.abs().max()) > 1e6:
            raise _infinite(name)
        fresh = _new(products, found)
        found = torch.cat([found, fresh])
        if len(found) > MOST:
            raise _infinite(name)
    places = torch.cdist(generators.flatten(1), found.flatten(1)).argmin(1).tolist()
    return FiniteGroup(
        name, kind, found, torch.full((len(found),), 1.0 / len(found), dtype=torch.float64),
        tuple(dict.fromkeys(places)), len(found),
    )  # fmt: skip


def _new(products: Tensor, known: Tensor) -> Tensor:
    """Products that are not known, each once."""
    kept: list[Tensor] = []
    table = known.flatten(1)
    for product in products:
        row = product.flatten()[None]
        if float(torch.cdist(row, table).min()) > _NEAR:
            kept.append(product)
            table = torch.cat([table, row])
    return torch.stack(kept) if kept else products[:0]


def _infinite(name: str) -> InputError:
    return InputError(
        f"{name}: the matrices generate no finite group (more than {MOST:,} products, or they "
        "grow): give the elements of a finite group, or generators of one"
    )


def _symmetric(n: int) -> FiniteGroup:
    name = f"S_{n}"
    if n <= _FULL:
        swaps = [_moved(n, [1, 0, *range(2, n)]), _moved(n, [*range(1, n), 0])] if n > 1 else []
        generators = torch.stack(swaps or [torch.eye(1, dtype=torch.float64)])
        return _generated(name, "index", generators)
    types = list(_partitions(n))
    elements = torch.stack([_moved(n, _cycles(t)) for t in types])
    weights = torch.tensor([1.0 / _centraliser(t) for t in types], dtype=torch.float64)
    swap, cycle = types.index((2, *[1] * (n - 2))), types.index((n,))
    return FiniteGroup(name, "index", elements, weights, (swap, cycle), math.factorial(n))


def _cyclic(n: int) -> FiniteGroup:
    return _generated(f"C_{n}", "index", _moved(n, [*range(1, n), 0])[None])


def _moved(n: int, images: list[int]) -> Tensor:
    """The matrix that sends basis vector i to that of images[i]."""
    return torch.eye(n, dtype=torch.float64)[:, torch.tensor(images).argsort()]


def _partitions(n: int, most: int | None = None) -> itertools.chain:
    """Descending summands of n."""
    if n == 0:
        return itertools.chain([()])
    return itertools.chain.from_iterable(
        ((k, *rest) for rest in _partitions(n - k, k)) for k in range(min(n, most or n), 0, -1)
    )


def _cycles(lengths: tuple[int, ...]) -> list[int]:
    images, start = [], 0
    for length in lengths:
        images += [start + (i + 1) % length for i in range(length)]
        start += length
    return images


def _centraliser(lengths: tuple[int, ...]) -> int:
    return math.prod(k ** lengths.count(k) * math.factorial(lengths.count(k)) for k in set(lengths))


def _read(path: str) -> Tensor:
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} holds no array of numbers ({error})") from error
    if not isinstance(held, np.ndarray):
        raise InputError(f"{path} holds several arrays: save one, [count, n, n] or [count, n]")
    return _matrices(held, path)


def _matrices(array: "np.typing.NDArray", name: str) -> Tensor:
    """Matrices from matrices or permutations.

    Raises:
        InputError: they are neither.
    """
    if array.ndim == 2 and array.dtype.kind in "iu" and array.size:
        rows = np.sort(array, 1)
        if not (rows == np.arange(array.shape[1])).all():
            raise InputError(f"{name}: a row is no permutation of 0 … {array.shape[1] - 1}")
        return torch.stack([_moved(array.shape[1], row.tolist()) for row in array])
    square = array.ndim == 3 and array.shape[1] == array.shape[2] and array.size
    if not square or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise InputError(
            f"{name} has shape {list(array.shape)} of {array.dtype}: expected real matrices "
            "[count, n, n], or permutations [count, n] as integers"
        )
    matrices = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    if float(torch.linalg.svdvals(matrices).min()) < _NEAR:
        raise InputError(f"{name}: a matrix is not invertible, and so in no group")
    return matrices
