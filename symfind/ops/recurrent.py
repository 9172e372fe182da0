"""Recurrent layers and cells.

Of the states of a layer only what meets in the sums of its gates is known; a cell is written out.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations
from symfind.graph.primitives import Node, Source
from symfind.graph.uniform import is_uniform
from symfind.ops.registry import lower, sizes
from symfind.trace import Op


def _state(b: Builder, shape: Sequence[int]) -> Node:
    """A wire of which nothing is known yet, not even that it is fixed; it varies."""
    start = b.source("input", shape)
    assert isinstance(start, Source)
    # every change of basis passes, but the value is not zero
    start.zero, start.compute = True, lambda: None
    return b.scale(start, math.nan)


def _start(b: Builder, hx: Sequence[Node], place: int, rank: int, first: bool) -> list[Node]:
    """Initial states of one layer and way that are not zero, with a time of length one."""
    found = []
    for h in hx:
        if is_uniform(h, 0.0):
            continue
        h = b.narrow(h, 0, place, 1)
        found.append(b.transpose(h, 0, 1) if first and rank == 3 else h)
    return found


def _end(b: Builder, y: Node, backward: bool, first: bool) -> Node:
    """The state at the last step that one layer and way takes, with a time of length one."""
    time = 1 if first and len(y.axes) == 3 else 0
    step = b.narrow(y, time, 0 if backward else y.axes[time].size - 1, 1)
    return b.transpose(step, 0, 1) if time else step


def _layers(
    b: Builder, x: Node, hx: Sequence[Node], params: Sequence[Node], biases: bool, layers: int,
    two: bool, first: bool,
) -> tuple[Node, Node]:  # fmt: skip
    """Stack of layers: what the last one writes, and all states at their last step.

    Each gate is a sum of input, state and both biases, then nonlinear.
    """
    each = len(params) // (layers * (2 if two else 1))
    last = []
    for layer in range(layers):
        outs = []
        for way in range(2 if two else 1):
            place = layer * (2 if two else 1) + way
            start = _start(b, hx, place, len(x.axes), first)
            w_i, w_h, *rest = params[place * each : (place + 1) * each]
            # Where states are projected, the last of the weights does that.
            projection = rest.pop() if each > (4 if biases else 2) else None
            y = _layer(b, x, start, w_i, w_h, rest, projection, first)
            outs.append(y)
            last.append(_end(b, y, backward=way == 1, first=first))
        x = b.join(outs, -1)
    return x, b.join(last, 0)


def _layer(
    b: Builder, x: Node, start: Sequence[Node], w_i: Node, w_h: Node, biases: Sequence[Node],
    projection: Node | None, first: bool,
) -> Node:  # fmt: skip
    """One layer, one way; of a single step from zero, no state is read."""
    kind = b.op.target.split(".")[1]
    time = list(range(len(x.axes) - 1))
    steps = x.shape[1 if first and len(x.axes) == 3 else 0]
    shape = [*x.shape[:-1], w_h.shape[1]]
    once = steps == 1 and not start
    state = b.zeros(shape) if once else _state(b, shape)
    gates = [
        b.contract([x, w_i], [[*time, "i"], ["o", "i"]], [*time, "o"]),
        b.contract([state, w_h], [[*time, "i"], ["o", "i"]], [*time, "o"]),
    ]
    if kind == "rnn_relu":
        # The state is what the layer writes: all of them are scaled alike.
        y = b.pointwise(b.add(*gates, *biases), degree=1.0)
        return b.entrywise(y, state, *start, degree=1.0)
    if kind == "gru":
        pieces = _gru_gates(b, gates, biases)
        return b.opaque([*pieces, state, *start], state.shape)
    pieces = [b.add(*gates, *biases)]
    if once and kind == "lstm":
        pieces = _nothing_forgotten(b, pieces[0])
    if projection is None:
        return b.opaque([*pieces, state, *start], state.shape)
    width = projection.shape[1]
    cells = b.opaque([*pieces, *(c for c in start if c.shape[-1] == width)], [*x.shape[:-1], width])
    y = b.contract([cells, projection], [[*time, "i"], ["o", "i"]], [*time, "o"])
    if once:
        return y
    # What is written is the state, so that it shares its changes of basis, and is read once more.
    y = b.add(y, state, *(h for h in start if h.shape[-1] != width))
    seen = b.contract([y, w_h], [[*time, "i"], ["o", "i"]], [*time, "o"])
    return b.multiply(y, b.opaque([seen], [1] * len(y.axes)))


def _nothing_forgotten(b: Builder, total: Node) -> list[Node]:
    """Without the second of the four gates: it multiplies a cell that is zero."""
    n = total.shape[-1] // 4
    return [b.narrow(total, -1, at * n, n) for at in (0, 2, 3)]


def _gru_gates(b: Builder, gates: Sequence[Node], biases: Sequence[Node]) -> list[Node]:
    """The new gate multiplies the state's part by the reset gate: its biases differ."""
    hidden = gates[0].shape[-1] // 3
    cut = 2 * hidden
    parts = [(b.narrow(g, -1, 0, cut), b.narrow(g, -1, cut, hidden)) for g in gates]
    shifts = [(b.narrow(s, 0, 0, cut), b.narrow(s, 0, cut, hidden)) for s in biases]
    ends = [end for _, end in parts]
    if shifts:
        ends = [b.add(e, s) for e, (_, s) in zip(ends, shifts, strict=True)]
    return [b.add(*(first for first, _ in [*parts, *shifts])), *ends]


@lower("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input")
def recurrent(
    b: Builder, x: Node, hx: Node | Sequence[Node], params: Sequence[Node], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple:  # fmt: skip
    """Long short-term memory, gated and plain recurrent units."""
    states = [hx] if isinstance(hx, Node) else list(hx)
    y, h = _layers(b, x, states, params, has_biases, num_layers, bidirectional, batch_first)
    return y, h, *(b.opaque([y, h], shape) for shape, _ in b.op.outputs[2:])


@sizes("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent_sizes(r: Relations, op: Op) -> None:
    """Gates are stacked in the rows of the weights: one direction, one batch layout."""
    target = op.target
    gates = 4 if "lstm" in target else 3 if "gru" in target else 1
    x, states, weights, biases, layers, _, _, both, _ = (*op.args, False)[:9]
    if not target.endswith(".input") or both:
        r.pin_all()
        return
    states = [states] if isinstance(states, Op) else list(states)
    first, *more = r.axes[id(op)]
    hidden = first[-1]
    for a, b in zip(first[:-1], r.of(x)[:-1], strict=True):
        r.same(a, b)
    batch = first[1 if first[0].size == r.of(x)[0].size and not op.args[-1] else 0]
    for state in [*(r.of(s) for s in states), *more]:
        r.same(state[-1], hidden)
        r.same(state[-2], batch)
        r.pin(state[0])
    per = len(weights) // layers
    for number, weight in enumerate(weights):
        axes = r.of(weight)
        r.concatenated(axes[0], [hidden] * gates)
        if number % per == 0:
            r.same(axes[1], r.of(x)[-1] if number == 0 else hidden)
        elif number % per == 1:
            r.same(axes[1], hidden)


def _apply(b: Builder, x: Node, function: Callable[..., Any]) -> Node:
    y: Any = b.pointwise(x, parity=-1 if function is torch.tanh else None)
    y.apply = function
    return y


def _cell_gates(
    b: Builder, x: Node, h: Node, w_i: Node, w_h: Node, biases: Sequence[Node | None]
) -> list[Node]:
    """What input and state bring to the gates, and the biases."""
    time = list(range(len(x.axes) - 1))
    both = [
        b.contract([z, w], [[*time, "i"], ["o", "i"]], [*time, "o"])
        for z, w in ((x, w_i), (h, w_h))
    ]
    return [*both, *(s for s in biases if s is not None)]


@lower("lstm_cell")
def lstm_cell(
    b: Builder, x: Node, hx: Sequence[Node], w_i: Node, w_h: Node, *biases: Node | None
) -> tuple[Node, Node]:
    """One step of long short-term memory, written out."""
    h, c = hx
    total = b.add(*_cell_gates(b, x, h, w_i, w_h, biases))
    n = h.shape[-1]
    i, f, g, o = (b.narrow(total, -1, at * n, n) for at in range(4))
    new = b.multiply(_apply(b, i, torch.sigmoid), _apply(b, g, torch.tanh))
    c = b.add(b.multiply(_apply(b, f, torch.sigmoid), c), new)
    return b.multiply(_apply(b, o, torch.sigmoid), _apply(b, c, torch.tanh)), c


@lower("gru_cell")
def gru_cell(b: Builder, x: Node, h: Node, w_i: Node, w_h: Node, *biases: Node | None) -> Node:
    """One step of a gated unit, written out."""
    one, two, *rest = _cell_gates(b, x, h, w_i, w_h, biases)
    joint, fresh, old = _gru_gates(b, [one, two], rest)
    n = h.shape[-1]
    r, z = (_apply(b, b.narrow(joint, -1, at * n, n), torch.sigmoid) for at in range(2))
    new = _apply(b, b.add(fresh, b.multiply(r, old)), torch.tanh)
    return b.add(new, b.multiply(z, b.add(h, new, signs=[1.0, -1.0])))


@lower("rnn_tanh_cell", "rnn_relu_cell")
def rnn_cell(b: Builder, x: Node, h: Node, w_i: Node, w_h: Node, *biases: Node | None) -> Node:
    """One step of a plain unit."""
    total = b.add(*_cell_gates(b, x, h, w_i, w_h, biases))
    if "relu" in b.op.target:
        return b.pointwise(total, degree=1.0)
    return _apply(b, total, torch.tanh)
