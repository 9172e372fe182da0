"""Weighted means spelled as quotients: Σ aⱼ vⱼ / Σ aⱼ.

What is divided by what it would be for v = 1 has weights whose sum is one, however both sums are
bracketed: q·(Σ kⱼ vⱼ) / q·Σ kⱼ in linear attention (Katharopoulos et al. 2020), and entries over
their sum. Taken as Σ (aⱼ / Σ a) vⱼ, the weights are one wire, of which it is known what they add
up to.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.product import Labels, Product, Products

Factors = Sequence[tuple[Node, Labels]]


def weigh(nodes: list[Node]) -> None:
    """Make means of what is divided by the sum of its weights.

    Args:
        nodes: in topological order; some are replaced.
    """
    if not any(inverts(node) for node in nodes):
        return
    products, done = Products(), list[Node]()
    for node in nodes:
        known = any(isinstance(x, p.Contract) and x.shares for x in node.inputs)
        found = _mean(node, products) if isinstance(node, p.Contract) and not known else None
        done += found or [node]
    nodes[:] = done


def inverts(r: Node) -> bool:
    """Whether a wire is one over another."""
    made = isinstance(r, p.Pointwise) and r.varies and r.degree == -1
    return made and (r.apply is torch.reciprocal or getattr(r.op, "base", "") == "reciprocal")  # type: ignore[attr-defined]


def _mean(node: p.Contract, products: Products) -> list[Node] | None:
    """A product with the reciprocal of a sum of its own weights, as these and their mean."""
    whole = products.of(node)
    for at, (r, names) in enumerate(whole.factors):
        below = products.of(r.inputs[0]) if inverts(r) else None
        if below is None or not below.summed:
            continue
        rest = [f for i, f in enumerate(whole.factors) if i != at]
        for match, used in _matches(below, rest, names):
            weights = [rest[i] for i in used]
            others = [f for i, f in enumerate(rest) if i not in used]
            summed = [match[n] for n in below.summed]
            made = _weighed(node, whole, [*weights, (r, names)], others, summed, below.scale)
            if made is not None:
                return made
    return None


def _matches(
    wanted: Product, given: Factors, names: Labels
) -> Iterator[tuple[dict[Any, Any], tuple[int, ...]]]:
    """Ways in which factors are among others: what their labels are there, and which they are."""
    pairs = [(a, b) for a, b in zip(wanted.out, names, strict=True) if a is not None]
    if any(b is None for _, b in pairs):
        return
    for chosen in itertools.permutations(range(len(given)), len(wanted.factors)):
        match: dict[Any, Any] = dict(pairs)
        if _agree(wanted.factors, [given[i] for i in chosen], match):
            yield match, chosen


def _agree(wanted: Factors, given: Factors, match: dict[Any, Any]) -> bool:
    """Whether factors are the same, for labels that are noted; no two become one."""
    for (x, one), (y, two) in zip(wanted, given, strict=True):
        if x is not y:
            return False
        for a, b in zip(one, two, strict=True):
            if a is not None and match.setdefault(a, b) != b:
                return False
    return len(set(match.values())) == len(match)


def _weighed(
    node: p.Contract, whole: Product, weights: Factors, others: Factors, summed: Sequence[Any],
    scale: float,
) -> list[Node] | None:  # fmt: skip
    """A product marked as weights, or these by themselves and the mean that they take."""
    factor = whole.scale / scale
    kept = [n for n in summed if n in whole.out]
    if not others and kept and whole.summed <= {*summed} and factor == 1:
        node.shares = tuple(sorted(whole.out.index(n) for n in kept))
        return [node]
    over = [n for n in summed if others and n in others[0][1]]
    if len(others) != 1 or not over or any(n in whole.out for n in summed):
        return None
    if any(n not in whole.out and n not in over for n in others[0][1] if n is not None):
        return None
    return _apart(node, whole, weights, others[0], over, factor)


def _apart(
    node: p.Contract, whole: Product, weights: Factors, other: tuple[Node, Labels],
    over: Sequence[Any], factor: float,
) -> list[Node]:  # fmt: skip
    axes = {n: a for z, names in (*weights, other) for n, a in zip(names, z.axes, strict=True)}
    inside = {n for _, names in weights for n in names if n is not None}
    spelled = _numbered([*axes])
    out = [*(n for n in whole.out if n in inside), *over]
    one = p.Contract(
        tuple(z for z, _ in weights), [axes[n] for n in out], op=node.op, out=spelled(out),
        labels=tuple(spelled(names) for _, names in weights),
        shares=tuple(range(len(out) - len(over), len(out))),
    )  # fmt: skip
    for z in dict.fromkeys(node.inputs):
        z.users = [u for u in z.users if u is not node]
    node.inputs, node.out, node.labels = (
        (one, other[0]), spelled(whole.out), (one.out, spelled(other[1])),
    )  # fmt: skip
    for z in node.inputs:
        z.users.append(node)
    return [one, node] if factor == 1 else [one, node, _multiple(node, factor)]


def _numbered(labels: Sequence[Any]) -> Callable[[Sequence[Any]], Labels]:
    """Plain labels for some, and one for each dimension of size one."""
    place: Mapping[Any, int] = {n: i for i, n in enumerate(labels)}
    return lambda names: tuple(
        ("one", i) if n is None else place[n] for i, n in enumerate(names))  # fmt: skip


def _multiple(node: Node, factor: float) -> Node:
    """What reads a wire reads a multiple of it instead."""
    readers, node.users = node.users, []
    more = p.Pointwise((node,), list(node.axes), degree=1.0, slope=factor, parity=-1, op=node.op,
                       result_of=node.result_of)  # fmt: skip
    node.result_of, more.users = None, readers
    for user in readers:
        user.inputs = tuple(more if z is node else z for z in user.inputs)
    return more
