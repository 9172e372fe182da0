"""What a stretch tells of its parameters where random data enter, and its derivative.

Shares of a softmax sum to one and what a centred norm gives to zero, so what is drawn for these
does; dually neither sees what is added to all entries. Rows of a table are looked up by shares as
well: of all of them, which no number of drawn places is sure to be.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.solve.point.values import Environment
from symfind.solve.stretches.cut import ATTENTION, NORMS, Exit, Stretch
from symfind.trace.graph import Op, replace
from symfind.trace.kernels import run

_LEAST = 1e-3  # of the size of an exit, relative: what is told below that may be rounding


class Told:
    """One evaluation of a stretch."""

    def __init__(self, stretch: Stretch, env: Environment, rng: torch.Generator) -> None:
        """At a point.

        Args:
            stretch: what is evaluated.
            env: values of parameters.
            rng: for what enters.
        """
        self._stretch, self._env, self._rng = stretch, env, rng
        self._known: dict[Op, Any] = {}
        self._own = set(stretch.ops)

    def exits(self) -> list[Tensor]:
        """All that leaves."""
        for op in self._stretch.ops:
            self._known[op] = self._made(op)
        return [self._left(one) for one in self._stretch.exits]

    def _value(self, op: Op) -> Any:
        if not op.varies:
            return _finite(self._env.value_of(op))
        if op not in self._known:
            self._known[op] = self._drawn(op)
        return self._known[op]

    def _drawn(self, op: Op) -> Tensor:
        """Of what enters."""
        if op.dtype is not None and not op.dtype.is_floating_point:
            rows = min(u.args[0].shape[0] for u in op.users if u in self._own)
            return _shares(self._normal([*(op.shape or ()), rows]), -1, None)
        x = self._normal(op.shape or ())
        return _shares(x, op.args[1], _allowed(op.args[0])) if op.base == "softmax" else x

    def _normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(shape, generator=self._rng, dtype=torch.float64).to(**self._env.like)

    def _made(self, op: Op) -> Any:
        if op.base in NORMS:
            return self._normed(op)
        if op.base == ATTENTION:
            return self._shares(op) @ self._value(op.args[2])
        if op.base == "embedding":
            shares = self._value(op.args[1])
            return shares @ self._value(op.args[0])[: shares.shape[-1]]
        if op.base == "masked_fill" and not math.isfinite(_number(op.args[2])):
            return self._value(op.args[0])
        args, kwargs = replace(op.args, self._value), replace(op.kwargs, self._value)
        return run(op, args, kwargs, self._env.like["device"])

    def _normed(self, op: Op) -> Tensor:
        """A gain and a shift of something that sums to zero, if the norm is centred."""
        n = self._normal(op.shape or ())
        n = n if op.base == "rms_norm" else centred(n, op)
        first = 1 if op.base == "instance_norm" else 2
        along = [-1 if d == 1 else 1 for d in range(n.dim())]
        for at in range(first, first + (1 if op.base == "rms_norm" else 2)):
            if op.args[at] is not None:
                w = self._value(op.args[at])
                w = w if op.base in ("layer_norm", "rms_norm") else w.reshape(along)
                n = n * w if at == first else n + w
        return n

    def _shares(self, op: Op) -> Tensor:
        heads, places = [list(x.shape or ()) for x in op.args[:2]]
        x = self._normal([*heads[:-1], places[-2]])
        if op.args[3:4] and op.args[3] is not None:
            return x  # where nothing is allowed there is no share
        return _shares(x, -1, _causal(op, x))

    def _left(self, one: Exit) -> Tensor:
        reader = one.reader
        if reader is None:
            return self._value(one.op)
        if reader.base == ATTENTION:
            scores = self._value(reader.args[0]) @ self._value(reader.args[1]).mT
            return _differences(scores, -1, _causal(reader, scores))
        return centred(self._value(one.op), reader)


def centred(x: Tensor, reader: Op) -> Tensor:
    """What a function sees that is blind to what is added to all entries."""
    if reader.base in ("softmax", "log_softmax"):
        return _differences(x, reader.args[1], _allowed(reader.args[0]))
    if reader.base == "layer_norm":
        return x - x.mean(tuple(range(-len(reader.args[1]), 0)), keepdim=True)
    groups = reader.args[1] if reader.base == "group_norm" else x.shape[1]
    y = x.reshape(x.shape[0], groups, -1)
    return (y - y.mean(-1, keepdim=True)).reshape(x.shape)


def _differences(x: Tensor, dim: int, allowed: Tensor | None) -> Tensor:
    if allowed is None:
        return x - x.mean(dim, keepdim=True)
    some = allowed.to(x).expand(x.shape)
    return (x - (x * some).sum(dim, True) / some.sum(dim, True).clamp(min=1)) * some


def _shares(x: Tensor, dim: int, allowed: Tensor | None) -> Tensor:
    some = torch.ones_like(x) if allowed is None else allowed.to(x).expand(x.shape)
    return _differences(x, dim, some) + some / some.sum(dim, True).clamp(min=1)


def _allowed(scores: Op) -> Tensor | None:
    """Where a softmax gives a share: where nothing that is fixed makes it zero."""
    if scores.base == "masked_fill" and _number(scores.args[2]) == -math.inf:
        mask = None if scores.args[1].varies else scores.args[1].value()
        return None if mask is None else ~mask
    if scores.base == "add" and scores.args[1:] and isinstance(scores.args[1], Op):
        mask = scores.args[1].value() if scores.args[1].constant else None
        return None if mask is None else mask != -math.inf
    return None


def _causal(op: Op, scores: Tensor) -> Tensor | None:
    """The same of attention, where no place looks at later ones."""
    causal = op.kwargs.get("is_causal", op.args[5] if len(op.args) > 5 else False)
    return torch.ones_like(scores).tril() if causal else None


def _number(x: object) -> float:
    return float(x) if isinstance(x, int | float) else math.nan


def _finite(x: Any) -> Any:
    """Infinities stand for what is not allowed."""
    if isinstance(x, Tensor) and x.is_floating_point():
        return torch.where(torch.isfinite(x), x, torch.zeros_like(x))
    return x


def most(count: int) -> int:
    """How many random sums of what leaves tell all that it tells of so many entries."""
    return count + count // 4 + 8


def slope(
    stretch: Stretch, env: Environment, roots: Sequence[Op], rng: torch.Generator, even: bool = True
) -> Tensor:
    """Derivatives of what leaves by some parameters, or of as many random sums of that as matter.

    Args:
        stretch: what is evaluated.
        env: values at the point.
        roots: parameters that move.
        rng: for what enters.
        even: whether all that leaves counts alike, however much it tells.

    Returns:
        Shape [sums, entries of the parameters].
    """
    leaves = {r.key: env.given(r.key).detach() for r in roots}
    count = sum(w.numel() for w in leaves.values())
    lengths: list[int] = []

    def left(own: dict[str, Tensor]) -> Tensor:
        exits = Told(stretch, Environment({**env.theta, **own}, None, env.constants), rng).exits()
        lengths.extend(x.numel() for x in exits)
        return torch.cat([x.reshape(-1) for x in exits])

    flat, back, *_ = torch.func.vjp(left, leaves)

    def rows(sums: Tensor) -> Tensor:
        (grads,) = torch.func.vmap(back, randomness="same")(sums)
        return torch.cat([grads[r.key].reshape(len(sums), -1) for r in roots], 1)

    n, sums = len(flat), most(count)
    each = torch.block_diag(*(torch.randn(k, generator=rng) / k**0.5 for k in lengths))
    sizes = rows(each.to(flat)).norm(dim=1)  # of what each exit tells
    sizes = sizes.clamp(min=_LEAST * float(sizes.max()) or 1.0)
    some = torch.eye(n) if n <= sums else torch.randn(sums, n, generator=rng) / n**0.5
    if not even:
        return rows(some.to(flat))
    return rows(some.to(flat) / sizes.repeat_interleave(torch.tensor(lengths).to(flat.device)))
