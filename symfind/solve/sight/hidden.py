"""Coordinates of wires and entries of parameters that nothing downstream looks at.

Where all that multiplies a wire is zero, and before that where its readers are not looked at. An
entry of a parameter is hidden where this holds for one of its indices, or where a constant of its
own shape multiplies it by zero.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.limits import Limits
from symfind.solve.sight.places import met, regrouped
from symfind.solve.spans.zeros import Masks, Zeros, both, constant_value, either, some
from symfind.solve.transport.effects import window


class Hidden:
    """Answers for one lowered graph, each derived once."""

    def __init__(self, limits: Limits, ranges: bool = False) -> None:
        """Nothing is computed until asked.

        Args:
            limits: where it is noted what was not looked at.
            ranges: whether to say what a range leaves out of a wire as well: what that leaves of
                parameters is found as shifts that nothing reads, but for taps of a convolution.
        """
        self.zeros = Zeros(limits)
        self.ranges = ranges
        self.places = self if ranges else Hidden(limits, ranges=True)
        self._unseen: dict[int, Masks] = {}

    def unseen(self, node: Node) -> Masks:
        """Coordinates at which nothing sees a wire."""
        if node.index not in self._unseen:
            parts = [
                self._through(user, at)
                for user in dict.fromkeys(node.users)
                for at, x in enumerate(user.inputs)
                if x is node
            ]
            self._unseen[node.index] = some(both(parts)) if parts else {}
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
        above, found, x = self.unseen(user), Masks(), user.inputs[at]
        for run in user.index_map(at):
            if run.way is Way.RESHAPED:
                found |= regrouped(run, above, x.shape, user.shape)
            elif len(run.ins) == len(run.outs) == 1:
                (d,), (i,) = run.ins, run.outs
                n, length = x.axes[d].size, user.axes[i].size
                mask = self._before(run.way, above.get(i), n, user.begin(at), length)
                found |= {} if mask is None else {d: mask}
        return found

    def _before(
        self, way: Way, mask: Tensor | None, n: int, start: int, length: int
    ) -> Tensor | None:
        """The same along one dimension that is one of the result, or in a range of either."""
        if way is Way.PART and (mask is not None or self.ranges):
            whole = torch.full((n,), self.ranges)
            whole[start : start + length] = False if mask is None else mask
            return whole
        if mask is None or way not in (Way.SAME, Way.PIECE):
            return None
        return mask if way is Way.SAME else mask[start : start + n]

    def _taken(self, user: p.Take) -> Masks:
        value = _picked(user)
        if value is None:
            return {}
        unread = torch.ones(user.inputs[0].axes[user.dim].size, dtype=torch.bool)
        unread[value] = False
        return {user.dim: unread}

    def _multiplied(self, user: p.Contract, at: int) -> Masks:
        found = either(self._back(user, at), self._slid(user, at))
        mine = {n: d for d, n in enumerate(user.labels[at]) if not user.slides(n)}
        for other, x in enumerate(user.inputs):
            if other != at:
                names = user.labels[other]
                moves = {d: mine[n] for d, n in enumerate(names) if n in mine}
                masks = {moves[d]: m for d, m in self.zeros.of(x).items() if d in moves}
                found = either(found, masks)
        return found

    def _slid(self, user: p.Contract, at: int) -> Masks:
        """Of a convolution, taps that only ever meet padding and places that it steps over."""
        over, found = window(user), Masks()
        if over is None or not all(isinstance(g, tuple) for g in over.geometry):
            return {}
        (x,) = (i for i, own in enumerate(user.labels) if over.slides[0][0] in own)
        above, zero = self.places.unseen(user), self.zeros.of(user.inputs[x])
        for (one, two), tap, *geometry in zip(
            over.slides, over.kernel, *over.geometry, strict=True
        ):
            place, out = user.labels[x].index(one), user.out.index(two)
            kernel = user.labels[1 - x].index(tap)
            n, m, taps = user.inputs[x].shape[place], user.shape[out], user.inputs[1 - x].shape
            nothing, whole = (torch.zeros(k, dtype=torch.bool) for k in (m, n))
            seen, alive = ~above.get(out, nothing), ~zero.get(place, whole)
            places, used = met(seen, alive, taps[kernel], *geometry)
            found |= {place: ~places} if at == x else {kernel: ~used}
        return found

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

    def read(self, table: Node) -> Tensor:
        """Entries of a table that some look-up reads, whether or not that is seen."""
        found = torch.zeros(table.shape, dtype=torch.bool)
        for user in table.users:
            for dim, unread in self._taken(user).items() if isinstance(user, p.Take) else ():
                found |= ~unread.reshape([-1 if d == dim else 1 for d in range(found.dim())])
        return found

    def _entries(self, user: Node, at: int) -> Tensor | None:
        x = user.inputs[at]
        parts = [
            mask.reshape([-1 if i == d else 1 for i in range(len(x.axes))]).expand(x.shape)
            for d, mask in some(self._through(user, at)).items()
        ]
        parts.extend(_masked(user, at))
        if not user.varies:
            back = _pull(user, at)
            above = None if back is None else self.entries(user)
            if back is not None and above is not None:
                parts.append(back(above))
        return torch.stack(parts).any(0) if parts else None


def _picked(user: p.Take) -> Tensor | None:
    """Which rows are read, one entry for every time."""
    value = user.picks.value() if isinstance(user.picks, p.Source) else None
    return None if value is None else value.reshape(-1)


def _masked(user: Node, at: int) -> Iterator[Tensor]:
    """Where a constant of no other indices multiplies an operand by zero, entry by entry."""
    if not isinstance(user, p.Contract) or any(n not in user.out for n in user.labels[at]):
        return
    names = user.labels[at]
    for other, x in enumerate(user.inputs):
        value = constant_value(x)
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
        case p.Take():
            rows = _picked(user)
            return None if rows is None else lambda t: _rows(t, rows, x, user.dim)
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


def _rows(t: Tensor, rows: Tensor, x: Node, dim: int) -> Tensor:
    """Entries of a table that are not seen wherever they are read."""
    seen = ~t.reshape([*x.shape[:dim], len(rows), *x.shape[dim + 1 :]])
    times = torch.zeros(x.shape, dtype=torch.int64).index_add(dim, rows, seen.to(torch.int64))
    return times == 0
