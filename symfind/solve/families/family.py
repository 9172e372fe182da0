"""Lie algebras of symbolic size on bonds, scales and sums, and how they move the parameters."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, half
from symfind.algebra.exponential import exponential
from symfind.algebra.matrices import matrices
from symfind.algebra.thin import WIDE, Thin, drawn, thin
from symfind.graph import primitives as p
from symfind.graph.wires import ancestors
from symfind.solve.bonds.acting import acted
from symfind.solve.bonds.matrices import Bond, Member
from symfind.solve.bonds.scalings import Scaling
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import Action


def accumulate(moves: Moves, source: p.Source, change: Tensor) -> None:
    """Add a change of one parameter to what moves already."""
    moves[source] = moves[source] + change if source in moves else change


def carry_out(
    env: Environment, actions: Iterable[Action], delta: Tensor, moves: Moves | None = None
) -> Moves:
    """What actions do about a perturbation, added to what moves already."""
    moves = {} if moves is None else moves
    for action in actions:
        accumulate(moves, action.source, action(env, delta).reshape(env.shape(action.source)))
    return moves


@dataclass(eq=False, kw_only=True)
class MatrixFamily(Family):
    """A matrix algebra on one bond: gl, so, those that fix a vector, rotate pairs, or are 1 κᵀ."""

    bond: Bond
    axis: Axis
    indexed: tuple[Axis, ...]
    members: list[Member]
    nodes: list[p.Node] = field(repr=False)

    @property
    def type(self) -> str:
        """Which algebra acts on the atom."""
        skew, ones, pairs = bool(self.bond.skew), bool(self.bond.ones), bool(self.bond.pairs)
        if self.bond.columns:
            return "columns"
        if pairs:
            return "rotations" if skew else "complex"
        if skew:
            return "stabiliser" if ones else "orthogonal"
        return "affine-stabiliser" if ones else "general"

    def gains(self) -> set[int]:
        """Ids of the wires of which the gains are made that stand between it and what it moves."""
        potential = [self.nodes[i] for m in self.members for (i, _), _ in m.potential]
        return {id(node) for node in ancestors(potential)}

    def _width(self, sizes: Sizes | None) -> int:
        return extent(self.axis, sizes)

    def _pairs(self, sizes: Sizes | None) -> list[tuple[int, int]]:
        (pairs,) = self.bond.pairs
        n = self._width(sizes)
        return _tied(self.axis, pairs, n)

    def paired(self, sizes: Sizes | None = None) -> int:
        """Number of rotating pairs."""
        (pairs,) = self.bond.pairs
        return paired(pairs, self.axis, self._width(sizes))

    def single(self, sizes: Sizes | None = None) -> int:
        """Dimension of one copy."""
        n = self._width(sizes)
        match self.type:
            case "general":
                return n * n
            case "columns":
                return n
            case "affine-stabiliser":
                return (n - 1) ** 2
            case "orthogonal":
                return half(n * (n - 1))
            case "stabiliser":
                return half((n - 1) * (n - 2))
        k = self.paired(sizes)
        rest = n - 2 * k
        if self.type == "rotations":
            return k + half(rest * (rest - 1))
        return 2 * k + rest * rest

    def count(self, sizes: Sizes | None = None) -> int:
        """Dimension of all copies."""
        return self.single(sizes) * math.prod(extent(a, sizes) for a in self.indexed)

    def matrix(self, env: Environment, c: Tensor) -> Tensor:
        """The element as matrices of shape [*indexed, n, n]."""
        n = self._width(env.sizes)
        lead = [extent(a, env.sizes) for a in self.indexed]
        c = c.reshape(*lead, self.single(env.sizes))
        pairs = self._pairs(env.sizes) if self.bond.pairs else []
        return matrices(self.type, n, pairs, c)

    def draw(self, rng: torch.Generator) -> Tensor:
        """Of low rank where the matrix is wide, so that it is cheap to act with."""
        n, reduced = self.axis.size, self.type in ("stabiliser", "affine-stabiliser")
        if n < WIDE or self.type in ("columns", "complex", "rotations"):
            return super().draw(rng)
        x = drawn([extent(a) for a in self.indexed], n - reduced, rng)
        if self.type in ("orthogonal", "stabiliser"):
            i, j = torch.triu_indices(x.shape[-2], x.shape[-1], 1)
            return (x[..., i, j] - x[..., j, i]).flatten() / 2**0.5
        return x.flatten()

    def _act(self, env: Environment, member: Member, x: Tensor | Thin, block: Tensor) -> Tensor:
        """Apply a matrix [*indexed, n, n] to the member's atom of a block."""
        return acted(env, member, x, block, self.indexed, self.nodes)

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """Every member moves by X, or by −Xᵀ."""
        whole = self.matrix(env, c)
        few = _thin(whole)
        x, y = (few, -few.transposed) if few else (whole, -whole.transpose(-1, -2))
        moves: Moves = {}
        for member in self.members:
            value = env.take(member.source, member.cell, env.value(member.source))
            change = self._act(env, member, y if member.dual else x, value)
            accumulate(moves, member.source, env.put(member.source, member.cell, change))
        return moves

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        """Every member is multiplied by exp(tX), or by its inverse transpose."""
        x = self.matrix(env, c)
        few = _thin(x)
        if few:
            return self.transform(env, few.exponential(t), (-few.transposed).exponential(t))
        return self.transform(env, exponential(t * x), exponential(-t * x.transpose(-1, -2)))

    def transform(self, env: Environment, forth: Tensor | Thin, back: Tensor | Thin) -> Moves:
        """Act with matrices [*indexed, n, n], or such less the identity if they are thin.

        Args:
            env: where.
            forth: what members are multiplied by.
            back: the same of dual members.
        """
        values: Moves = {}
        for member in self.members:
            whole = values.get(member.source, env.value(member.source))
            block = env.take(member.source, member.cell, whole)
            x = back if member.dual else forth
            change = self._act(env, member, x, block)
            change = change if isinstance(x, Thin) else change - block
            values[member.source] = env.put(member.source, member.cell, change, onto=whole)
        return values


@dataclass(eq=False, kw_only=True)
class ScalingFamily(Family):
    """One positive scale for every value of some indices."""

    scaling: Scaling

    def _sizes(self, sizes: Sizes | None) -> list[int]:
        result = []
        for axis, pairs in zip(self.scaling.indexed, self.scaling.ties, strict=True):
            n = extent(axis, sizes)
            result.append(n if pairs is None else n - paired(pairs, axis, n))
        return result

    def count(self, sizes: Sizes | None = None) -> int:
        """One for every value of the indices, tied pairs once."""
        return math.prod(self._sizes(sizes))

    def logs(self, env: Environment, c: Tensor) -> Tensor:
        """Logarithms of the scales, one for every value of the indices."""
        c = c.reshape(self._sizes(env.sizes))
        for d, (axis, pairs) in enumerate(
            zip(self.scaling.indexed, self.scaling.ties, strict=True)
        ):
            if pairs is not None:
                n = extent(axis, env.sizes)
                second = {j: i for i, j in _tied(axis, pairs, n)}
                firsts = [i for i in range(n) if i not in second]
                index = [firsts.index(second.get(i, i)) for i in range(n)]
                c = c.index_select(d, torch.tensor(index, device=c.device))
        return c

    def _factors(self, env: Environment, c: Tensor) -> list[tuple[p.Source, int, Tensor]]:
        logs = self.logs(env, c)
        result = []
        for follower in self.scaling.members:
            atoms = follower.source.cells[follower.cell].atoms
            order = sorted(range(logs.dim()), key=lambda d: follower.places[d])
            shape = [1] * len(atoms)
            for d, place in enumerate(follower.places):
                shape[place] = logs.shape[d]
            log = follower.exponent * logs.permute(order).reshape(shape)
            result.append((follower.source, follower.cell, log))
        return result

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """Every member times its exponent."""
        moves: Moves = {}
        for source, cell, log in self._factors(env, c):
            block = env.take(source, cell, env.value(source))
            accumulate(moves, source, env.put(source, cell, block * log))
        return moves

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        """Every member times exp(t · exponent)."""
        values: Moves = {}
        for source, cell, log in self._factors(env, c):
            whole = values.get(source, env.value(source))
            block = env.take(source, cell, whole)
            # replaced and not added to: a small scale would be lost in the difference
            scaled = block * torch.exp(t * log)
            values[source] = env.replaced(source, cell, scaled, within=whole)
        return values


def _thin(x: Tensor) -> Thin | None:
    """A wide matrix as a product; nothing is asked of values that a derivative is taken of."""
    asked = x.requires_grad or torch._C._are_functorch_transforms_active()
    return None if asked else thin(x)


def paired(pairs: tuple[tuple[int, int], ...], axis: Axis, n: Any) -> Any:
    """Number of pairs when the axis has size n: all coordinates are paired, or the same few."""
    if not isinstance(n, int):
        return n / 2 if 2 * len(pairs) == axis.size else len(pairs)
    if n == axis.size:
        return len(pairs)
    return n // 2 if 2 * len(pairs) == axis.size else (n - 1) // 2


def _tied(axis: Axis, pairs: tuple[tuple[int, int], ...], n: int) -> list[tuple[int, int]]:
    """The pairs at size n: on a twin their positions do not matter."""
    if n == axis.size:
        return list(pairs)
    k = paired(pairs, axis, n)
    return [(i, i + k) for i in range(k)]


@dataclass(eq=False, kw_only=True)
class ShiftFamily(Family):
    """Something added to one parameter wire, and the actions of others that take it back.

    The coefficients are indexed by `free` atoms of one block of the seed (all blocks where `cell`
    is None, then constant along what is not free).
    """

    seed: p.Source
    cell: int | None
    free: tuple[int, ...]
    actions: tuple[Action, ...] = ()
    loose: bool = False  # the field changes along its own flow
    curved: bool = False  # loose, as parameters that move meet in a product

    @property
    def held(self) -> bool:
        """Whether it has directions only, and no closed form of where they lead."""
        return any(a.bent for a in self.actions)

    @property
    def steps(self) -> int | None:
        """Of a flow that is followed; None for as many as it takes."""
        return None if self.held or self.curved else 4

    @property
    def whole(self) -> bool:
        """Whether any change of the block is in the family."""
        return self.cell is not None and len(self.free) == len(self.seed.cells[self.cell].atoms)

    def _shape(self, sizes: Sizes | None) -> list[int]:
        if self.cell is None:
            return [extent(self.seed.axes[d], sizes) for d in self.free]
        atoms = self.seed.cells[self.cell].atoms
        return [extent(atoms[i], sizes) for i in self.free]

    def count(self, sizes: Sizes | None = None) -> int:
        """One coefficient for every value of the free indices."""
        return math.prod(self._shape(sizes))

    def perturbation(self, env: Environment, c: Tensor) -> Tensor:
        """The perturbation, of size one along whole dimensions where it is constant."""
        shape = self._shape(env.sizes)
        if self.cell is None:
            full = [1] * len(self.seed.axes)
            for d, n in zip(self.free, shape, strict=True):
                full[d] = n
            return c.reshape(full)
        atoms = self.seed.cells[self.cell].atoms
        spread = [extent(a, env.sizes) if i in self.free else 1 for i, a in enumerate(atoms)]
        block = c.reshape(spread).expand([extent(a, env.sizes) for a in atoms])
        return env.put(self.seed, self.cell, block.contiguous())

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """The seed moves by the coefficients; the others take that back."""
        delta = self.perturbation(env, c)
        moves: Moves = {self.seed: delta.expand(env.shape(self.seed)).clone()}
        return carry_out(env, self.actions, delta, moves)


@dataclass(eq=False, kw_only=True)
class NullFamily(Family):
    """Directions built from a null space or a relation: see `solve.reach` and `solve.blind`."""

    width: object  # (sizes) -> int
    build: object  # (env, c) -> Moves
    loose: bool = False
    slices: bool = False  # other families may act on nothing but what this one does
    rows: tuple[int, int] | None = None  # it is so many whole slices along a dimension
    piecewise: bool = False  # its dimension depends on which of several sizes is the smallest
    scaled: tuple[p.Source, ...] = ()  # what is multiplied, where the rest is shifted for it
    rates: tuple[float, ...] = ()  # by e to the power of this times t
    follow: object = None  # (env, c, t) -> Moves: the flow, where it is known
    held: bool = False  # it has directions only, and no closed form of where they lead
    steps: int | None = 4  # of a flow that is followed; None for as many as it takes
    settle: object = None  # (env before, theta, c, t): puts right what following a flow misses

    def count(self, sizes: Sizes | None = None) -> int:
        """As given."""
        return self.width(sizes)  # type: ignore[operator]

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """As given."""
        return self.build(env, c)  # type: ignore[operator]

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        """As given, else along a straight line."""
        return self.follow(env, c, t) if self.follow else super().flow(env, c, t)  # type: ignore[operator]
