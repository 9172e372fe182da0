"""Right inverses of products: the smallest change of one factor that makes a change of the product.

With a weight M that is no wider than what it reads is, x M = δ has a solution for every δ.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.solve.point.full_rank import full_rank
from symfind.solve.point.values import Environment
from symfind.solve.transport.steps import Step


def made_by(node: p.Contract, at: int, lost: int) -> tuple[list, list, list] | None:
    """Labels summed over, shared with the other factor, and made by it: no more than are summed.

    `lost`: how many of what is summed over are not free.
    """
    x, other = node.inputs[at], node.inputs[1 - at]
    mine, theirs = (
        [n for n, a in zip(node.labels[i], node.inputs[i].axes, strict=True) if a.size > 1]
        for i in (at, 1 - at)
    )
    if x is other or other.varies or len(set(mine)) < len(mine) or len(set(theirs)) < len(theirs):
        return None
    summed = [n for n in mine if n not in node.out]
    if any(n not in theirs for n in summed) or any(
        n not in node.out and n not in summed for n in theirs
    ):
        return None
    shared = [n for n in theirs if n in mine and n not in summed]
    made = [n for n in theirs if n not in mine]
    size = dict(zip(node.labels[1 - at], other.shape, strict=True))
    wide = math.prod(size[n] for n in summed) - lost
    if math.prod(size[n] for n in made) > wide:
        return None
    if not full_rank(other, node.labels[1 - at], shared, summed, made):
        return None
    return summed, shared, made


def solved(node: p.Contract, at: int, summed: Sequence[Any], made: Sequence[Any]) -> Step:
    """The smallest change of a factor x with x M = δ, M being as wide as it is high, or less."""
    mine, theirs, other = node.labels[at], node.labels[1 - at], node.inputs[1 - at]
    wide = [n for n, a in zip(theirs, other.axes, strict=True) if a.size > 1]
    shared = [n for n in wide if n not in summed and n not in made]

    def step(env: Environment, t: Tensor) -> Tensor:
        size = dict(zip(theirs, env.shape(other), strict=True))
        m = einsum([env.value(other)], [theirs], [*shared, *summed, *made])
        lead, inner = [size[n] for n in shared], [size[n] for n in summed]
        flat = m.reshape(*lead, math.prod(inner), -1)
        inverse = torch.linalg.pinv(flat).reshape(*lead, *(size[n] for n in made), *inner)
        kept = [n for n in mine if n not in summed]
        back = einsum([t, inverse], [node.out, [*shared, *made, *summed]], [*kept, *summed])
        back = back.permute([[*kept, *summed].index(n) for n in mine])
        return back.reshape(env.shape(node.inputs[at]))

    return step


def solved_constant(node: p.Contract, at: int, summed: Sequence[Any], made: Sequence[Any]) -> Step:
    """The same for what is constant along all that the weight does not make."""
    inverse = solved(node, at, summed, made)

    def step(env: Environment, t: Tensor) -> Tensor:
        shape = env.shape(node)
        whole = t.expand([n if name in made else -1
                          for n, name in zip(shape, node.out, strict=True)])  # fmt: skip
        names = node.labels[at]
        full = inverse(env, whole.expand(shape))
        for d, name in enumerate(names):
            if name not in summed:
                full = full.narrow(d, 0, 1)
        return full

    return step
