"""Sums of wires whose gates have a constant sum, written out: what is added to all passes.

Experts whose gates are entries of one softmax are such a sum, and so is t u + (1 − t) v.
"""

import itertools
from collections.abc import Sequence

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.point.values import known_value

MOST = 64  # terms


def mixed(node: p.Add) -> tuple[Sequence[Node], float]:
    """The wires of a sum whose gates have a constant sum, and that sum; else no wires."""
    parts = _parts(node)
    terms = [_products(z) for z in parts]
    if not 1 < len(terms) <= MOST or any(z.shape != node.shape for z in parts) or not all(terms):
        return (), 0.0
    shares = [next((t for t in own if _entry(t[0]) is not None), None) for own in terms]
    known = [t for t in shares if t is not None]
    if len(known) == len(terms) and _whole([gate for gate, _ in known]):
        return [x for _, x in known], 1.0
    if len(terms) == 2:
        for (t, u), (s, v) in itertools.product(*terms):
            total = _together(t, s) or _together(s, t)
            if total:
                return [u, v], total
    return (), 0.0


def _parts(node: Node) -> list[Node]:
    """What is added, in sums of sums that nothing else sees."""
    if not isinstance(node, p.Add):
        return [node]
    if set(node.signs) != {1.0} or any(len(z.users) != 1 for z in node.inputs):
        return []
    return [part for z in node.inputs for part in _parts(z) or [z]]


def _products(z: Node) -> list[tuple[Node, Node]]:
    """The factors of an entrywise product, as what weights and what is weighted."""
    if not isinstance(z, p.Contract) or len(z.inputs) != 2 or z.windows or len(z.users) != 1:
        return []
    sides = [(z.inputs[i], z.inputs[1 - i], z.labels[i], z.labels[1 - i]) for i in (0, 1)]
    return [
        (gate, x) for gate, x, mine, own in sides
        if own == z.out and x.shape == z.shape and gate is not x and len(mine) == len(z.out)
        and all(n == o or a.size == 1 for n, o, a in zip(mine, z.out, gate.axes, strict=True))
    ]  # fmt: skip


def _entry(gate: Node) -> tuple[Node, int] | None:
    """A softmax, or entries over their sum, and which of its entries a wire is."""
    if not isinstance(gate, p.Narrow) or gate.axes[gate.dim].size != 1:
        return None
    soft = gate.inputs[0]
    whole = isinstance(soft, p.Softmax) and not soft.partial
    over = soft.dims if isinstance(soft, p.Softmax) and whole else getattr(soft, "shares", ())
    return (soft, gate.start) if over == (gate.dim,) else None


def _whole(gates: Sequence[Node]) -> bool:
    """Whether wires are all entries of one softmax, each once."""
    entries = [e for gate in gates if (e := _entry(gate)) is not None]
    soft, first = entries[0][0], gates[0]
    every = list(range(soft.axes[first.dim].size)) if isinstance(first, p.Narrow) else []
    return all(s is soft for s, _ in entries) and sorted(at for _, at in entries) == every


def _together(t: Node, s: Node) -> float:
    """What two wires add up to, where one is a number minus the other; else zero."""
    if not isinstance(s, p.Add) or len(s.inputs) != 2 or s.inputs.count(t) != 1:
        return 0.0
    at = s.inputs.index(t)
    value = known_value(s.inputs[1 - at]) if s.inputs[1 - at].fixed else None
    if value is None or s.signs[at] != -1 or t.shape != s.shape:
        return 0.0
    first = float(value.reshape(-1)[0])
    return s.signs[1 - at] * first if bool((value == first).all()) else 0.0
