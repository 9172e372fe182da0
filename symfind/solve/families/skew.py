"""What a product of a wire with itself does not see: Σ wᵢ Sᵢⱼ wⱼ = 0 for every skew S.

In Σ uᵢ wᵢ, S w may be added to u, wherever the weights that make u read what w is made of. So a
form xᵀ M x has a symmetric part alone, bilinear layers that read one wire twice, and weights that
one network makes of what another multiplies them with: M(x) R x, where δM = S R (Ha, Dai and
Le 2016, hypernetworks).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, half
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.families.spreading import spread
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import Plan
from symfind.solve.transport.effects import Effect, axes_of, stripped
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.linear import behind
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical
from symfind.solve.transport.taking import Taken, take

DEPTH = 6  # how far behind what is read


def skew_families(lowered: Lowered, flows: Flows, limits: Limits) -> list[Family]:
    """Of every product of wires, what one of them may gain of another; of every form, its part."""
    result: list[Family] = []
    for node in lowered.nodes:
        if isinstance(node, p.Contract) and not node.windows:
            for a, b in itertools.permutations(range(len(node.inputs)), 2):
                result.extend(_gaining(node, a, b, flows, limits))
            result.extend(_form(node, flows))
    return result


def _gaining(node: p.Contract, a: int, b: int, flows: Flows, limits: Limits) -> Iterator[Family]:
    """S w added to u, for each index that both alone have."""
    u, w = node.inputs[a], node.inputs[b]
    if u is w or not u.varies or not w.varies or len(u.users) != 1:
        return
    for n in _paired(node, a, b):
        effect, axes = _effect(node, a, b, n)
        taken = _taken(u, effect, flows, limits, DEPTH)
        if taken:
            yield _family(axes, (), taken)


def _taken(u: Node, effect: Effect, flows: Flows, limits: Limits, depth: int) -> list[Taken] | None:
    """How an effect is taken back by what makes u, or constants of it by what is made of u."""
    taken = take(u, frozenset(), effect, flows)
    below = behind(effect) if taken is None and depth else None
    if below is None:
        return taken
    found: list[Taken] = []
    for part in below[0]:
        more = _taken(u, part, flows, limits, depth - 1)
        if more is None:
            return None
        found += more
    for constant in below[1]:
        state = [ARBITRARY if n in constant.labels else CONSTANT for n in constant.out]
        more = spread(u, canonical(u, state), flows, limits, constant.value)
        if more is None:
            return None
        found += more
    return found


def _paired(node: p.Contract, a: int, b: int) -> list[Any]:
    """Labels that two factors alone have, where the second has no others of its own."""
    axes = axes_of(node)
    mine, theirs = ([n for n in node.labels[i] if axes[n].size > 1] for i in (a, b))
    rest = {n for i, own in enumerate(node.labels) if i not in (a, b) for n in own}
    if len(set(mine)) < len(mine) or len(set(theirs)) < len(theirs) or set(theirs) - set(mine):
        return []
    return [n for n in theirs if n not in rest and n not in node.out]


def _effect(node: p.Contract, a: int, b: int, n: Any) -> tuple[Effect, list[Axis]]:
    """S w on u, and the axes of the coefficients: those of u alone, and twice the common one."""
    other, axes = ("other", n), axes_of(node)
    free = [k for k in node.labels[a] if axes[k].size > 1 and k not in node.labels[b]]
    read = tuple(other if k == n else k for k in node.labels[b])
    own = [axes[k] for k in (*free, n)]
    effect = Effect(node.inputs[b], read, (*free, n, other), node.labels[a],
                    {**axes, other: axes[n]}, lambda env, c: _skew(env, c, own))  # fmt: skip
    return stripped(effect), own


def _skew(env: Environment, c: Tensor, axes: Sequence[Axis]) -> Tensor:
    """Skew matrices along the last two dimensions, one for all values of the others."""
    *lead, n = (extent(a, env.sizes) for a in axes)
    i, j = torch.triu_indices(n, n, 1, device=c.device)
    upper = c.new_zeros([*lead, n, n])
    upper[..., i, j] = c.reshape([*lead, len(i)])
    return upper - upper.mT


def _family(axes: Sequence[Axis], write: Plan, taken: Sequence[Taken]) -> Family:
    """What writes a skew matrix, or what makes it of a wire."""

    def width(sizes: Sizes | None) -> int:
        *lead, n = (extent(a, sizes) for a in axes)
        return math.prod(lead) * half(n * (n - 1))

    def build(env: Environment, c: Tensor) -> Moves:
        moves = carry_out(env, write, _skew(env, c, axes)) if write else {}
        for one in taken:
            carry_out(env, one.plan, one.carry(env, c), moves)
        return moves

    actions = [*write, *(a for one in taken for a in one.plan)]
    sources = tuple(dict.fromkeys(a.source for a in actions))
    return NullFamily(kind="parallel", sources=sources, width=width, build=build)


def _form(node: p.Contract, flows: Flows) -> Iterator[Family]:
    """The skew part of a weight that reads one wire twice."""
    if len(node.inputs) != 3:
        return
    for at, weight in enumerate(node.inputs):
        (x, one), (y, two) = (
            (node.inputs[i], node.labels[i]) for i in range(3) if i != at
        )  # fmt: skip
        apart = [(j, k) for j, k in zip(one, two, strict=False) if j != k]
        if x is not y or weight.varies or len(weight.users) != 1 or len(apart) != 1:
            continue
        names = node.labels[at]
        if any(n not in names or n in node.out or names.count(n) > 1 for n in apart[0]):
            continue
        write = flows.undo(weight, (ARBITRARY,) * len(names))
        if write:
            yield _of_weight(weight, [names.index(n) for n in apart[0]], write)


def _of_weight(weight: Node, pair: Sequence[int], write: Plan) -> Family:
    rest = [d for d in range(len(weight.axes)) if d not in pair]
    order = [*rest, *pair]
    back = [order.index(d) for d in range(len(order))]

    def moved(env: Environment, t: Tensor) -> Tensor:
        return t.permute(back)

    axes = [weight.axes[d] for d in (*rest, pair[0])]
    return _family(axes, tuple(a.after(moved) for a in write), ())
