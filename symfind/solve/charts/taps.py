"""Taps of a convolution that meet the same entries, because of how its input was made longer.

What is put around a picture in a circle, by reflection or by repetition, and what a small picture
is enlarged to, are entries of the picture. With a constant linear map P before a convolution along
the dimensions that it slides over, and another one Q behind it, the result at o is
Σₖ wₖ Σ Q[o, o′] P[s o′ + k, q] x[q]: all that is seen of the taps w is a fixed linear map of them,
and what is in its kernel may be added to the taps between any two channels. Functions of one entry
behind P change nothing of this where P copies entries.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.numerics.decompose import right
from symfind.numerics.tolerances import EXACT
from symfind.ops.formulas import NAMES
from symfind.solve.charts.partial import adding, plain_wires, small
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.trace.graph import Graph, Op
from symfind.trace.kernels import run

_MOST = 4_000_000  # entries of what is seen
_CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
_MAPS = ("pad", "constant_pad", "reflection_pad", "replication_pad", "upsample_", "_upsample_",
         "avg_pool", "adaptive_avg_pool", "_adaptive_avg_pool")  # fmt: skip


@dataclass(frozen=True)
class _Chain:
    """A convolution with the constant maps before and behind it, in order."""

    before: Sequence[Op]
    op: Op
    behind: Sequence[Op]

    @property
    def rank(self) -> int:
        """How many dimensions it slides over."""
        return _CONVOLUTIONS[self.op.base]

    @property
    def taps(self) -> tuple[int, ...]:
        """The size of its kernel."""
        return tuple((self.op.args[1].shape or ())[2:])

    def seen(self) -> Tensor | None:
        """What of the taps of one channel is seen, [entries before and behind, taps]."""
        first, last = [*self.before, self.op][0], [self.op, *self.behind][-1]
        places = tuple((first.args[0].shape or ())[2:])
        q, k = math.prod(places), math.prod(self.taps)
        if not 0 < q * math.prod((last.shape or ())[2:]) * k <= _MOST:
            return None
        x = torch.cat([torch.zeros(1, q), torch.eye(q)]).double().reshape(q + 1, 1, *places)
        unit = torch.eye(k, dtype=torch.float64).reshape(k, 1, *self.taps)
        geometry = (*self.op.args[3:6], *(1, 0, 1)[len(self.op.args[3:6]) :])
        try:
            for op in self.before:
                x = run(op, (x, *op.args[1:]), op.kwargs, x.device)
            x = run(self.op, (x, unit, None, *geometry, 1), {}, x.device)
            for op in self.behind:
                x = run(op, (x, *op.args[1:]), op.kwargs, x.device)
        except (RuntimeError, TypeError):
            return None
        return x.transpose(0, 1).reshape(k, -1).T


def tap_families(
    graph: Graph, sources: Mapping[str, p.Source], known: Sequence[Family]
) -> list[Family]:
    """What is not seen of the taps of every convolution between such maps.

    Args:
        graph: what is lowered.
        sources: the wires of all parameters.
        known: families that may say as much.
    """

    def unseen() -> Iterator[Family]:
        for chain in filter(None, map(_chain, graph.ops if small(graph) else ())):
            seen = chain.seen()
            if seen is None:
                continue
            s, vh = right(seen)
            null = vh[int((s > EXACT * s[:1]).sum()) :]
            if len(null):
                (wire,) = plain_wires([sources[chain.op.args[1].key]])
                yield _family(wire, null)

    return adding(unseen(), known, {name: wire.shape for name, wire in sources.items()})


def _chain(op: Op) -> _Chain | None:
    """A convolution of several taps, of a weight that nothing else reads, between such maps."""
    rank = _CONVOLUTIONS.get(op.base)
    weight = op.args[1] if rank else None
    if not isinstance(weight, Op) or weight.target != "parameter" or weight.users != [op]:
        return None
    if not op.varies or op.kwargs or math.prod((weight.shape or ())[2:]) < 2:
        return None
    before, behind, x, y, bent = list[Op](), list[Op](), op.args[0], op, False
    while True:
        if _map(x, rank) and (not bent or _copies(x)):
            before.insert(0, x)
        elif x.base in NAMES and len(x.operands) == 1:
            bent = True
        else:
            break
        x = x.args[0]
    while len(y.users) == 1 and _map(y.users[0], rank) and y.users[0].args[0] is y:
        y = y.users[0]
        behind.append(y)
    if not (before or behind) or len(op.shape or ()) != (rank or 0) + 2:
        return None
    return _Chain(before, op, behind)


def _map(op: Op, rank: int | None) -> bool:
    """Whether an operation is a constant map along the last dimensions, alike in all channels."""
    if not op.base.startswith(_MAPS) or op.operands != [op.args[0]] or op.shape is None:
        return False
    old = op.args[0].shape or ()
    if op.base in ("pad", "constant_pad", "constant_pad_nd") and len(op.args[1]) > 2 * (rank or 0):
        return False  # of channels or examples, which shifts them
    return len(old) == len(op.shape) == (rank or 0) + 2 and old[:2] == op.shape[:2]


def _copies(op: Op) -> bool:
    """Whether every entry of the result of such a map is one of the operand."""
    if op.base == "pad":
        return len(op.args) > 2 and op.args[2] in ("circular", "reflect", "replicate")
    return op.base.startswith(("reflection_pad", "replication_pad", "upsample_nearest"))


def _family(wire: p.Source, null: Tensor) -> NullFamily:
    channels = math.prod(wire.shape[:2])

    def width(sizes: Sizes | None) -> int:
        return channels * len(null) if sizes is None else 0  # a twin has other pictures

    def build(env: Environment, c: Tensor) -> Moves:
        return {wire: (c.reshape(channels, -1) @ null.to(c)).reshape(env.shape(wire))}

    return NullFamily(kind="inert", sources=(wire,), width=width, build=build)
