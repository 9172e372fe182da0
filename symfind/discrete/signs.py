"""Sign changes: one unknown sign per block of every wire, indexed by its atoms.

The equations are those of positive scalings with another character: an odd function passes a sign
on, an even one swallows it, products multiply signs, and a norm does not see them. Everything is
linear over the field of two elements. (For tanh: Chen, Lu, Hecht-Nielsen 1993, On the geometry of
feedforward neural network error surfaces; Sussmann 1992.)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node
from symfind.solve.bonds.scalings import Scalings, Term
from symfind.solve.families.family import ScalingFamily
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment


class Signs(Scalings):
    """All equations between signs of a lowered graph: logarithms to the base -1, modulo two."""

    def _read(self, node: Node, instance: Instance) -> None:
        (*_, x), y = (None, *instance.inputs), instance.output
        match node:
            case p.Contract():
                self._equations.append([*((1.0, port) for port in instance.inputs), (1.0, y)])
            case p.Pointwise() if node.parity == -1 and x is not None:
                self._equal(x, y)
            case p.Pointwise() if node.parity == 1:
                self._zero(y)
            case p.Normalise() if x is not None:
                self._equal(x, y)
            case (
                p.Pointwise() | p.Softmax() | p.Entrywise() | p.Peak() | p.Order() | p.Rigid()
                | p.Output()
            ):  # fmt: skip
                for port in (*instance.inputs, y):
                    self._zero(port)
            case p.Mix() if node.stiff:
                self._restrict(y, node.stiff)
                self._transparent(instance)
            case _:
                super()._read(node, instance)

    @staticmethod
    def _joined(node: Node) -> tuple[int, ...]:
        centred = isinstance(node, p.Centre) or (isinstance(node, p.Normalise) and node.centred)
        return node.dims if centred else ()  # type: ignore[attr-defined]

    def _expand(self, terms: Iterable[Term]) -> list[Term]:
        return [(1.0, v, labels) for c, v, labels in super()._expand(terms) if round(c) % 2]


@dataclass(eq=False, kw_only=True)
class SignFlip(ScalingFamily):
    """One sign for every value of some indices. Coefficients are bits: one is a change of sign."""

    def flow(self, env: Environment, c: Tensor, t: float = 1.0) -> Moves:
        """Every member times its sign."""
        values: Moves = {}
        for source, cell, bits in self._factors(env, c):
            whole = values.get(source, env.value(source))
            block = env.take(source, cell, whole)
            signed = (1.0 - 2.0 * (bits.round() % 2)) * block
            values[source] = env.replaced(source, cell, signed, within=whole)
        return values


def sign_flips(signs: Signs) -> list[SignFlip]:
    """The free sign changes that move any parameter."""
    return [
        SignFlip(kind="sign", sources=tuple(dict.fromkeys(m.source for m in s.members)), scaling=s)
        for s in signs.scalings()
        if s.members
    ]
