"""What is done to the rows that the data picks from a table, done to the table.

Rows of φ(E) are φ of rows of E: a function, a norm, a gain or a shift behind a look-up is one of
the table, where no input reaches it. What is linear stays where it is unless a function follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.charts.making import curved, entries_of
from symfind.solve.transport.maps import read
from symfind.trace.graph import Op


@dataclass(frozen=True)
class Rows:
    """A wire that consists of rows of a table: [picks…, rest…] of [row, rest…]."""

    node: p.Contract

    @property
    def picks(self) -> Node:
        """What says which rows, one-hot."""
        return self.node.inputs[0]

    @property
    def table(self) -> Node:
        """The table."""
        return self.node.inputs[1]

    @property
    def lead(self) -> int:
        """How many dimensions of the wire belong to the picks."""
        return len(self.picks.axes) - 1


def picked(nodes: Sequence[Node]) -> bool:
    """Whether a function or a norm of rows that the data picks may be among some wires."""
    found = [y for n in nodes if curved(n) for y in _still(n.inputs[0])]
    return any(rows_of(y) is not None or _through(y) for y in found)


def _through(node: Node) -> bool:
    """Whether a sum or a product is one of rows, for what follows."""
    if not isinstance(node, p.Add | p.Contract) or len(node.inputs) != 2:
        return False
    known = [rows_of(x) for x in node.inputs]
    return any(r is not None for r in known) and _alike(node, known)


def take_up_tables(lowered: Lowered) -> Lowered:
    """Move what is done to rows alone to the tables that they are rows of."""
    nodes: list[Node] = []
    moved = False
    for whole in lowered.nodes:
        for node in _pieces(whole):
            made = _moved(node)
            nodes.extend(made or [node])
            moved |= bool(made)
    return replace(lowered, nodes=read(nodes)) if moved else lowered


def rows_of(node: Node) -> Rows | None:
    """A wire as rows of a table, None where it is something else."""
    if not isinstance(node, p.Contract) or len(node.inputs) != 2 or node.windows or node.silent:
        return None
    picks, table = node.inputs
    if not isinstance(picks, p.Source) or picks.key != "one-hot" or picks.role != "input":
        return None
    (*batch, row), rest = node.labels[0], node.labels[1][1:]
    plain = bool(rest) and node.labels[1][0] == row and node.out == (*batch, *rest)
    return Rows(node) if plain and not table.varies else None


def _pieces(node: Node) -> list[Node]:
    """A function of rows that are moved, as the rows of the function moved."""
    if not isinstance(node, p.Pointwise) or not curved(node):
        return [node]
    x, made = node.inputs[0], list[Node]()
    if rows_of(x) is not None or not isinstance(x, p.Movement):
        return [node]
    if any(rows_of(y) is None for y in _still(x)) or (apply := _applied(node)) is None:
        return [node]

    def pushed(y: Node) -> Node:
        if isinstance(y, p.Movement) and rows_of(y) is None:
            below = tuple(pushed(z) for z in y.inputs)
            new: Any = replace(y, inputs=below, users=[], orders={}, result_of=None)
        else:
            new = _made(node, (y,), list(y.axes), apply=apply)
        made.append(new)
        return new

    _put_in_place(pushed(x), node)
    return made


def _still(x: Node) -> list[Node]:
    """What is moved to make a wire."""
    if not isinstance(x, p.Movement):
        return [x]
    return [z for y in x.inputs for z in _still(y)]


def _put_in_place(made: Node, node: Node) -> None:
    for x in dict.fromkeys(node.inputs):
        x.users = [u for u in x.users if u is not node]
    made.users, node.users = node.users, []
    for user in made.users:
        user.inputs = tuple(made if x is node else x for x in user.inputs)


def _moved(node: Node) -> list[Node]:
    """The same of the table, and its rows in the place of a node; nothing where it stays."""
    known = [rows_of(x) for x in node.inputs]
    found = [rows for rows in known if rows is not None]
    if not found or node.silent or any(r.picks is not found[0].picks for r in found):
        return []
    tables = _on_tables(node, known)
    first = found[0]
    if tables is None:
        return []
    lead = [("pick", d) for d in range(first.lead)]
    rest = list(range(len(node.axes) - first.lead))
    rows = p.Contract((first.picks, tables), list(node.axes), op=node.op, result_of=node.result_of,
                      labels=((*lead, "row"), ("row", *rest)), out=(*lead, *rest))  # fmt: skip
    _put_in_place(rows, node)
    return [tables, rows]


def _on_tables(node: Node, known: Sequence[Rows | None]) -> Node | None:
    first = next(r for r in known if r is not None)
    axes = [first.table.axes[0], *node.axes[first.lead :]]
    match node:
        case p.Pointwise() if curved(node) and (apply := _applied(node)) is not None:
            return _made(node, (first.table,), axes, apply=apply)
        case p.Normalise() if all(d >= first.lead for d in node.dims):
            dims = tuple(d - first.lead + 1 for d in node.dims)
            return _made(node, (first.table,), axes, dims=dims)
        case p.Add() | p.Contract() if len(node.inputs) == 2 and _alike(node, known):
            return _two(node, known, first, axes)
    return None


def _applied(node: p.Pointwise) -> Callable[[Tensor], Tensor] | None:
    """The function, for it to be taken of another wire."""
    if node.apply is not None:
        return node.apply  # type: ignore[no-any-return]
    operand, op = node.inputs[0].result_of, node.op
    if not isinstance(op, Op) or node.result_of is not op or operand is None:
        return None
    return entries_of(op) if op.args and op.args[0] is operand else None


def _alike(node: Node, known: Sequence[Rows | None]) -> bool:
    """Whether all of two operands are rows of the same, or one is and the other is none of data."""
    if len({id(x) for x in node.inputs}) < 2:
        return False
    if all(r is not None for r in known):
        return node.inputs[0].shape == node.inputs[1].shape == node.shape
    (at,) = [i for i, r in enumerate(known) if r is not None]
    rows, other = known[at], node.inputs[1 - at]
    assert rows is not None
    aligned = len(other.axes) <= len(node.axes) - rows.lead
    bends = all(curved(u) for u in node.users)
    return bends and not other.varies and aligned and node.inputs[at].shape == node.shape


def _two(node: Any, known: Sequence[Rows | None], rows: Rows, axes: list) -> Node | None:
    inputs = tuple(x if r is None else r.table for x, r in zip(node.inputs, known, strict=True))
    if isinstance(node, p.Add):
        return _made(node, inputs, axes)
    place = {n: d for d, n in enumerate(node.out)}
    if node.windows or node.out != tuple(range(len(node.out))):
        return None
    labels: list[tuple[Any, ...]] = []
    for names, r in zip(node.labels, known, strict=True):
        if r is not None and names != node.out:
            return None
        if r is None and any(n in place and place[n] < rows.lead for n in names):
            return None
        labels.append(("row", *names[rows.lead :]) if r is not None else names)
    out = ("row", *node.out[rows.lead :])
    if any(n not in out for names in labels for n in names):
        return None
    return _made(node, inputs, axes, labels=tuple(labels), out=out)


def _made(node: Node, inputs: tuple[Node, ...], axes: list, **changes: Any) -> Node:
    """A primitive of the same kind on other operands."""
    return replace(node, inputs=inputs, axes=axes, users=[], silent=[], orders={},
                   result_of=None, **changes)  # fmt: skip
