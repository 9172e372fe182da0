"""Matrices on several bonds that commute with fixed maps between them, in closed form or solved.

A map C = U V of rank r lets X and Y pass, Y C = C X, where both make the same h of r dimensions:
h V = V X and Y U = U h. A matrix of which no more is asked is V⁺ h V + (1 - V⁺ V) Z with any h and
Z; where V is square, h is V X V⁻¹ for any X. What is left is a system of linear equations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.numerics.decompose import right, svd
from symfind.numerics.tolerances import EXACT

FAINT = 1e-6  # relative: singular values that are neither there nor absent
ROUNDING = 1e-14
SURE = 1e-9
MOST = 1200  # unknowns of a system that is solved
Value = Callable[[Tensor], Tensor]  # of the coefficients


@dataclass(frozen=True)
class Side:
    """g Q = Q Y for what a map lets through: Y a matrix or its dual, g = factor h + shift or its.

    Attributes:
        root: which matrix.
        turned: whether Y is its dual, -Xᵀ.
        middle: which h.
        flipped: whether g is its dual.
        rows: Q [rank, size], of full rank.
        factor: of h.
        shift: number of an h of one row and column, and how much of it is added.
    """

    root: int
    turned: bool
    middle: int
    flipped: bool
    rows: Tensor
    factor: float = 1.0
    shift: tuple[int, float] | None = None


@dataclass
class System:
    """Matrices by number, what is asked of them, and the maps between.

    Attributes:
        sizes: of the matrices.
        forms: "general", "diagonal", "skew", "ones" (no sum of rows or columns) or "zero", any of
            them together.
        sides: of all maps.
        middles: ranks of the maps.
        zero: maps through which nothing passes.
    """

    sizes: dict[int, int]
    forms: dict[int, frozenset[str]]
    sides: list[Side] = field(default_factory=list)
    middles: list[int] = field(default_factory=list)
    zero: set[int] = field(default_factory=set)

    def middle(self, rank: int) -> int:
        """One more h; its number."""
        self.middles.append(rank)
        return len(self.middles) - 1

    def join(self, one: tuple[int, bool], two: tuple[int, bool], matrix: Tensor) -> bool:
        """A map from one matrix to another, each maybe a dual; False where its rank is unclear."""
        parts = factored(matrix)
        if parts is None:
            return False
        u, v = parts
        h = self.middle(len(v))
        self.sides.append(Side(one[0], one[1], h, False, v))
        self.sides.append(Side(two[0], not two[1], h, True, u.T))
        return True

    def pass_on(
        self, one: tuple[int, bool], two: tuple[int, bool], factor: float,
        shift: tuple[int, float] | None,
    ) -> None:  # fmt: skip
        """The identity: the second is a multiple of the first, and a multiple of the identity."""
        unit = torch.eye(self.sizes[one[0]], dtype=torch.float64)
        h = self.middle(len(unit))
        self.sides.append(Side(one[0], one[1], h, False, unit))
        self.sides.append(Side(two[0], not two[1], h, True, unit, factor, shift))

    def add_up(self, one: tuple[int, bool], h: int) -> None:
        """A sum of all entries; one that nothing acts on has no part in it."""
        if "zero" in self.forms[one[0]]:
            return
        ones = torch.ones(1, self.sizes[one[0]], dtype=torch.float64)
        self.sides.append(Side(one[0], one[1], h, False, ones))

    def solve(self) -> "Solution | None":
        """All solutions; None where there are too many unknowns, or it is unclear how many."""
        self._settle()
        return _Solver(self).solution()

    def _settle(self) -> None:
        """What vanishes makes vanish what it is passed on to: h Q = 0 for Q of full rank."""
        for root, form in self.forms.items():
            if {"skew", "diagonal"} <= form:
                self.forms[root] = form | {"zero"}
        plain = [side for side in self.sides if side.shift is None and side.factor]
        before = -1
        while before < (before := self._vanishing()):
            for side in plain:
                if "zero" in self.forms[side.root]:
                    self.zero.add(side.middle)
                elif side.middle in self.zero and len(side.rows) == side.rows.shape[1]:
                    self.forms[side.root] |= {"zero"}

    def _vanishing(self) -> int:
        return len(self.zero) + sum("zero" in form for form in self.forms.values())


@dataclass(frozen=True)
class Solution:
    """Matrices that are linear in free coefficients."""

    count: int
    values: dict[int, Value]


def factored(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """U [m, r] and V [r, n] of full rank whose product is a matrix; None where r is unclear."""
    u, s, vh = svd(matrix)
    if not len(s) or not float(s[0]) or not bool(torch.isfinite(s).all()):
        return None
    live = s > EXACT * s[0]
    if bool((live & (s < FAINT * s[0])).any()):
        return None
    return u[:, live] * s[live], vh[live]


class _Solver:
    """One system: unknowns in a row, and every matrix as a function of them."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.count = 0
        self.values: dict[int, Value] = {}
        self.inner: dict[int, Value] = {}  # of every h
        self.left: list[Side] = []  # which are equations
        of: dict[int, list[Side]] = {}
        for side in system.sides:
            of.setdefault(side.root, []).append(side)
        for h in system.zero:
            self.inner[h] = self._zeros(system.middles[h])
        for root, sides in sorted(of.items(), key=lambda item: self._order(*item)):
            self._add(root, sides)
        for h, rank in enumerate(system.middles):
            if h not in self.inner:
                self.inner[h] = self._block(rank, rank)

    def _order(self, root: int, sides: Sequence[Side]) -> tuple[int, int]:
        """What is bound comes first, and what may be anything last."""
        tall = sum(len(s.rows) < s.rows.shape[1] for s in sides)
        return (0 if self.system.forms[root] else 1 + (tall < 2) + (tall < 1)), root

    def _add(self, root: int, sides: Sequence[Side]) -> None:
        """A matrix: of its form, or as one of the maps asks; then what the others know of it."""
        tall = [s for s in sides if len(s.rows) < s.rows.shape[1]]
        known = [s for s in sides if s.middle in self.inner]
        bent = [s for s in sides if s.shift is not None or s.factor != 1]
        lead: Side | None = None
        if not self.system.forms[root] and len(tall) < 2:
            lead = next(iter([*tall, *known, *(bent if len(bent) == len(sides) else ())]), None)
        if lead is None:
            self.values[root] = self._unknown(self.system.sizes[root], self.system.forms[root])
        else:
            self.values[root] = self._leaf(lead)
        for side in sides:
            if side is not lead and not self._empty(side) and not self._determines(side):
                self.left.append(side)

    # unknowns ----------------------------------------------------------------------------
    def _block(self, rows: int, columns: int) -> Value:
        start, n = self.count, rows * columns
        self.count += n
        return lambda c: c[start : start + n].reshape(rows, columns)

    @staticmethod
    def _zeros(n: int) -> Value:
        return lambda c: c.new_zeros(n, n)

    def _unknown(self, n: int, form: frozenset[str]) -> Value:
        """A matrix of a form; what does not come of itself is an equation."""
        if "zero" in form:
            return self._zeros(n)
        if "diagonal" in form:
            row = self._block(1, n)
            return lambda c: torch.diag(row(c)[0])
        if "skew" in form:
            half = self._block(1, n * (n - 1) // 2)
            i, j = torch.triu_indices(n, n, 1)

            def skew(c: Tensor) -> Tensor:
                upper = c.new_zeros(n, n).index_put((i, j), half(c)[0])
                return upper - upper.T

            return skew
        return self._block(n, n)

    def _empty(self, side: Side) -> bool:
        """Whether a map asks nothing: it takes what vanishes to what vanishes."""
        zero = "zero" in self.system.forms[side.root] and side.middle in self.system.zero
        return zero and side.shift is None

    def _determines(self, side: Side) -> bool:
        """Whether h is what a matrix says, the map being one to one on its side."""
        rank, size = side.rows.shape
        if rank < size or side.middle in self.inner or side.shift or side.factor != 1:
            return False
        if side.middle in self.system.zero:
            return False
        value, back = self.values[side.root], torch.linalg.inv(side.rows)

        def inner(c: Tensor) -> Tensor:
            g = side.rows @ _dual(value(c), side.turned) @ back
            return _dual(g, side.flipped)

        self.inner[side.middle] = inner
        return True

    def _asked(self, side: Side, c: Tensor) -> Tensor:
        """g, as a map asks for it."""
        g = side.factor * self.inner[side.middle](c)
        if side.shift is not None:
            form, power = side.shift
            g = g + power * self.inner[form](c) * torch.eye(len(g)).to(g)
        return _dual(g, side.flipped)

    def _leaf(self, side: Side) -> Value:
        rank, size = side.rows.shape
        back = torch.linalg.pinv(side.rows)
        _, vh = right(side.rows)
        kernel, rest = vh[rank:].T, self._block(size - rank, size)

        def value(c: Tensor) -> Tensor:
            y = back @ self._asked(side, c) @ side.rows + kernel @ rest(c)
            return _dual(y, side.turned)

        return value

    # equations ---------------------------------------------------------------------------
    def _missing(self, c: Tensor) -> Tensor:
        """What must vanish."""
        rows = [c.new_zeros(1)]
        for side in self.left:
            y = _dual(self.values[side.root](c), side.turned)
            rows.append((self._asked(side, c) @ side.rows - side.rows @ y).reshape(-1))
        for root, form in self.system.forms.items():
            if "ones" in form and root in self.values:
                x = self.values[root](c)
                rows += [x.sum(0), x.sum(1)]
        return torch.cat(rows)

    def solution(self) -> Solution | None:
        """Of all equations."""
        if self._vanishes():
            return Solution(self.count, self.values)
        if self.count > MOST:
            return None
        unit = torch.eye(self.count, dtype=torch.float64)
        matrix = torch.func.vmap(self._missing)(unit).T
        sizes = matrix.norm(dim=1, keepdim=True)
        matrix = matrix / torch.where(sizes > EXACT * sizes.max(), sizes, torch.inf)
        s, vh = right(matrix)
        live = s > EXACT * len(s) * s[0]
        if bool((live & (s < FAINT * s[0])).any()):
            return None
        basis = vh[int(live.sum()) :]
        values = {r: _through(v, basis) for r, v in self.values.items()}
        return Solution(len(basis), values)

    def _vanishes(self) -> bool:
        """Whether all equations hold of themselves."""
        rng = torch.Generator().manual_seed(0)
        for _ in range(3):
            c = torch.randn(self.count, generator=rng, dtype=torch.float64)
            if float(self._missing(c).abs().max()) > ROUNDING * float(c.abs().sum() + 1):
                return False
        return True


def _through(value: Value, basis: Tensor) -> Value:
    return lambda c: value(c @ basis.to(c))


def _dual(x: Tensor, turned: bool) -> Tensor:
    return -x.transpose(-1, -2) if turned else x


def holds(side: Side, system: System, solution: Solution, c: Tensor) -> bool:
    """Whether what passes a map is one matrix on its side, to rounding.

    Args:
        side: of a map.
        system: that was solved.
        solution: of it.
        c: coefficients.
    """
    y = _dual(solution.values[side.root](c), side.turned)
    made = side.rows @ y
    left = made - made @ torch.linalg.pinv(side.rows) @ side.rows
    return bool(left.abs().max() <= SURE * float(1 + made.abs().max()))
