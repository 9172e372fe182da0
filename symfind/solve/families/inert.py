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
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import Moves, NullFamily
from symfind.solve.point.values import Environment

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
            case p.Contract():
                found: Masks = {}
                for at in range(len(node.inputs)):
                    found = _either(found, self._carried(node, at))
                return found
            case p.Movement() | p.Add():
                return _both([self._carried(node, at) for at in range(len(node.inputs))])
            case p.Pointwise() if node.slope is not None or (node.degree or 0) > 0:
                return self.zeros(node.inputs[0])
        return {}

    def _carried(self, node: Node, at: int) -> Masks:
        """Zeros of one operand, where they are in the result; a piece says nothing of others."""
        below, found = self.zeros(node.inputs[at]), {}
        for run in node.index_map(at):
            if len(run.ins) == len(run.outs) == 1:
                (d,), (i,) = run.ins, run.outs
                mask, n = below.get(d), node.axes[i].size
                if run.way is Way.PIECE:
                    rest = torch.ones(n, dtype=torch.bool)
                    rest[node.begin(at) : node.begin(at) + node.inputs[at].axes[d].size] = (
                        False if mask is None else mask
                    )
                    found[i] = rest
                elif mask is not None and run.way is Way.SAME:
                    found[i] = mask
                elif mask is not None and run.way is Way.PART:
                    found[i] = mask[node.begin(at) : node.begin(at) + n]
        return found

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
        match user:
            case p.Take():
                return self._taken(user)
            case p.Contract():
                return self._multiplied(user, at)
            case p.Softmax() | p.Normalise() | p.Centre():
                return {d: m for d, m in self._back(user, at).items() if d not in user.dims}
            case p.Movement() | p.Add() | p.Entrywise() | p.Pointwise():
                return self._back(user, at)
        return {}

    def _back(self, user: Node, at: int) -> Masks:
        """Coordinates of an operand at which nothing sees a result."""
        above, found = self.unseen(user), {}
        for run in user.index_map(at):
            if len(run.ins) == len(run.outs) == 1 and run.outs[0] in above:
                (d,), mask = run.ins, above[run.outs[0]]
                start, n = user.begin(at), user.inputs[at].axes[d].size
                if run.way is Way.SAME:
                    found[d] = mask
                elif run.way is Way.PIECE:
                    found[d] = mask[start : start + n]
                elif run.way is Way.PART:
                    found[d] = torch.zeros(n, dtype=torch.bool)
                    found[d][start : start + len(mask)] = mask
        return found

    def _taken(self, user: p.Take) -> Masks:
        value = user.picks.value() if isinstance(user.picks, p.Source) else None
        if value is None:
            return {}
        unread = torch.ones(user.inputs[0].axes[user.dim].size, dtype=torch.bool)
        unread[value.reshape(-1)] = False
        return {user.dim: unread}

    def _multiplied(self, user: p.Contract, at: int) -> Masks:
        found = self._back(user, at)
        mine = {n: d for d, n in enumerate(user.labels[at]) if not user.slides(n)}
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
        case p.Contract() if user.windows or any(n not in user.out for n in user.labels[at]):
            return None
        case p.Permute() | p.Pointwise() | p.Expand() | p.Add() | p.Contract():
            kept = {r.ins[0]: r.outs[0] for r in user.index_map(at) if r.way is Way.SAME}
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
