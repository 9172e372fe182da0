"""Reach: a bond wider than all that is ever written into it satisfies relations.

Its readers may add s κᵀ. The relations are the null space of what spans the wire: products of
weights, tables of few rows, sums and unions of those, taken at the point where they are needed.
"""

from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, positive
from symfind.ops.lower import Lowered
from symfind.solve.bonds.linear import Linear, complement, linears
from symfind.solve.families.family import Family, Moves, NullFamily, carry_out
from symfind.solve.point.values import Environment
from symfind.solve.spans.reached import Reached, Spans, through_origin
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical


class Reach:
    """What readers of wires of small span may add, in a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows
        self.spans = Spans(flows.relations)

    def families(self) -> list[Family]:
        """For every reader of a wire that satisfies relations: what it may add."""
        result: list[Family] = []
        for node in self.lowered.nodes:
            for layer in linears(node):
                if len(layer.weight.users) != 1 or layer.weight.fixed:
                    continue
                span = self.spans.reached(layer.wire, layer.read)
                if span is not None and not span.plain:  # what is plain, readers know
                    family = self._reach(layer, span)
                    if family is not None:
                        result.append(family)
        return result

    def _reach(self, layer: Linear, span: Reached) -> Family | None:
        axis = layer.wire.axes[layer.read]
        everything = canonical(layer.weight, [ARBITRARY] * len(layer.weight.axes))
        write = self.flows.undo(layer.weight, everything)
        if write is None:
            return None
        actions: Plan = ()
        if span.offset is not None:
            disposed = self._constant(layer)
            # What cannot be taken back must not appear: only relations through the origin are left.
            span, actions = (through_origin(span), ()) if disposed is None else (span, disposed)
        if span.rank(None) >= axis.size:
            return None
        return _family(layer, axis, span, write, actions)

    def _constant(self, layer: Linear) -> Plan | None:
        """How a constant added to a layer's output is taken back."""
        state = [ARBITRARY if n in layer.names else CONSTANT for n in layer.node.out]
        return self.flows.dispose(layer.node, canonical(layer.node, state), True, PLAIN)


def _family(layer: Linear, axis: Axis, span: Reached, write: Plan, actions: Plan) -> Family:
    labels = layer.node.labels[layer.at]
    inner = layer.node.labels[1 - layer.at][layer.read]
    place = [k for k in labels if k != inner] + [inner]

    def width(sizes: Sizes | None) -> int:
        return layer.outputs(sizes) * positive(extent(axis, sizes) - span.rank(sizes))

    def build(env: Environment, c: Tensor) -> Moves:
        n, r = extent(axis, env.sizes), span.rank(env.sizes)
        kappa = complement(span.basis(env), n - r)
        s = c.reshape(-1, n - r)
        sizes = dict(zip(labels, env.shape(layer.weight), strict=True))
        delta = (s @ kappa.T).reshape([sizes[k] for k in place[:-1]] + [n])
        delta = delta.permute([place.index(k) for k in labels])
        moves = carry_out(env, write, -delta)
        if span.offset is None:
            return moves
        constant = s @ (kappa.T @ span.offset(env))
        shape = [sizes[k] if k in layer.names else 1 for k in layer.node.out]
        return carry_out(env, actions, constant.reshape(shape), moves)

    sources = tuple(dict.fromkeys(a.source for a in (*write, *actions)))
    return NullFamily(
        kind="reach", sources=sources, width=width, build=build, loose=True, piecewise=True
    )
