"""Rotary position embedding: constant maps of one wire that rotate pairs of its coordinates.

However it is spelled (halves, interleaved, complex numbers, on a part of the head only), it is a
subgraph that is linear in one wire with constant coefficients. The subgraph is found by walking
back until one wire remains; the pairs are read off by probing it with unit vectors, and the claim
(the map commutes with the complex structure of every pair) is tested on random input.
(Su et al. 2021, RoFormer.)
"""

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.trace import Graph, Op
from symfind.trace.graph import replace
from symfind.trace.kernels import run

_LINEAR = {
    "neg", "slice", "select", "view", "unsqueeze", "squeeze", "transpose", "permute", "cat",
    "stack", "unbind", "split", "chunk", "split_with_sizes", "clone", "view_as_complex",
    "view_as_real", "flip", "reshape", "expand", "contiguous", "flatten", "unflatten", "add", "sub",
    "mul", "_unsafe_view", "concat", "select_scatter", "slice_scatter",
}  # fmt: skip
_LIMIT = 64
Pairs = tuple[tuple[int, int], ...]


@dataclass
class Rotation:
    """A region from `root` to its exit: dimension and rotated pairs; `inside` is swallowed.

    Along the dimensions `even` all slices are turned alike (heads, but not positions). What leaves
    the region as coordinate i is coordinate `order[i]`, turned: even and odd entries may leave it
    as two halves.
    """

    root: Op
    dim: int
    pairs: tuple[tuple[int, int], ...]
    inside: list[Op]
    even: tuple[int, ...] = ()
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Turned:
    """What a probe finds: see `Rotation`."""

    pairs: Pairs
    even: tuple[int, ...]
    order: tuple[int, ...]


def find_rotations(graph: Graph) -> dict[int, Rotation]:
    """Rotations by the identity of their exit operation, outermost first."""
    order = {id(op): i for i, op in enumerate(graph.ops)}
    found: dict[int, Rotation] = {}
    taken: set[int] = set()
    probed: dict[Any, _Turned | None] = {}
    for op in reversed(graph.ops):
        if id(op) in taken or not op.trainable or not _may_exit(op):
            continue
        region = _region(op, order)
        if region is None:
            continue
        root, inside = region
        if not any(_rotates(x) for x in [*inside, op]):
            continue
        key = _signature(root, op, inside, order)
        if key not in probed:
            probed[key] = _probe(root, op, sorted(inside, key=lambda x: order[id(x)]))
        turned = probed[key]
        if turned:
            dim = len(op.shape or ()) - 1
            found[id(op)] = Rotation(root, dim, turned.pairs, inside, turned.even, turned.order)
            taken.update(id(x) for x in inside)
            taken.add(id(op))
    return found


def _may_exit(op: Op) -> bool:
    name = op.base
    if name in ("add", "sub"):
        return sum(isinstance(a, Op) and a.trainable for a in op.args[:2]) == 2
    return name in ("cat", "stack", "view", "reshape", "flatten", "_unsafe_view", "concat")


def _rotates(op: Op) -> bool:
    """A product with a constant that has entries: without one nothing turns."""
    if op.base != "mul":
        return False
    return any(isinstance(a, Op) and not a.trainable and len(a.shape or ()) > 1 for a in op.args)


def _linear(op: Op) -> list[Op] | None:
    """The trainable operands of an operation that is linear in them, or None."""
    if op.target != "getitem" and op.base not in _LINEAR:
        return None
    parts = [x for x in op.operands if x.trainable]
    if op.base == "mul" and len(parts) != 1:
        return None
    if op.base in ("add", "sub") and len(parts) != 2:
        return None
    if any(x.varies and not x.trainable for x in op.operands):
        return None
    return parts


def _region(exit_: Op, order: dict[int, int]) -> tuple[Op, list[Op]] | None:
    """Walk back from the exit until a single wire of the same shape remains."""
    parts = _linear(exit_)
    if not parts:
        return None
    frontier = {id(x): x for x in parts}
    inside: list[Op] = []
    best: tuple[Op, list[Op]] | None = None
    while frontier and len(inside) < _LIMIT:
        if len(frontier) == 1:
            (root,) = frontier.values()
            if root.shape == exit_.shape and any(_rotates(x) for x in [*inside, exit_]):
                closed = {id(x) for x in inside}
                if all(id(u) in closed or u is exit_ for x in inside for u in x.users):
                    best = (root, list(inside))
                    break
        latest = max(frontier.values(), key=lambda x: order[id(x)])
        below = _linear(latest)
        if below is None:
            return None
        del frontier[id(latest)]
        inside.append(latest)
        frontier.update({id(x): x for x in below})
    return best


def _signature(root: Op, exit_: Op, inside: list[Op], order: dict[int, int]) -> Any:
    ops = sorted([*inside, exit_], key=lambda x: order[id(x)])
    names = {id(root): -1, **{id(op): i for i, op in enumerate(ops)}}

    def spell(tree: Any) -> Any:
        if isinstance(tree, Op):
            return names.get(id(tree), ("constant", id(tree)))
        if isinstance(tree, tuple | list):
            return tuple(spell(item) for item in tree)
        return str(tree)

    return root.shape, tuple((op.target, spell(op.args)) for op in ops)


def _run(root: Op, exit_: Op, inside: list[Op], x: Tensor) -> Tensor:
    values: dict[int, Any] = {id(root): x}

    def read(op: Op) -> Any:
        if id(op) not in values:
            values[id(op)] = op.value()
            if values[id(op)] is None:
                raise ValueError(op.name)
        return values[id(op)]

    for op in [*inside, exit_]:
        values[id(op)] = run(op, replace(op.args, read), replace(op.kwargs, read), x.device)
    return values[id(exit_)]


_ENTRYWISE = {"neg", "add", "sub", "mul", "clone", "contiguous"}
_PLACED = {"slice": (1, 0), "cat": (1, 0), "concat": (1, 0)}  # which argument is the dimension


def _slicewise(root: Op, ops: list[Op]) -> tuple[int, ...]:
    """Dimensions along which a region does the same to every slice, as each operation tells."""
    shape = tuple(root.shape or ())
    rank = len(shape)

    def apart(op: Op, d: int) -> bool:
        if len(op.shape or ()) != rank or (op.shape or shape)[d] != shape[d]:
            return False
        if op.base in _PLACED:
            place, default = _PLACED[op.base]
            dim = op.args[place] if len(op.args) > place else default
            if not isinstance(dim, int) or dim % rank == d:
                return False
        elif op.base not in _ENTRYWISE:
            return False
        fixed = [tuple(x.shape or ()) for x in op.operands if not x.trainable]
        return all(len(c) < rank - d or c[d - rank] == 1 for c in fixed)

    return tuple(d for d in range(rank - 1) if all(apart(op, d) for op in ops))


def _probe(root: Op, exit_: Op, inside: list[Op]) -> _Turned | None:
    """Pairs of last-dimension coordinates that the region rotates, None if it does more.

    With them the dimensions along which it does so alike, and the order in which they leave.
    """
    alike = _slicewise(root, [*inside, exit_])
    shape = tuple(1 if d in alike else n for d, n in enumerate(root.shape or ()))
    if len(shape) < 2:
        return None
    width = shape[-1]
    generator = torch.Generator().manual_seed(0)
    try:
        found = _partners(root, exit_, inside, shape, width)
        if found is None:
            return None
        partner, order = found
        pairs = tuple((i, j) for i, j in enumerate(partner) if i < j)
        if not pairs:
            return None
        back = torch.tensor([order.index(i) for i in range(width)])

        def go(x: Tensor) -> Tensor:
            return _run(root, exit_, inside, x)[..., back]

        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        y = go(x)
        first, second = torch.tensor(pairs).T
        turned = torch.zeros_like(x)
        turned[..., first], turned[..., second] = -x[..., second], x[..., first]
        expected = torch.zeros_like(y)
        expected[..., first], expected[..., second] = -y[..., second], y[..., first]
        scale = torch.zeros(width, dtype=torch.float64)
        weights = torch.randn(len(pairs), generator=generator, dtype=torch.float64)
        scale[first] = scale[second] = weights
        still = [i for i, j in enumerate(partner) if i == j]
        good = torch.allclose(go(turned), expected, atol=1e-9)
        good &= torch.allclose(go(x * scale), y * scale, atol=1e-9)
        # The rest must be left alone, for then any map of it passes.
        good &= torch.allclose(y[..., still], x[..., still], atol=1e-9)
        even = [
            d for d in range(len(shape) - 1)
            if d in alike or torch.equal(go(x.flip(d)).flip(d), y)
        ]  # fmt: skip
        return _Turned(pairs, tuple(even), tuple(order)) if good else None
    except (ValueError, RuntimeError, TypeError, NotImplementedError):
        return None


def _partners(
    root: Op, exit_: Op, inside: list[Op], shape: tuple[int, ...], width: int
) -> tuple[list[int], list[int]] | None:
    """For each coordinate its partner, or itself; and which coordinate leaves at each place.

    Two coordinates are partners where their unit vectors reach the same two places.
    """
    slots = 1
    for n in shape[:-1]:
        slots *= n
    rows = torch.arange(slots)
    reach = torch.zeros(width, width, dtype=torch.float64)
    for offset, shift in itertools.product(range(-(-width // slots)), (0, 1)):
        # Every position carries the unit vector of another coordinate; of all coordinates twice, at
        # two positions, so that one whose angle is zero does not hide a pair.
        hot = (rows + offset * slots + shift) % width
        x = torch.nn.functional.one_hot(hot, width).to(torch.float64).reshape(shape)
        y = _run(root, exit_, inside, x).reshape(slots, width).abs()
        reach.scatter_reduce_(0, hot[:, None].expand_as(y), y, "amax")
    return _paired(reach > 1e-12)


def _paired(reach: Tensor) -> tuple[list[int], list[int]] | None:
    """Partners and the order of places, where places are reached by one coordinate or by two."""
    width = len(reach)
    places = [tuple(torch.nonzero(row).reshape(-1).tolist()) for row in reach]
    partner, order = list(range(width)), [-1] * width
    for i, found in enumerate(places):
        alike = [j for j in range(width) if places[j] == found]
        if len(found) not in (1, 2) or len(alike) != len(found):
            return _lopsided(reach)
        partner[i] = alike[1 - alike.index(i)] if len(alike) == 2 else i
        order[found[alike.index(i)]] = i
    return None if -1 in order else (partner, order)


def _lopsided(reach: Tensor) -> tuple[list[int], list[int]] | None:
    """The same in place, where some of the turns between partners were not seen."""
    partner = list(range(len(reach)))
    for j, i in torch.nonzero(reach).tolist():
        if i != j:
            if partner[j] not in (j, i) or partner[i] not in (i, j):
                return None
            partner[j], partner[i] = i, j
    return partner, list(range(len(reach)))
