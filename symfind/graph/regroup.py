"""Parameters that are added in several places, always together, are added once.

A recurrent layer written as a loop has x W + b + h U + c at every step. Only b + c is ever seen;
that is plain from one sum of them, and hidden where every step makes its own.
"""

from collections import Counter
from collections.abc import Sequence

from symfind.graph import primitives as p
from symfind.graph.primitives import Node

MOST = 64  # terms of a sum that is looked through
Term = tuple[Node, float]


def regroup(nodes: list[Node]) -> None:
    """Give sums that share the same parameters the sum of these as one operand."""
    groups: dict[frozenset[tuple[tuple[int, float], int]], list[tuple[p.Add, list[Term]]]] = {}
    for node in nodes:
        if isinstance(node, p.Add) and not _inside(node):
            terms = _terms(node)
            times = Counter((id(x), sign) for x, sign in _still(terms))
            together = frozenset(times.items())
            if len(together) > 1:
                groups.setdefault(together, []).append((node, terms))
    for sums in groups.values():
        if len(sums) > 1:
            _share(nodes, sums)


def _inside(node: Node) -> bool:
    """Whether nothing but other sums sees a sum."""
    return bool(node.users) and all(isinstance(u, p.Add) for u in node.users)


def _terms(root: p.Add) -> list[Term]:
    """What is added in all, through sums that nothing else sees; empty where that is too much."""
    found: list[Term] = []
    stack: list[Term] = [(root, 1.0)]
    while stack:
        node, sign = stack.pop()
        if isinstance(node, p.Add) and (node is root or _inside(node)):
            stack.extend((x, sign * s) for x, s in zip(node.inputs, node.signs, strict=True))
        else:
            found.append((node, sign))
        if len(found) + len(stack) > MOST:
            return []
    return found


def _still(terms: Sequence[Term]) -> list[Term]:
    """Terms that parameters make alone, of the shape that the first of them has."""
    still = [(x, sign) for x, sign in terms if not x.varies and not x.fixed]
    return [(x, sign) for x, sign in still if x.shape == still[0][0].shape]


def _share(nodes: list[Node], sums: Sequence[tuple[p.Add, list[Term]]]) -> None:
    first, terms = sums[0]
    still = _still(terms)
    inputs, signs = [x for x, _ in still], tuple(sign for _, sign in still)
    shared = p.Add(tuple(inputs), list(inputs[0].axes), signs=signs, op=first.op)
    nodes.insert(1 + max(nodes.index(x) for x in inputs), shared)
    for node, own in sums:
        rest = [(x, sign) for x, sign in own if all(x is not y for y in inputs)]
        for x in dict.fromkeys(node.inputs):
            x.users = [u for u in x.users if u is not node]
        node.inputs = (*(x for x, _ in rest), shared)
        node.signs = (*(sign for _, sign in rest), 1.0)
        for x in dict.fromkeys(node.inputs):
            x.users.append(node)
