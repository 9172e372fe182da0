"""The indices of a wire one by one: the atoms of its dimensions, across reshapes and products.

An *index* is (dimension, place within it). A dimension that is a concatenation is one index as a
whole. Indices of one value are none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from symfind.algebra.axes import Axis, branches
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node

Index = tuple[int, int]


def indices(node: Node) -> dict[Index, Axis]:
    """The indices of a wire in row-major order."""
    return {(d, i): a for d, axis in enumerate(node.axes) for i, a in enumerate(parts(axis))}


def parts(axis: Axis) -> Sequence[Axis]:
    """The indices that one dimension is flattened from."""
    if axis.size == 1:
        return ()
    options = branches(axis)
    return options[0][1] if len(options) == 1 else (axis,)


def labelled(node: Node, labels: Sequence[Any]) -> dict[Any, Axis]:
    """The indices of a wire under the names of their dimensions."""
    return {(labels[d], i): a for (d, i), a in indices(node).items()}


def named(labels: Sequence[Any]) -> Callable[[Index], Any]:
    """The label of an index."""
    return lambda index: (labels[index[0]], index[1])


@dataclass(frozen=True)
class Joint:
    """Indices of an operand of which is only known which indices of the result they become."""

    ins: tuple[Index, ...]
    outs: tuple[Index, ...]
    way: Way


@dataclass(frozen=True)
class Passage:
    """An index map, index by index: those that become one of the result, and all others."""

    same: dict[Index, Index]
    joint: tuple[Joint, ...]

    def of(self, way: Way) -> list[Joint]:
        """The runs of one way."""
        return [joint for joint in self.joint if joint.way is way]


def passage(user: Node, at: int = 0) -> Passage:
    """How the indices of one operand become those of the result."""
    mine, theirs = indices(user.inputs[at]), indices(user)
    same: dict[Index, Index] = {}
    joint: list[Joint] = []
    for run in user.index_map(at):
        one = tuple(s for s in mine if s[0] in run.ins)
        two = tuple(s for s in theirs if s[0] in run.outs)
        plain = run.way in (Way.SAME, Way.RESHAPED)
        if plain and [mine[s].root for s in one] == [theirs[s].root for s in two]:
            same.update(zip(one, two, strict=True))
            continue
        if run.way is Way.RESHAPED:  # in row-major order, so that the first and the last stay
            for end in (0, -1):
                while one and two and mine[one[end]].root is theirs[two[end]].root:
                    same[one[end]] = two[end]
                    one, two = (t[1:] if end == 0 else t[:-1] for t in (one, two))
        joint.append(Joint(one, two, run.way))
    return Passage(same, tuple(joint))


class Still:
    """Indices along which a wire that no input reaches is a copy of one slice."""

    def __init__(self) -> None:
        """Nothing is computed until asked."""
        self._known: dict[int, frozenset[Index]] = {}

    def along(self, node: Node) -> frozenset[Index]:
        """These indices: of all that the operands have, those along which none of them moves."""
        if node.index not in self._known:
            self._known[node.index] = frozenset(self._along(node))
        return self._known[node.index]

    def _along(self, node: Node) -> set[Index]:
        if isinstance(node, p.Source) and node.zero:
            return set(indices(node))
        entrywise = isinstance(node, p.Movement | p.Pointwise | p.Add | p.Contract)
        if not entrywise or (isinstance(node, p.Contract) and node.windows):
            return set()
        moving: set[Index] = set()
        for at, x in enumerate(node.inputs):
            way, still = passage(node, at), self.along(x)
            moving |= {two for one, two in way.same.items() if one not in still}
            # A product's other indices are those of its other factors.
            if not isinstance(node, p.Contract):
                moving |= {s for j in way.joint if j.way is not Way.COPIED for s in j.outs}
        return set(indices(node)) - moving
