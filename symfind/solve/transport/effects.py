"""Effects: what a change of parameters adds to a wire, as a linear map of another wire.

A perturbation M of a weight that reads x adds M·x to a wire. How it passes other maps is said in
`linear`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment

Make = Callable[[Environment, Tensor], Tensor]
Geometry = tuple[Any, Any, Any]  # stride, padding, dilation


@dataclass(frozen=True)
class Window:
    """How the kernel of a convolution slides: for every spatial dimension three labels."""

    slides: tuple[tuple[Any, Any], ...]  # of the operand, of the result
    kernel: tuple[Any, ...]
    geometry: Geometry
    seals: bool  # whether it never leaves the operand


@dataclass(frozen=True)
class Effect:
    """M·x: `read` labels the dimensions of x, `own` those of M, `out` those of the result.

    A label of `read` that is in `out` as well ties the two; what is not is summed over.
    """

    x: Node
    read: tuple[Any, ...]
    own: tuple[Any, ...]
    out: tuple[Any, ...]
    axes: dict[Any, Axis] = field(repr=False)
    make: Make = field(repr=False)  # from the coefficients to M
    window: Window | None = None

    def scaled(self, factor: float) -> "Effect":
        """A multiple."""
        make = self.make
        return self if factor == 1 else replace(self, make=lambda env, c: factor * make(env, c))

    def size(self, env: Environment, label: Any) -> int:
        """How many values an index has."""
        return int(extent(self.axes[label], env.sizes))

    def wide(self, labels: Sequence[Any]) -> list[Any]:
        """Labels of indices of more than one value."""
        return [n for n in labels if self.axes[n].size > 1]


@dataclass(frozen=True)
class Constant:
    """What an effect makes of a constant: a perturbation along some labels of its result."""

    labels: tuple[Any, ...]
    out: tuple[Any, ...]  # of all dimensions of the result
    make: Make

    def value(self, env: Environment, c: Tensor) -> Tensor:
        """One dimension for each of the result's, of size one where it is constant."""
        return einsum([self.make(env, c)], [self.labels], self.out)


def identity(x: Node) -> Effect:
    """A wire as an effect of itself."""
    labels = tuple(("dim", d) for d in range(len(x.axes)))
    axes = dict(zip(labels, x.axes, strict=True))
    return stripped(Effect(x, labels, (), labels, axes, lambda env, c: torch.ones((), **env.like)))


def of_factor(node: p.Contract, at: int, own: Sequence[Any], make: Make) -> Effect:
    """What a change of one factor of a product does, the other being read.

    Args:
        node: a product of two factors.
        at: which of them changes.
        own: along which of its labels.
        make: the change.
    """
    x, read = node.inputs[1 - at], node.labels[1 - at]
    return stripped(Effect(x, read, tuple(own), node.out, axes_of(node), make, window(node)))


def axes_of(node: p.Contract) -> dict[Any, Axis]:
    """The axes of a product by their labels."""
    wires = zip((*node.inputs, node), (*node.labels, node.out), strict=True)
    return {n: a for wire, names in wires for n, a in zip(names, wire.axes, strict=True)}


def window(node: p.Contract) -> Window | None:
    """How a convolution slides; None for a plain contraction."""
    if not node.windows:
        return None
    ins = [n for names in node.labels for n in names if node.slid(n)]
    outs = [n for n in node.out if isinstance(n, tuple) and n[0] == "out"]
    slides = tuple(zip(ins, outs, strict=True))
    return Window(slides, node.windows, _geometry(node), node.seals)


def _geometry(node: p.Contract) -> Geometry:
    """Stride, padding and dilation; a convolution of another kind is like none but itself."""
    target = "" if node.op is None else node.op.target
    if "conv" not in target or "transpose" in target or "convolution" in target:
        return (node.index,) * 3
    rank = len(node.op.args[1].shape) - 2
    given = (*node.op.args[3:6], 1, 0, 1)[:3] if len(node.op.args) < 6 else node.op.args[3:6]
    stride, padding, dilation = (_tuple(a, rank) for a in given)
    return stride, padding, dilation


def _tuple(value: Any, rank: int) -> Any:
    if isinstance(value, str):
        return value
    return (value,) * rank if isinstance(value, int) else tuple(value)


# labels ----------------------------------------------------------------------------------
def squeezed(node: Node) -> dict[int, int] | None:
    """Where the dimensions of an operand go in a view that only moves those of size one."""
    if not isinstance(node, p.View):
        return None
    runs = node.index_map()
    if any(r.way is not Way.SAME or len(r.ins) != 1 for r in runs):
        return None
    return {r.ins[0]: r.outs[0] for r in runs}


def bare(x: Node, labels: Sequence[Any]) -> tuple[Node, tuple[Any, ...]]:
    """A wire without views that only move dimensions of size one, and the labels of the rest."""
    while (moves := squeezed(x)) is not None:
        below = x.inputs[0]
        labels = [
            labels[moves[d]] if d in moves else ("unit", x.index, d) for d in range(len(below.axes))
        ]
        x = below
    return x, tuple(labels)


def stripped(effect: Effect) -> Effect:
    """The same effect, read from the wire without such views."""
    x, read = bare(effect.x, effect.read)
    if x is effect.x:
        return effect
    axes = {**effect.axes, **dict(zip(read, x.axes, strict=True))}
    return replace(effect, x=x, read=read, axes=axes)


def flattened(node: Node, effect: Effect) -> Effect | None:
    """An effect on a wire of which one dimension is written as several, on what it is a view of."""
    return _as_before(node, effect, False)


def unflattened(node: Node, effect: Effect) -> Effect | None:
    """An effect that reads such a wire, reading what it is a view of."""
    found = _as_before(node, effect, True)
    return None if found is None else replace(found, x=node.inputs[0])


def _as_before(node: Node, effect: Effect, reads: bool) -> Effect | None:
    if not isinstance(node, p.View) or effect.window is not None:
        return None
    below = node.inputs[0].axes
    labels: dict[int, Any] = {
        d: ("unit", node.index, d) for d, a in enumerate(below) if a.size == 1
    }
    effect = replace(effect, axes={**{n: below[d] for d, n in labels.items()}, **effect.axes})
    for run in node.index_map():
        if len(run.ins) != 1 or run.way not in (Way.SAME, Way.RESHAPED):
            return None
        (d,), names = run.ins, [(effect.read if reads else effect.out)[i] for i in run.outs]
        if len(names) > 1:
            for n in names if reads else ():
                effect = untied(effect, n)
            merged = _merged(effect, names, below[d], reads)
            if merged is None:
                return None
            effect, names = merged, [("row", *names)]
        labels[d] = names[0]
    own = tuple(labels[d] for d in range(len(below)))
    return replace(effect, read=own) if reads else replace(effect, out=own)


def _merged(effect: Effect, labels: Sequence[Any], whole: Axis, reads: bool) -> Effect | None:
    """One index of M for several in a row; None where some are no indices of M alone."""
    wide, fresh = effect.wide(labels), ("row", *labels)
    if any(n not in effect.own or n in (effect.out if reads else effect.read) for n in wide):
        return None
    rest = [n for n in effect.own if n not in wide]
    make, own = effect.make, effect.own

    def one(env: Environment, c: Tensor) -> Tensor:
        m = make(env, c)
        m = m.permute([own.index(n) for n in (*rest, *wide)])
        return m.flatten(len(rest)) if wide else m.unsqueeze(-1)

    return replace(effect, own=(*rest, fresh), axes={**effect.axes, fresh: whole}, make=one)


def untied(effect: Effect, label: Any) -> Effect:
    """An index of M of its own for one that ties x to the result."""
    if label not in effect.read or label not in effect.out:
        return spread(effect, label)
    fresh = ("apart", label)
    own, make = effect.own, effect.make
    new = (*(n for n in own if n != label), label, fresh)

    def apart(env: Environment, c: Tensor) -> Tensor:
        unit = torch.eye(effect.size(env, label), **env.like)
        return einsum([make(env, c), unit], [own, [label, fresh]], new)

    out = tuple(fresh if n == label else n for n in effect.out)
    axes = {**effect.axes, fresh: effect.axes[label]}
    return replace(effect, own=new, out=out, axes=axes, make=apart)


def spread(effect: Effect, label: Any) -> Effect:
    """An index of M for one along which it is constant."""
    if label in effect.own:
        return effect
    make = effect.make

    def along(env: Environment, c: Tensor) -> Tensor:
        m = make(env, c)
        return m.unsqueeze(-1).expand(*m.shape, effect.size(env, label))

    return replace(effect, own=(*effect.own, label), make=along)


def padded(effect: Effect, label: Any, narrow: p.Narrow) -> Effect:
    """M along all of a dimension of which a label was a range: zero elsewhere."""
    whole = narrow.inputs[0].axes[narrow.dim]
    return _around(effect, label, whole, ("whole", narrow.index, label), narrow, 0)


def joined(effect: Effect, label: Any, join: p.Join, at: int) -> Effect:
    """M along all of a dimension of which a label was one piece: zero elsewhere."""
    return _around(effect, label, join.axes[join.dim], ("joined", join.index, label), join, at)


def _around(
    effect: Effect, label: Any, whole: Axis, fresh: Any, node: p.Narrow | p.Join, at: int
) -> Effect:
    place, make = effect.own.index(label), effect.make

    def wider(env: Environment, c: Tensor) -> Tensor:
        m, start = make(env, c), node.begin(at, env.sizes)
        rest = extent(whole, env.sizes) - start - m.shape[place]
        around = [0, 0] * (m.dim() - 1 - place) + [start, rest]
        return torch.nn.functional.pad(m, around)

    def renamed(labels: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(fresh if n == label else n for n in labels)

    return replace(
        effect, read=renamed(effect.read), own=renamed(effect.own), out=renamed(effect.out),
        axes={**effect.axes, fresh: whole}, make=wider,
    )  # fmt: skip


def times(effect: Effect, factor: Node, labels: Sequence[Any], power: int) -> Effect:
    """M times a wire that no input reaches, or its inverse, along labels of the result."""
    wide = [n for n, a in zip(labels, factor.axes, strict=True) if a.size > 1]
    own = (*effect.own, *(n for n in wide if n not in effect.own))
    make = effect.make

    def multiplied(env: Environment, c: Tensor) -> Tensor:
        gain = env.value(factor).pow(power)
        return einsum([make(env, c), gain], [effect.own, labels], own)

    axes = {**dict(zip(labels, factor.axes, strict=True)), **effect.axes}
    return replace(effect, own=own, axes=axes, make=multiplied)
