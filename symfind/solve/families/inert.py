"""Entries of parameters that a constant zero hides: masked weights, masked units, padding.

Two analyses per coordinate of every dimension. Forward: at which coordinates is a wire zero? A
constant says so itself; products, sums and what maps zero to zero hand it on. Backward: at which
coordinates is a wire not looked at? Where all that multiplies it is zero, and before that where its
readers are not looked at. An entry of a parameter is inert where this holds for one of its indices,
or where a constant of its own shape multiplies it by zero. What is only left out by a range is
found by `solve.flows`, and what a look-up never reads by `solve.shifts`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import Moves, NullFamily
from symfind.solve.point.values import Environment
from symfind.solve.transport.state import groups

LARGEST = 4_000_000  # entries of a constant that is looked through
Masks = dict[int, Tensor]  # by dimension, one truth value per coordinate; absent where all false


def inert_families(lowered: Lowered) -> list[NullFamily]:
    """For every parameter, the entries that a constant zero hides."""
    known = Hidden()
    result = []
    for sources in lowered.parameters.values():
        looked_up = all(isinstance(u, p.Take) for s in sources for u in s.users)
        if len(sources) == 1 and not looked_up:
            entries = known.entries(sources[0])
            if entries is not None:
                result.append(_family(sources[0], entries))
    return result


def _family(source: p.Source, entries: Tensor) -> NullFamily:
    count = int(entries.sum())

    def width(sizes: Sizes | None) -> int:
        return count if sizes is None else 0  # a twin has other coordinates

    def build(env: Environment, c: Tensor) -> Moves:
        place = entries.to(c.device).reshape(-1).nonzero().squeeze(-1)
        change = torch.zeros(entries.numel(), **env.like).index_put((place,), c)
        return {source: change.reshape(entries.shape)}

    # Other families may act on nothing but a slice that is hidden as a whole.
    whole = any(bool(_slices(entries, d).any()) for d in range(entries.dim()))
    return NullFamily(kind="inert", sources=(source,), width=width, build=build, slices=whole)


class Hidden:
    """Answers for one lowered graph, each derived once."""

    def __init__(self) -> None:
        """Nothing is computed until asked."""
        self._zeros: dict[int, Masks] = {}
        self._unseen: dict[int, Masks] = {}

    # forward -----------------------------------------------------------------------------
    def zeros(self, node: Node) -> Masks:
        """Coordinates at which a wire is zero whatever the other indices are."""
        if node.index not in self._zeros:
            self._zeros[node.index] = _some(self._forward(node))
        return self._zeros[node.index]

    def _forward(self, node: Node) -> Masks:
        if isinstance(node, p.Source):
            return _of_constant(node)
        match node:
            case p.Permute():
                below = self.zeros(node.inputs[0])
                return {i: below[d] for i, d in enumerate(node.order) if d in below}
            case p.View():
                return _renamed(self.zeros(node.inputs[0]), _same(node.inputs[0], node))
            case p.Expand():
                return _renamed(self.zeros(node.inputs[0]), _aligned(node.inputs[0], node))
            case p.Narrow():
                below = dict(self.zeros(node.inputs[0]))
                if node.dim in below:
                    n = node.axes[node.dim].size
                    below[node.dim] = below[node.dim][node.start : node.start + n]
                return below
            case p.Join():
                return self._joined(node)
            case p.Add():
                parts = [_renamed(self.zeros(x), _aligned(x, node)) for x in node.inputs]
                return _both(parts)
            case p.Contract():
                found: Masks = {}
                for at, x in enumerate(node.inputs):
                    moved = _renamed(self.zeros(x), _labelled(node, at))
                    found = _either(found, moved)
                return found
            case p.Pointwise() if node.slope is not None or (node.degree or 0) > 0:
                return self.zeros(node.inputs[0])
        return {}

    def _joined(self, node: p.Join) -> Masks:
        parts = [self.zeros(x) for x in node.inputs]
        found = _both([{d: m for d, m in part.items() if d != node.dim} for part in parts])
        along = [
            part.get(node.dim, torch.zeros(x.axes[node.dim].size, dtype=torch.bool))
            for x, part in zip(node.inputs, parts, strict=True)
        ]
        return {**found, node.dim: torch.cat(along)}

    # backward ----------------------------------------------------------------------------
    def unseen(self, node: Node) -> Masks:
        """Coordinates at which nothing sees a wire."""
        if node.index not in self._unseen:
            parts = [
                self._through(user, at)
                for user in dict.fromkeys(node.users)
                for at, x in enumerate(user.inputs)
                if x is node
            ]
            self._unseen[node.index] = _some(_both(parts)) if parts else {}
        return self._unseen[node.index]

    def _through(self, user: Node, at: int) -> Masks:
        """Coordinates of an operand at which one of its readers does not see it."""
        x = user.inputs[at]
        match user:
            case p.Permute():
                above = self.unseen(user)
                return {d: above[i] for i, d in enumerate(user.order) if i in above}
            case p.View():
                return _renamed(self.unseen(user), _same(user, x))
            case p.Expand() | p.Add() | p.Entrywise():
                back = {i: d for d, i in _aligned(x, user).items()}
                return _renamed(self.unseen(user), back)
            case p.Pointwise():
                return self.unseen(user)
            case p.Narrow():
                above = dict(self.unseen(user))
                if user.dim in above:
                    whole = torch.zeros(x.axes[user.dim].size, dtype=torch.bool)
                    whole[user.start : user.start + len(above[user.dim])] = above[user.dim]
                    above[user.dim] = whole
                return above
            case p.Join():
                above = dict(self.unseen(user))
                if user.dim in above:
                    start = sum(y.axes[user.dim].size for y in user.inputs[:at])
                    above[user.dim] = above[user.dim][start : start + x.axes[user.dim].size]
                return above
            case p.Take():
                return self._taken(user)
            case p.Softmax() | p.Normalise() | p.Centre():
                return {d: m for d, m in self.unseen(user).items() if d not in user.dims}
            case p.Contract():
                return self._multiplied(user, at)
        return {}

    def _taken(self, user: p.Take) -> Masks:
        value = user.picks.value() if isinstance(user.picks, p.Source) else None
        if value is None:
            return {}
        unread = torch.ones(user.inputs[0].axes[user.dim].size, dtype=torch.bool)
        unread[value.reshape(-1)] = False
        return {user.dim: unread}

    def _multiplied(self, user: p.Contract, at: int) -> Masks:
        back = {i: d for d, i in _labelled(user, at).items()}
        found = _renamed(self.unseen(user), back)
        mine = {n: d for d, n in enumerate(user.labels[at]) if not _slides(user, n)}
        for other, x in enumerate(user.inputs):
            if other != at:
                names = user.labels[other]
                moves = {d: mine[n] for d, n in enumerate(names) if n in mine}
                found = _either(found, _renamed(self.zeros(x), moves))
        return found

    # entries of parameters ---------------------------------------------------------------
    def entries(self, node: Node) -> Tensor | None:
        """Entries of a parameter-only wire that nothing sees, None where all may be seen."""
        found: Tensor | None = None
        for user in dict.fromkeys(node.users):
            for at, x in enumerate(user.inputs):
                if x is node:
                    here = self._entries(user, at)
                    if here is None:
                        return None
                    found = here if found is None else found & here
        return found if found is not None and bool(found.any()) else None

    def _entries(self, user: Node, at: int) -> Tensor | None:
        x = user.inputs[at]
        parts = [
            mask.reshape([-1 if i == d else 1 for i in range(len(x.axes))]).expand(x.shape)
            for d, mask in _some(self._through(user, at)).items()
        ]
        parts.extend(_masked(user, at))
        if not user.varies:
            back = _pull(user, at)
            above = None if back is None else self.entries(user)
            if back is not None and above is not None:
                parts.append(back(above))
        return torch.stack(parts).any(0) if parts else None


def _masked(user: Node, at: int) -> Iterator[Tensor]:
    """Where a constant of no other indices multiplies an operand by zero, entry by entry."""
    if not isinstance(user, p.Contract) or any(n not in user.out for n in user.labels[at]):
        return
    names = user.labels[at]
    for other, x in enumerate(user.inputs):
        value = _value(x)
        wide = [n for n, a in zip(user.labels[other], x.axes, strict=True) if a.size > 1]
        if other == at or value is None or any(n not in names for n in wide):
            continue
        order = [user.labels[other].index(n) for n in names if n in wide]
        shape = [s if n in wide else 1 for n, s in zip(names, user.inputs[at].shape, strict=True)]
        squeezed = value.permute([*order, *(d for d in range(value.dim()) if d not in order)])
        yield (squeezed.reshape(shape) == 0).expand(user.inputs[at].shape)


def _pull(user: Node, at: int) -> Callable[[Tensor], Tensor] | None:
    """From entries of a result that nothing sees to those of the operand."""
    x = user.inputs[at]
    match user:
        case p.View():
            return lambda t: t.reshape(x.shape)
        case p.Permute():
            return lambda t: t.permute([user.order.index(d) for d in range(len(user.order))])
        case p.Pointwise():
            return lambda t: t
        case p.Expand() | p.Add():
            kept = _aligned(x, user)
        case p.Contract() if all(n in user.out for n in user.labels[at]) and not user.windows:
            kept = {d: user.out.index(n) for d, n in enumerate(user.labels[at])}
        case _:
            return None

    def back(t: Tensor) -> Tensor:
        for i in range(t.dim()):
            if i not in kept.values():
                t = t.all(i, keepdim=True)
        order = [kept[d] for d in sorted(kept)]
        rest = [i for i in range(t.dim()) if i not in order]
        return t.permute([*order, *rest]).reshape(x.shape)

    return back


def _value(node: Node) -> Tensor | None:
    """The value of a constant, or of a constant mask that is treated as data."""
    if not isinstance(node, p.Source) or node.role == "parameter":
        return None
    size = 1
    for n in node.shape:
        size *= n
    if size > LARGEST or node.orders:
        return None
    value = node.value()
    return value if value is None or value.dim() == len(node.axes) else None


def _of_constant(node: p.Source) -> Masks:
    value = _value(node)
    if value is None or value.is_complex():
        return {}
    zero = value == 0
    return {d: _slices(zero, d) for d in range(zero.dim())}


def _slices(t: Tensor, dim: int) -> Tensor:
    """For every coordinate of a dimension, whether all of its slice is true."""
    return t.movedim(dim, 0).reshape(t.shape[dim], -1).all(1)


def _some(masks: Masks) -> Masks:
    return {d: m for d, m in masks.items() if bool(m.any())}


def _both(parts: list[Masks]) -> Masks:
    first, *rest = parts
    return {
        d: torch.stack([m, *(part[d] for part in rest)]).all(0)
        for d, m in first.items()
        if all(d in part for part in rest)
    }


def _either(one: Masks, two: Masks) -> Masks:
    shared = {d: one[d] | two[d] for d in one if d in two}
    return {**one, **two, **shared}


def _renamed(masks: Masks, moves: dict[int, int]) -> Masks:
    return {moves[d]: m for d, m in masks.items() if d in moves}


def _same(x: Node, y: Node) -> dict[int, int]:
    """Dimensions that a reshape leaves alone."""
    return {a[0]: b[0] for a, b in groups(x.axes, y.axes) if len(a) == len(b) == 1}


def _aligned(x: Node, y: Node) -> dict[int, int]:
    """Dimensions of an operand, and of the result it is broadcast to, where nothing is repeated."""
    offset = len(y.axes) - len(x.axes)
    return {d: d + offset for d, a in enumerate(x.axes) if a.size == y.axes[d + offset].size}


def _slides(node: p.Contract, name: object) -> bool:
    """Whether a label belongs to the windows of a convolution."""
    return bool(node.windows) and isinstance(name, tuple)


def _labelled(node: p.Contract, at: int) -> dict[int, int]:
    """Dimensions of a factor and of the product that carry one label."""
    place = {n: i for i, n in enumerate(node.out) if not _slides(node, n)}
    return {d: place[n] for d, n in enumerate(node.labels[at]) if n in place}
