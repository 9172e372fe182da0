"""Translations behind products: what a constant adds is as much as the other factor is.

Where w is multiplied by q, a constant d that parameters add to w adds d·q to the product. If q is
made by linear maps of a wire that others read into the same sum, these take it back: the bias of a
norm before a modulation (β + d, T − d S, u − d v for (n + β)·(S c + v) + T c + u), a translation of
one factor of a score against the biases of the other.

Factors may be pieces and sums of wires, and w may be its own other factor, read in several places:
of a factorisation machine, (Σ e)² − Σ e², the rows of one table may all move by d, for what the
others then add, d·e, is a number for each of their rows (Rendle 2010).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.families.parallel import DEPTH
from symfind.solve.families.spreading import is_product, spread
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport import steps
from symfind.solve.transport.absorption import LEANING, PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical
from symfind.solve.transport.taking import Taken


def product_families(lowered: Lowered, flows: Flows, limits: Limits) -> list[Family]:
    """Of every product of two wires, translations of one that others take back."""
    result: list[Family] = []
    done: set[Node] = set()
    for node in lowered.nodes:
        if is_product(node) and _summed(node):
            for w in dict.fromkeys(u for x in node.inputs for u in _origins(x)):
                if w not in done:
                    done.add(w)
                    result.extend(_of(w, flows, limits))
    return result


def _summed(node: Node) -> bool:
    """Whether a sum comes after it, with nothing but linear maps before."""
    for _ in range(DEPTH):
        if len(node.users) != 1:
            return False
        (node,) = node.users
        if isinstance(node, p.Add):
            return True
        if not isinstance(node, p.Contract | p.Movement | p.Pointwise):
            return False
    return False


def _origins(wire: Node) -> Iterator[Node]:
    """A wire, and what it is a piece of or a sum over, each once."""
    left, met = [wire], {wire}
    while left:
        wire = left.pop()
        yield wire
        while isinstance(wire, p.Movement) and len(wire.inputs) == 1:
            (wire,) = wire.inputs
        if wire.varies and (isinstance(wire, p.Join) or steps.total(wire) is not None):
            new = [x for x in dict.fromkeys(wire.inputs) if x not in met]
            met.update(new)
            left += reversed(new)


def _of(w: Node, flows: Flows, limits: Limits) -> Iterator[Family]:
    done: list[set[int]] = []
    for free in subsets([d for d, a in enumerate(w.axes) if a.size > 1]):
        if any(set(free) <= more for more in done):
            continue
        state = canonical(w, [ARBITRARY if d in free else CONSTANT for d in range(len(w.axes))])
        write = flows.absorption.undo(w, state, LEANING, gains=True)
        if not write:
            continue
        done.append(set(free))
        if flows.dispose(w, state, True, PLAIN) is not None:
            continue  # it stays a constant everywhere: a shift
        taken = spread(w, state, flows, limits)
        if taken is not None:
            yield _family(w, free, write, taken)


def subsets(dims: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All of them, the largest first."""
    for n in range(len(dims), -1, -1):
        yield from itertools.combinations(dims, n)


def _family(w: Node, free: Sequence[int], write: Plan, taken: Sequence[Taken]) -> Family:
    def width(sizes: Sizes | None) -> Any:
        return math.prod(extent(w.axes[d], sizes) for d in free)

    def build(env: Environment, c: Tensor) -> Moves:
        shape = env.shape(w)
        whole = c.reshape([n if d in free else 1 for d, n in enumerate(shape)])
        moves = carry_out(env, write, -whole)
        for one in taken:
            carry_out(env, one.plan, one.carry(env, whole), moves)
        return moves

    actions = [*write, *(a for one in taken for a in one.plan)]
    sources = tuple(dict.fromkeys(a.source for a in actions))
    return NullFamily(kind="parallel", sources=sources, width=width, build=build, loose=True)
