"""Polynomial regions of a graph, and what a change of their parameters does.

Cut where anything but a sum, a product, a fixed linear map or a norm of known form is computed, a
network falls into regions. What a region makes of the wires that enter it is a polynomial of them,
or has roots of polynomials where there are norms; its coefficients are functions of the region's
parameters alone. A change of these that leaves every value which leaves the region as it is,
whatever enters, is not seen by anything, wherever the wires come from.

That derivatives vanish for all that enters is decided as identities of polynomials are: at random
values of what enters. New values are taken until they say nothing new, and then all values do
(with probability one), for what vanishes at a generic point vanishes everywhere. Only relations
that hold for all that enters are respected in the values, so that the space is only ever too small:
numbers that sum to one, or to zero.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops import registry
from symfind.ops.lower import Lowered
from symfind.ops.moved import moved
from symfind.solve.point.values import Environment
from symfind.solve.transport.steps import total
from symfind.trace.graph import Op, replace
from symfind.trace.kernels import run

MORE = 8  # rows beyond the unknowns


@dataclass(frozen=True)
class Leaving:
    """A wire that is read outside a region, and dimensions along which a constant is not seen."""

    wire: Node
    blind: tuple[int, ...]


@dataclass
class Region:
    """Parameters, the wires that they reach inside a region, and the wires that leave it.

    Attributes:
        seeds: parameters, as wires.
        leaving: what is read outside.
        inside: all that is computed of the seeds, in order.
    """

    seeds: list[p.Source]
    leaving: list[Leaving]
    inside: list[Node]

    def count(self) -> int:
        """How many numbers the parameters are."""
        return sum(math.prod(s.shape) for s in self.seeds)

    def volume(self) -> int:
        """How many numbers are computed."""
        return sum(math.prod(n.shape) for n in self.inside)

    def rows(self, env: Environment, number: int) -> Tensor:
        """Derivatives of what leaves the region by its parameters, [rows, parameters].

        Args:
            env: where.
            number: which values enter.
        """
        leaves, entering = [env.value(s) for s in self.seeds], Entering(env, number)

        def made(*values: Tensor) -> Tensor:
            known: dict[Node, Tensor] = dict(zip(self.seeds, values, strict=True))
            for node in self.inside:
                read = [known[x] if x in known else entering.value(x) for x in node.inputs]
                known[node] = value_of(node, read)
            parts = []
            for one in self.leaving:
                t = known[one.wire]
                t = t - t.mean(one.blind, keepdim=True) if one.blind else t
                parts.append(t.reshape(-1))
            return torch.cat(parts)

        out, back = torch.func.vjp(made, *leaves)[:2]
        n, most = out.numel(), self.count() + MORE
        if n > most:  # as many combinations of them say as much
            rng = torch.Generator().manual_seed(number)
            weights = torch.randn(most, n, generator=rng, dtype=torch.float64).to(**env.like)
        else:
            weights = torch.eye(n, **env.like)
        found = torch.func.vmap(back)(weights)
        return torch.cat([t.reshape(len(weights), -1) for t in found], 1)


def regions(lowered: Lowered) -> Iterator[Region]:
    """The regions of a graph that have more than one parameter."""
    free = {wires[0] for wires in lowered.parameters.values()
            if len(wires) == 1 and wires[0].users and wires[0].chart is None}  # fmt: skip
    inside: dict[Node, Node] = {s: s for s in free}  # each with one that it is connected to

    def root(node: Node) -> Node:
        while inside[node] is not node:
            inside[node] = inside[inside[node]]
            node = inside[node]
        return node

    for node in lowered.nodes:
        own = [x for x in node.inputs if x in inside]
        if own and computable(node):
            inside[node] = node
            for x in own:
                inside[root(x)] = root(node)
    found: dict[Node, Region] = {}
    for node in lowered.nodes:
        if node in inside:
            region = found.setdefault(root(node), Region([], [], []))
            if isinstance(node, p.Source):
                region.seeds.append(node)
            else:
                region.inside.append(node)
            outside = [u for u in node.users if u not in inside]
            if outside:
                blinds = {u.blind for u in outside}
                region.leaving.append(Leaving(node, blinds.pop() if len(blinds) == 1 else ()))
    yield from (r for r in found.values() if len(r.seeds) > 1)


# values ------------------------------------------------------------------------------------
def computable(node: Node) -> bool:
    """Whether a wire is a sum, a product, a linear map or a norm of others, and is known."""
    if node.orders or any(x.orders for x in node.inputs) or _complex(node.op):
        return False
    match node:
        case p.Add() | p.View() | p.Permute() | p.Expand() | p.Narrow() | p.Join() | p.Centre():
            return True
        case p.Take():
            return isinstance(node.picks, p.Source) and node.picks.value() is not None
        case p.Contract():
            return not node.windows or _convolution(node)
        case p.Pointwise():
            return node.slope is not None and math.isfinite(node.slope)
        case p.Normalise():
            return node.exact
        case p.Peak() | p.Order():
            return False
        case p.Mix():
            return node.mean or total(node) is not None or _replayed(node)
    return False


def _complex(op: Any) -> bool:
    return op is not None and op.dtype is not None and op.dtype.is_complex


def _replayed(node: p.Mix) -> bool:
    """Whether the traced operation can be asked: it reads what the wire is made of, and no more."""
    op = node.op
    if op is None or node.result_of is not op or node.shape != tuple(op.shape or ()):
        return False
    return len(op.operands) == 1 and node.inputs[0].result_of is op.operands[0]


def _convolution(node: p.Contract) -> bool:
    """Whether a product with windows is that of a traced convolution, its indices in order."""
    op = node.op
    if op is None or not op.target.startswith(("aten.conv1d", "aten.conv2d", "aten.conv3d",
                                               "aten.conv_transpose")):  # fmt: skip
        return False
    n = len(node.windows)
    batch, group = (["N"] if "N" in node.out else []), (["g"] if "g" in node.out else [])
    pair = ["i", "o"] if "transpose" in op.target else ["o", "i"]
    ends = {side: [(side, d) for d in range(n)] for side in ("in", "out", "k")}
    return node.labels == (
        (*batch, *group, "i", *ends["in"]),
        (*group, *pair, *ends["k"]),
    ) and node.out == (*batch, *group, "o", *ends["out"])


def value_of(node: Node, values: Sequence[Tensor]) -> Tensor:
    """The value of a wire that is computable."""
    if isinstance(node, p.Take):
        picks = node.picks.value().to(values[0].device)
        t = values[0].index_select(node.dim, picks.reshape(-1))
        return t.reshape(node.shape)
    if isinstance(node, p.Contract) and node.windows:
        x, w = (v.reshape(a.shape) for v, a in zip(values, node.op.args[:2], strict=True))
        args = (x, w, None, *node.op.args[3:])
        return run(node.op, args, node.op.kwargs, x.device).reshape(node.shape)  # type: ignore[no-any-return]
    found = node.evaluate(values, None)
    if found is not None:
        return found
    if isinstance(node, p.Mix) and (factor := total(node)) is not None:
        return factor * values[0].sum(node.dims)
    op = node.op
    args, kwargs = (replace(a, lambda _: values[0]) for a in (op.args, op.kwargs))
    return run(op, args, kwargs, values[0].device).reshape(node.shape)  # type: ignore[no-any-return]


class Entering:
    """Values of all that enters regions: as they are where parameters alone reach them, or random.

    What is computed of a wire that enters, by a map that is known, is computed of its value.

    Args:
        env: where.
        number: which values.
    """

    def __init__(self, env: Environment, number: int) -> None:
        self.env, self.number = env, number
        self._known: dict[Node, Tensor] = {}

    def value(self, node: Node) -> Tensor:
        """Of a wire that no region makes."""
        if node not in self._known:
            self._known[node] = self._value(node)
        return self._known[node]

    def _value(self, node: Node) -> Tensor:
        if not node.varies:
            try:
                return self.env.value(node)
            except LookupError:
                return self._drawn(node.shape, node.index)
        if isinstance(node, p.Source):
            return self._data(node)
        if computable(node):
            return value_of(node, [self.value(x) for x in node.inputs])
        t = self._drawn(node.shape, node.index)
        match node:
            case p.Softmax() if not node.partial:
                return _shares(t, node.dims)
            case p.Normalise() if node.centred:
                return t - t.mean(node.dims, keepdim=True)
        return t

    def _data(self, node: p.Source) -> Tensor:
        op = node.result_of  # others that a rule makes on the way are wires of their own
        if node.compute is None and op is not None and _moves(op):
            return self.env.arranged(node, self._moved(op))
        t = self._drawn(node.shape, node.index if op is None else _seed(op))
        if node.compute is not None:
            t = t * node.compute().to(t)
        for d in node.repeats:
            t = t.narrow(d, 0, 1).expand(t.shape)
        if node.balanced:
            t = t - t.mean(node.balanced, keepdim=True)
        if node.shares:
            t = _shares(t, node.shares)
        return _shares(t, (t.dim() - 1,)) if node.key == "one-hot" else t

    def _moved(self, op: Op) -> Tensor:
        """What is only moved or added up of data."""
        if not _moves(op):
            return self._drawn(op.shape or (), _seed(op))
        args, kwargs = (
            replace(a, lambda x: self._moved(x) if x.varies else self.env.value_of(x))
            for a in (op.args, op.kwargs)
        )
        return run(op, args, kwargs, self.env.like["device"])  # type: ignore[no-any-return]

    def _drawn(self, shape: Sequence[int], seed: int) -> Tensor:
        rng = torch.Generator().manual_seed(1_000_003 * self.number + seed)
        return torch.randn(shape, generator=rng, dtype=torch.float64).to(**self.env.like)


def _seed(op: Op) -> int:
    return zlib.crc32(op.name.encode())


def _moves(op: Op) -> bool:
    """Whether data is only moved, or added up, by an operation with one result."""
    floating = op.dtype is not None and op.dtype.is_floating_point and op.shape is not None
    data = [x for x in op.operands if x.varies]
    return floating and bool(data) and not op.trainable and (
        registry.exact.find(op.target) is moved
        and all(x.dtype is not None and x.dtype.is_floating_point for x in data)
    )  # fmt: skip


def _shares(t: Tensor, dims: Sequence[int]) -> Tensor:
    """Numbers that sum to one."""
    dims = tuple(dims)
    missing = 1 - t.sum(dims, keepdim=True)
    return t + missing / math.prod(t.shape[d] for d in dims)
