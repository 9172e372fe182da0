"""Reach along chains of linear maps: a bond wider than what writes it satisfies relations.

Its readers may add s κᵀ. The relations are the null space of a product of weights, taken at the
point where they are needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, least, positive
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Node
from symfind.solve.absorption import PLAIN, Plan
from symfind.solve.environment import Environment
from symfind.solve.family import Family, Moves, NullFamily, carry_out
from symfind.solve.flows import Flows
from symfind.solve.layer import Linear, as_linear, complement, orthonormal
from symfind.solve.variation import ARBITRARY, CONSTANT, canonical


def _moved(
    sign: float, bias: Node, shift: Callable[[Environment], Tensor] | None
) -> Callable[[Environment], Tensor]:
    def moved(env: Environment) -> Tensor:
        value = sign * env.value(bias).reshape(-1)
        return value if shift is None else value + shift(env)

    return moved


@dataclass(frozen=True)
class Reached:
    """The affine span of a wire along its last written dimension."""

    rank: Callable[[Sizes | None], int]
    basis: Callable[[Environment], Tensor]  # [n, rank]
    offset: Callable[[Environment], Tensor] | None  # [n], None for zero


class Reach:
    """Spans of the wires of a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows

    def reached(self, node: Node, dim: int) -> Reached | None:
        """The span of a wire along one dimension, None where it is everything."""
        layer = as_linear(node)
        if layer is not None and len(layer.names) == 1 and node.out[dim] == layer.names[0]:  # type: ignore[attr-defined]
            below = self.reached(layer.wire, layer.read)
            inner = layer.wire.axes[layer.read]
            axis = node.axes[dim]

            def rank(sizes: Sizes | None) -> int:
                r = extent(inner, sizes) if below is None else below.rank(sizes)
                return least(extent(axis, sizes), r)

            def basis(env: Environment) -> Tensor:
                m = layer.matrix(env)
                return orthonormal(m if below is None else m @ below.basis(env), rank(env.sizes))

            offset = None
            if below is not None and below.offset is not None:
                shift = below.offset

                def offset(env: Environment) -> Tensor:
                    return layer.matrix(env) @ shift(env)

            return Reached(rank, basis, offset)
        if isinstance(node, p.Add) and len(node.inputs) == 2:
            for at in (0, 1):
                x, b = node.inputs[at], node.inputs[1 - at]
                wide = [d for d, a in enumerate(b.axes) if a.size > 1]
                last = len(node.axes) - len(b.axes)
                if b.varies or len(x.axes) != len(node.axes) or [d + last for d in wide] != [dim]:
                    continue
                below = self.reached(x, dim)
                if below is None:
                    return None
                moved = _moved(node.signs[1 - at], b, below.offset)
                return Reached(below.rank, below.basis, moved)
        return None

    def families(self) -> list[Family]:
        """For every reader of a wire that satisfies relations: what it may add."""
        result: list[Family] = []
        for node in self.lowered.nodes:
            layer = as_linear(node)
            if layer is None or len(layer.weight.users) != 1:
                continue
            span = self.reached(layer.wire, layer.read)
            axis = layer.wire.axes[layer.read]
            if span is not None and span.rank(None) < axis.size:
                family = self._reach(layer, axis, span)
                if family is not None:
                    result.append(family)
        return result

    def _reach(self, layer: Linear, axis: Axis, span: Reached) -> Family | None:
        everything = canonical(layer.weight, [ARBITRARY] * len(layer.weight.axes))
        write = self.flows.undo(layer.weight, everything)
        if write is None:
            return None
        actions: Plan = ()
        if span.offset is not None:
            disposed = self._constant(layer)
            if disposed is None:
                return None
            actions = disposed
        labels = layer.node.labels[layer.at]
        inner = layer.node.labels[1 - layer.at][layer.read]

        def width(sizes: Sizes | None) -> int:
            return layer.outputs(sizes) * positive(extent(axis, sizes) - span.rank(sizes))

        def build(env: Environment, c: Tensor) -> Moves:
            n, r = extent(axis, env.sizes), span.rank(env.sizes)
            kappa = complement(span.basis(env), n - r)
            s = c.reshape(-1, n - r)
            sizes = dict(zip(labels, env.shape(layer.weight), strict=True))
            delta = (s @ kappa.T).reshape([sizes[k] for k in labels if k != inner] + [n])
            place = [k for k in labels if k != inner] + [inner]
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

    def _constant(self, layer: Linear) -> Plan | None:
        """How a constant added to a layer's output is taken back."""
        state = [ARBITRARY if n in layer.names else CONSTANT for n in layer.node.out]
        return self.flows.dispose(layer.node, canonical(layer.node, state), True, PLAIN)
