"""Complex weights of which only a part is seen: filters between a real transform and its inverse.

The lowest frequency of real data is real, and the inverse transform takes the real part there: the
imaginary part of a filter at this frequency is not seen, nor at the highest one of an even number
of places; in two dimensions a filter and its mirror image are seen through their mean. What a
region of complex numbers makes of real ones is analytic in all that enters it. Where it is linear
in a parameter, changes that do nothing at some random data and still do nothing at other such data
do nothing at all, with probability one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.numerics.decompose import right
from symfind.numerics.tolerances import EXACT
from symfind.solve.charts.affine import kernel, points, same
from symfind.solve.charts.partial import adding, plain_wires, small
from symfind.solve.point.family import Family
from symfind.trace.graph import Graph, Op, replace
from symfind.trace.kernels import run

_MOST = 1_000_000  # entries of a derivative
_DRAWS = 6
_POINTS, _VALUES = 6, 16  # at which slopes are compared, and values
_ROUNDING = 1e-11  # of values, relative to the largest


@dataclass(frozen=True)
class _Region:
    """Complex operations that a parameter enters, and the real ones that end them."""

    root: Op
    ends: Sequence[Op]

    def outputs(self, theta: Tensor, drawn: Mapping[Op, Tensor]) -> Tensor:
        """All that leaves the region, in one row."""
        known: dict[Op, Any] = {self.root: theta, **drawn}

        def made(op: Op) -> Any:
            return run(op, replace(op.args, value), replace(op.kwargs, value), theta.device)

        def value(op: Op) -> Any:
            if op not in known:
                known[op] = made(op) if op.trainable or op.varies else op.value()
                if known[op] is None:
                    raise LookupError(op.name)
            return known[op]

        # what is drawn where it enters again is held fixed where it ends
        flat = [made(end) for end in self.ends]
        return torch.cat([x.reshape(-1) for x in flat])

    def draw(self, rng: torch.Generator) -> dict[Op, Tensor]:
        """Random real numbers for all that enters besides the parameter."""
        return {op: torch.randn(op.shape or (), generator=rng, dtype=torch.float64)
                for op in dict.fromkeys(self._entries())}  # fmt: skip

    def _entries(self) -> Iterator[Op]:
        stack, seen = list(self.ends), set[Op]()
        while stack:
            op = stack.pop()
            for x in op.operands:
                if x is self.root or x in seen or not (x.trainable or x.varies):
                    continue
                if x.target in ("input", "parameter") and _complex(x):
                    raise LookupError(x.name)  # complex data are not drawn
                seen.add(x)
                if _complex(x):
                    stack.append(x)
                else:
                    yield x

    def kernel(self) -> Tensor | None:
        """Changes of the parameter that do nothing, [number, entries]; None where it is bent."""
        rng, shape = torch.Generator().manual_seed(0), self.root.shape or ()
        count = math.prod(shape)
        null, largest = torch.eye(count, dtype=torch.float64), 0.0
        for at in range(_DRAWS):
            data = self.draw(rng)
            theta = torch.randn(shape, generator=rng, dtype=torch.float64)
            slope = self._slope(theta, data, null)
            for (other,) in points([shape], rng, _POINTS) if not at else ():
                if not same(slope, self._slope(other, data, null)):
                    return None
            s, vh = right(slope)
            largest = largest or float(s[0])
            rank = int((s > EXACT * largest).sum())
            if not rank and at:  # what did nothing at other data does nothing here
                return null if self._stays(null, data, rng) else None
            null = vh[rank:] @ null
            if not len(null):
                return null
        return null[:0]

    def _stays(self, null: Tensor, data: Mapping[Op, Tensor], rng: torch.Generator) -> bool:
        """Whether values stay: a derivative sees no step, and no detached part."""
        for (theta,) in points([self.root.shape or ()], rng, _VALUES):
            size = theta.abs().max()
            mixed, other = (size * torch.randn(n, generator=rng, dtype=torch.float64)
                            for n in (len(null), theta.numel()))  # fmt: skip
            value, moved, shaken = (
                self.outputs(theta + x.reshape(theta.shape), data)
                for x in (torch.zeros_like(theta), mixed @ null, other)
            )
            if not float((moved - value).abs().max()) <= _ROUNDING * float(shaken.abs().max()):
                return False
        return True

    def _slope(self, theta: Tensor, data: Mapping[Op, Tensor], along: Tensor) -> Tensor:
        """Derivatives along some directions, [outputs, directions]."""
        unit = along.reshape(len(along), *theta.shape)
        columns = [torch.func.jvp(lambda t: self.outputs(t, data), (theta,), (v,))[1] for v in unit]
        return torch.stack(columns, 1)


def _complex(op: Op) -> bool:
    return op.dtype is not None and op.dtype.is_complex


def spectral_families(
    graph: Graph, sources: Mapping[str, p.Source], known: Sequence[Family]
) -> list[Family]:
    """What is not seen of every parameter of complex weights.

    Args:
        graph: what is lowered.
        sources: the wires of all parameters.
        known: families that may say as much.
    """

    def unseen() -> Iterator[Family]:
        for root in graph.parameters.values() if small(graph) else ():
            region = _region(root)
            try:
                null = None if region is None else region.kernel()
            except (LookupError, RuntimeError, NotImplementedError):
                continue
            if null is not None and len(null):  # a twin has other frequencies
                yield kernel(plain_wires([sources[root.key]]), null)

    return adding(unseen(), known, {name: wire.shape for name, wire in sources.items()})


def _region(root: Op) -> _Region | None:
    """Where a parameter goes as a complex number, None where it goes elsewhere or is too large."""
    ends, seen, stack = list[Op](), set[Op](), list(root.users)
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.target == "output" or op.shape is None:
            return None
        if _complex(op):
            stack += op.users
        elif not any(_complex(x) for x in op.operands):
            return None
        else:
            ends.append(op)
    size = sum(math.prod(op.shape or ()) for op in ends) * math.prod(root.shape or ())
    return _Region(root, ends) if ends and 0 < size <= _MOST else None
