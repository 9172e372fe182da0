"""Recurrent layers: only what meets in their sums of gates is known."""

from collections.abc import Sequence

from symfind.rules.builder import Builder
from symfind.rules.primitives import Node, Source
from symfind.rules.registry import rule


def _state(b: Builder, shape: Sequence[int]) -> Node:
    """A wire of which nothing is known yet, not even that it is fixed; it varies."""
    start = b.zeros(shape)
    assert isinstance(start, Source)
    start.compute = lambda: None  # every change of basis passes, but the value is not zero
    return b.multiply(start, b.source("input", [1] * len(shape)))


def _layers(
    b: Builder, x: Node, params: Sequence[Node], biases: bool, layers: int, two: bool, first: bool
) -> Node:
    """Stack of layers; each gate is a sum of input, state and both biases, then nonlinear."""
    per = 4 if biases else 2
    each = len(params) // (layers * (2 if two else 1))
    kind = b.op.target.split(".")[1]
    for layer in range(layers):
        outs = []
        for way in range(2 if two else 1):
            at = (layer * (2 if two else 1) + way) * each
            w_i, w_h, *rest = params[at : at + each]
            hidden = w_h.shape[1]
            if each != per or (kind != "gru" and w_h.shape[0] % hidden):
                return b.opaque([x, *params], b.op.outputs[0][0], "a recurrent layer projected")
            time = list(range(len(x.axes) - 1))
            state = _state(b, [*x.shape[:-1], hidden])
            gates = [
                b.contract([x, w_i], [[*time, "i"], ["o", "i"]], [*time, "o"]),
                b.contract([state, w_h], [[*time, "i"], ["o", "i"]], [*time, "o"]),
            ]
            if kind == "gru":
                # The new gate multiplies the state's part by the reset gate: its biases differ.
                cut = 2 * hidden
                parts = [(b.narrow(g, -1, 0, cut), b.narrow(g, -1, cut, hidden)) for g in gates]
                shifts = [(b.narrow(s, 0, 0, cut), b.narrow(s, 0, cut, hidden)) for s in rest]
                joint = [p[0] for p in parts] + [s[0] for s in shifts]
                ends = [p[1] for p in parts]
                if shifts:
                    ends = [b.add(e, s[1]) for e, s in zip(ends, shifts, strict=True)]
                pieces = [b.add(*joint), *ends]
            else:
                pieces = [b.add(*gates, *rest)]
            if kind == "rnn_relu":
                # The state is what the layer writes: both are scaled alike.
                outs.append(b.entrywise(b.pointwise(pieces[0], degree=1.0), state, degree=1.0))
            else:
                outs.append(b.opaque([*pieces, state], [*x.shape[:-1], hidden]))
        x = b.join(outs, -1)
    return x


@rule("lstm.input")
def lstm(
    b: Builder, x: Node, hx: object, params: Sequence[Node], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple:  # fmt: skip
    """Long short-term memory."""
    y = _layers(b, x, params, has_biases, num_layers, bidirectional, batch_first)
    return y, *(b.opaque([y], shape) for shape, _ in b.op.outputs[1:])


@rule("gru.input", "rnn_tanh.input", "rnn_relu.input")
def gru(
    b: Builder, x: Node, hx: object, params: Sequence[Node], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple:  # fmt: skip
    """Gated and plain recurrent units."""
    y = _layers(b, x, params, has_biases, num_layers, bidirectional, batch_first)
    return y, *(b.opaque([y], shape) for shape, _ in b.op.outputs[1:])
