"""Index algebra: what the dimensions of a tensor are made of.

Every dimension of every wire is an `Axis`. Operations tell which axes are the same index
(`merge`), that one is a flattened product of others, or a concatenation of parts. Merging
refines both sides to a common structure, so that in the end each axis is a tree of products
and sums over atomic indices, shared by all that use it.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Tangled(Exception):
    """Two factorisations of one index that have no common refinement."""


MOST_CELLS = 256  # of a wire that is cut along several dimensions
MOST_BLOCKS = 8  # of two structures, of which rows are cut as well

Branch = tuple[tuple[int, ...], tuple["Axis", ...]]


class Axis:
    """An index of known size: atomic, a row-major product, or a concatenation of other axes."""

    __slots__ = ("_parent", "size", "kind", "parts", "serial", "_branches", "_begins")
    _serials = itertools.count()
    merged = 0  # changes with every merge of any two: what is known of an index holds until then

    def __init__(self, size: int, kind: str = "atom", parts: Sequence["Axis"] = ()) -> None:
        """Make a fresh index that equals no other yet."""
        self._parent: Axis | None = None
        self.size = size
        self.kind = kind
        self.parts: list[Axis] = list(parts)
        self.serial = next(Axis._serials)
        self._branches: tuple[int, list[Branch]] | None = None
        self._begins: tuple[int, dict[tuple[int, ...], int]] | None = None

    @property
    def root(self) -> "Axis":
        """The representative of all axes known to be this index."""
        axis = self
        while axis._parent is not None:
            if axis._parent._parent is not None:
                axis._parent = axis._parent._parent
            axis = axis._parent
        return axis

    def __repr__(self) -> str:
        axis = self.root
        if axis.kind == "atom":
            return f"{axis.size}#{axis.serial}"
        mark = "*" if axis.kind == "product" else "+"
        return "(" + mark.join(map(repr, axis.parts)) + ")"

    def _become(self, other: "Axis") -> None:
        self._parent = other
        Axis.merged = next(Axis._serials)


def product(axes: Sequence[Axis]) -> Axis:
    """The row-major flattening of several axes; factors of size one carry nothing."""
    factors: list[Axis] = []
    for axis in axes:
        root = axis.root
        if root.size != 1:
            factors.extend(root.parts if root.kind == "product" else [root])
    if len(factors) == 1:
        return factors[0]
    if not factors:
        return Axis(1)
    return Axis(math.prod(a.size for a in factors), "product", factors)


def concatenation(axes: Sequence[Axis]) -> Axis:
    """The concatenation of several axes; empty parts carry nothing."""
    parts: list[Axis] = []
    for axis in axes:
        root = axis.root
        if root.size != 0:
            parts.extend(root.parts if root.kind == "sum" else [root])
    if len(parts) == 1:
        return parts[0]
    return Axis(sum(a.size for a in parts), "sum", parts)


def merge(a: Axis, b: Axis) -> None:
    """Declare two axes to be the same index, refining both.

    Raises:
        Tangled: where the sizes differ or the two structures have no common refinement.
    """
    a, b = a.root, b.root
    if a is b:
        return
    if a.size != b.size:
        raise Tangled(f"sizes {a.size} and {b.size}")
    if a.size == 1:
        return
    if a.kind == "atom":
        if _contains(b, a):
            raise Tangled("an index inside itself")
        a._become(b)
    elif b.kind == "atom":
        merge(b, a)
    elif a.kind == b.kind == "product":
        _align(a.parts, b.parts, product, math.gcd)
        a._become(b)
    elif a.kind == b.kind == "sum":
        _align(a.parts, b.parts, concatenation, min)
        a._become(b)
    elif a.kind == "product":
        _distribute(a, b)
    else:
        _distribute(b, a)


def _contains(tree: Axis, atom: Axis) -> bool:
    tree = tree.root
    return tree is atom or any(_contains(part, atom) for part in tree.parts)


def _split(axis: Axis, first: int, join: Any) -> tuple[Axis, Axis]:
    """Cut an axis into a leading part of the given size and the rest."""
    axis = axis.root
    rest = axis.size // first if join is product else axis.size - first
    head, tail = Axis(first), Axis(rest)
    merge(axis, Axis(axis.size, "product" if join is product else "sum", [head, tail]))
    return head, tail


def _align(left: Sequence[Axis], right: Sequence[Axis], join: Any, common: Any) -> None:
    """Walk two factor lists (or two part lists) in step, cutting the larger to the smaller."""
    a, b = [x.root for x in left], [x.root for x in right]
    a.reverse()
    b.reverse()
    while a and b:
        x, y = a.pop().root, b.pop().root
        if x.size == y.size:
            merge(x, y)
            continue
        step = common(x.size, y.size)
        if step in (0, 1) and join is product:
            raise Tangled("incommensurable factors")
        if x.size != step:
            x, rest = _split(x, step, join)
            a.append(rest)
        if y.size != step:
            y, rest = _split(y, step, join)
            b.append(rest)
        merge(x, y)
    if any(x.size != 1 for x in a + b):
        raise Tangled("factors left over")


def _distribute(prod: Axis, total: Axis) -> None:
    """Merge a product with a concatenation: its outer factor is itself a concatenation.

    Where a part ends within a row of the product, this row is a part of the outer factor by itself,
    and the inner factors are a concatenation as well, cut at the same place in every row.
    """
    outer, inner = prod.parts[0].root, prod.parts[1:]
    width = prod.size // outer.size
    ends = [divmod(end, width) for end in itertools.accumulate(p.root.size for p in total.parts)]
    within = sorted({r for _, r in ends if r})
    blocks = len(branches(prod)) + len(branches(total))
    if within and (blocks > MOST_BLOCKS or _contains(product(inner), outer)):
        raise Tangled("a concatenation across the factors of a product")
    if within:
        merge(product(inner), Axis(width, "sum", _cut([0, *within, width])))
    rows = _cut(sorted({0, outer.size, *(q for q, _ in ends), *(q + 1 for q, r in ends if r)}))
    merge(outer, Axis(outer.size, "sum", rows) if len(rows) > 1 else rows[0])
    whole = concatenation([product([row, *inner]) for row in rows])
    if whole.root.kind != "sum":
        raise Tangled("a concatenation across the factors of a product")
    _align(whole.parts, total.parts, concatenation, min)
    if prod.root is not total.root:
        prod.root._become(total.root)


def _cut(ends: Sequence[int]) -> list[Axis]:
    """Fresh parts between some positions."""
    return [Axis(b - a) for a, b in itertools.pairwise(ends)]


def branches(axis: Axis) -> list[Branch]:
    """All ways to choose one part of every concatenation: (choices, atomic indices left)."""
    axis = axis.root
    if axis._branches is None or axis._branches[0] != Axis.merged:
        axis._branches = Axis.merged, list(_branches(axis))
    return axis._branches[1]


def check_blocks(axes: Sequence[Axis]) -> None:
    """Refuse a wire that is cut along several dimensions into more blocks than can be held.

    A loop that writes the rows and columns of a square one by one cuts it into its entries.

    Raises:
        Tangled: there are so many.
    """
    cut = [n for n in (len(branches(a)) for a in axes) if n > 1]
    if len(cut) > 1 and math.prod(cut) > MOST_CELLS:
        raise Tangled(f"{math.prod(cut):,} blocks of {len(cut)} dimensions")


def _branches(axis: Axis) -> Iterator[Branch]:
    if axis.kind == "atom":
        yield (), (axis,) if axis.size != 1 else ()
    elif axis.kind == "sum":
        for i, part in enumerate(axis.parts):
            for choice, below in branches(part):
                yield (i, *choice), below
    else:
        for combo in itertools.product(*(branches(part) for part in axis.parts)):
            yield tuple(c for b in combo for c in b[0]), tuple(x for b in combo for x in b[1])


def begins(axis: Axis, sizes: "Sizes | None" = None) -> dict[tuple[int, ...], int]:
    """First flat position of every branch of an axis, by its choices."""
    axis = axis.root
    if sizes is None and axis._begins is not None and axis._begins[0] == Axis.merged:
        return axis._begins[1]
    found = dict(zip([b[0] for b in branches(axis)], _offsets(axis, sizes), strict=True))
    if sizes is None:
        axis._begins = Axis.merged, found
    return found


def _offsets(axis: Axis, sizes: "Sizes | None") -> list[int]:
    axis = axis.root
    if axis.kind == "atom":
        return [0]
    if axis.kind == "sum":
        start = 0
        result: list[int] = []
        for part in axis.parts:
            result.extend(start + o for o in _offsets(part, sizes))
            start += extent(part, sizes)
        return result
    result = [0]
    for part in axis.parts:
        inner, n = _offsets(part, sizes), extent(part, sizes)
        result = [o * n + i for o in result for i in inner]
    return result


def atoms(axis: Axis) -> Iterator[Axis]:
    """The atomic indices below an axis."""
    axis = axis.root
    if axis.kind == "atom":
        yield axis
    else:
        for part in axis.parts:
            yield from atoms(part)


class Sizes(Protocol):
    """Sizes of atomic indices: numbers, or symbols where a formula is wanted."""

    def get(self, axis: Axis, default: Any, /) -> Any:
        """The size of an atomic index, the given one where there is no other."""
        ...


def extent(axis: Axis, sizes: Sizes | None = None) -> Any:
    """The size of an axis when its atoms take the given sizes (their own where not given)."""
    axis = axis.root
    if sizes is None:
        return axis.size
    if axis.kind == "atom":
        return sizes.get(axis, axis.size)
    parts = [extent(part, sizes) for part in axis.parts]
    return math.prod(parts) if axis.kind == "product" else sum(parts)


def half(n: Any) -> Any:
    """n / 2 of an even number, or of an expression in sizes."""
    return n // 2 if isinstance(n, int) else n / 2


def least(*values: Any) -> Any:
    """The minimum of numbers, or of expressions in sizes."""
    if all(isinstance(v, int) for v in values):
        return min(values)
    import sympy

    return sympy.Min(*values)


def positive(value: Any) -> Any:
    """The value, or zero where it is negative."""
    if isinstance(value, int):
        return max(value, 0)
    import sympy

    return sympy.Max(value, 0)


def positions(axis: Axis, choice: tuple[int, ...], sizes: Sizes | None = None) -> Any:
    """Flat positions of one branch, as an integer array with one dimension per atom."""
    import numpy as np

    return _positions(axis.root, list(choice), sizes, np)[0]


def _positions(axis: Axis, choice: list[int], sizes: Sizes | None, np: Any) -> Any:
    axis = axis.root
    if axis.kind == "atom":
        n = extent(axis, sizes)
        return (np.arange(n) if axis.size != 1 else np.zeros((), dtype=int)), choice
    if axis.kind == "sum":
        index, rest = choice[0], choice[1:]
        offset = sum(extent(part, sizes) for part in axis.parts[:index])
        inner, rest = _positions(axis.parts[index], rest, sizes, np)
        return inner + offset, rest
    result = np.zeros((), dtype=int)
    for part in axis.parts:
        inner, choice = _positions(part, choice, sizes, np)
        result = np.add.outer(result * extent(part, sizes), inner)
    return result, choice


def interval(
    axis: Axis, choice: tuple[int, ...], sizes: Sizes | None = None
) -> tuple[int, int] | None:
    """First and number of the positions of one branch, None where they lie apart."""
    found = _interval(axis.root, choice, sizes)[0]
    return found if found is None or found[1] else (0, 0)


def _interval(
    axis: Axis, choice: tuple[int, ...], sizes: Sizes | None
) -> tuple[tuple[int, int] | None, tuple[int, ...]]:
    axis = axis.root
    if axis.kind == "atom":
        return (0, extent(axis, sizes) if axis.size != 1 else 1), choice
    if axis.kind == "sum":
        offset = sum(extent(part, sizes) for part in axis.parts[: choice[0]])
        inner, choice = _interval(axis.parts[choice[0]], choice[1:], sizes)
        return None if inner is None else (offset + inner[0], inner[1]), choice
    found: tuple[int, int] | None = (0, 1)
    for part in axis.parts:
        inner, choice = _interval(part, choice, sizes)
        found = _within(found, inner, extent(part, sizes))
    return found, choice


def _within(
    outer: tuple[int, int] | None, inner: tuple[int, int] | None, size: int
) -> tuple[int, int] | None:
    """Positions of pairs whose second index, below a size, runs fastest."""
    if outer is None or inner is None:
        return (0, 0) if (outer or inner or (0, 1))[1] == 0 else None
    if outer[1] <= 1 or 0 in (outer[1], inner[1]):
        return outer[0] * size + inner[0], outer[1] * inner[1]
    return (outer[0] * size, outer[1] * size) if inner[1] == size else None
