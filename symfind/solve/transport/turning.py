"""Learned rows that ask a product: whatever is added to them, the other factor takes it back.

Where a wire Q [rows, d] that no input reaches is multiplied by k [d], and has no more rows than
columns, every change T of it is Q G with G = Q⁺ T. The product stays if k moves by −G k: by a
change of basis of k alone, if all that writes k can follow. So the learned queries of a Set
Transformer or a Perceiver may be moved as far as their scores are concerned: keys turn against
them (Lee et al. 2019; Jaegle et al. 2021), or the weight that reads latents does.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.indices import Index, Still, indices
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.ops.lower import Lowered
from symfind.solve.bonds.acting import acted, gains_of
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.bonds.potentials import Potential
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import Action, Plan, disjoint
from symfind.solve.transport.state import CONSTANT, State
from symfind.solve.transport.steps import Step


@dataclass(frozen=True)
class Asked:
    """A product of learned rows with another wire, by its labels.

    Attributes:
        node: the product.
        at: which factor has the rows.
        summed: what both have and the product has not.
        rows: what the rows alone have.
        shared: what both have and the product too: heads.
        copies: dimensions of the rows along which they are copies.
    """

    node: p.Contract
    at: int
    summed: object
    rows: tuple[object, ...]
    shared: tuple[object, ...]
    copies: tuple[int, ...]

    def flat(self, env: Environment, t: Tensor) -> Tensor:
        """A value of the rows' shape as matrices [*shared, rows, d], one of all copies."""
        names, full = self.node.labels[self.at], env.shape(self.node.inputs[self.at])
        t = t.expand(full)
        for d in self.copies:
            t = t.narrow(d, 0, 1)
        order = [*self.shared, *self.rows, self.summed]
        t = einsum([t], [names], order)
        lead = len(self.shared)
        return t.reshape(*t.shape[:lead], math.prod(t.shape[lead:-1]), t.shape[-1])


@dataclass(frozen=True)
class Turn:
    """The change of basis of the other factor: its class, and what follows."""

    bond: Bond
    members: list[Member]
    indexed: tuple[Axis, ...]
    image: tuple[bool, Potential]


class Turning:
    """Answers for one lowered graph, each derived once."""

    def __init__(self, lowered: Lowered) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.still = Still()
        self._equations: Matrices | None = None
        self._known: dict[tuple[int, int], tuple[Asked, Turn] | None] = {}

    def taken(self, node: p.Contract, at: int, state: State) -> Plan | None:
        """How what makes one factor undoes a known perturbation of the other; None if it cannot."""
        key = (node.index, at)
        if key not in self._known:
            asked = self._asked(node, at)
            turn = None if asked is None else self._turn(asked)
            found = None if asked is None or turn is None else (asked, turn)
            # values are looked at last: they are as large as the model's
            self._known[key] = found if found is not None and self._free(found[0]) else None
        found = self._known[key]
        if found is None or any(state[d] != CONSTANT for d in found[0].copies):
            return None
        asked, turn = found
        return tuple(
            Action(
                m.source,
                (_against(asked), _moved(turn, m, asked, self.lowered.nodes)),
                loose=True,
                bent=True,
            )
            for m in turn.members
        )

    def _asked(self, node: p.Contract, at: int) -> Asked | None:
        if len(node.inputs) != 2 or node.windows or node.inputs[0] is node.inputs[1]:
            return None
        q, k = node.inputs[at], node.inputs[1 - at]
        if q.varies or q.fixed or k.fixed or _leaf(q) or _given(k):
            return None
        mine, theirs = node.labels[at], node.labels[1 - at]
        still = self.still.along(q)
        copies = _copies(q, still)
        wide = [n for d, (n, a) in enumerate(zip(mine, q.axes, strict=True))
                if a.size > 1 and d not in copies]  # fmt: skip
        others = [n for n, a in zip(theirs, k.axes, strict=True) if a.size > 1]
        summed = [n for n in wide if n not in node.out]
        if len(summed) != 1 or summed[0] not in others or len(set(mine)) < len(mine):
            return None
        if any(mine[d] not in node.out for d in copies) or len(set(theirs)) < len(theirs):
            return None
        rows = tuple(n for n in wide if n in node.out and n not in others)
        shared = tuple(n for n in wide if n in node.out and n in others)
        asked = Asked(node, at, summed[0], rows, shared, copies)
        size = dict(zip(mine, q.shape, strict=True))
        few = math.prod(size[n] for n in rows) <= size[summed[0]]
        return asked if few and not self._bound(asked) else None

    def _free(self, asked: Asked) -> bool:
        """Whether the rows are independent at random parameters."""
        env = Environment(Drawn(self.lowered.shapes))
        try:
            value = asked.flat(env, env.value(asked.node.inputs[asked.at]))
        except LookupError:
            return False  # a constant of unknown value
        return bool((torch.linalg.matrix_rank(value) == value.shape[-2]).all())

    def _bound(self, asked: Asked) -> bool:
        """Whether nothing else sees the rows, and they turn like any bond."""
        q = asked.node.inputs[asked.at]
        if _alone(q) is None:
            return False
        if self._equations is None:
            self._equations = Matrices(self.lowered)
        found = self._equations.along(q, asked.node.labels[asked.at].index(asked.summed))
        return found is not None and _unheld(self._equations.bond(found[0]))

    def _turn(self, asked: Asked) -> Turn | None:
        node, k = asked.node, asked.node.inputs[1 - asked.at]
        if _held(k):
            return None
        equations = Matrices(self.lowered, apart=[(node, asked.at)])
        found = equations.along(k, node.labels[1 - asked.at].index(asked.summed))
        if found is None:
            return None
        root, dual, potential = found
        bond = equations.bond(root)
        if not _unheld(bond):
            return None
        members = next((m for b, m in equations.bonds() if b is bond), [])
        above = set(ancestors([node.inputs[asked.at]]))
        if not members or any(m.source in above for m in members):
            return None
        heads = [_atom(k, node.labels[1 - asked.at].index(n)) for n in asked.shared]
        if any(a is None or a not in bond.indexed for a in heads):
            return None
        indexed = tuple(sorted(bond.indexed, key=lambda a: a.serial))
        return Turn(bond, members, indexed, (dual, potential))


def _alone(q: Node) -> Node | None:
    """What a wire, or a range of it, is moved from, if one reader alone sees that."""
    while len(q.users) == 1 and isinstance(q, p.Movement) and len(q.inputs) == 1:
        (above,) = q.inputs
        if isinstance(q, p.Narrow) and disjoint(above):
            return above
        q = above
    return q if len(q.users) == 1 else None


def _leaf(q: Node) -> bool:
    """Whether a wire is a parameter, or a range of one, that nothing else reads.

    It follows any change of basis of the other factor, so that what holds that is not this product:
    where any matrix acts there they are a bond, and where not, nothing turns against the rows.
    """
    return isinstance(_alone(q), p.Source)


def _given(k: Node) -> bool:
    """Whether no parameter made a wire: an input, or what picks rows of a table."""
    return not any(isinstance(n, p.Source) and n.role == "parameter" for n in ancestors([k]))


def _held(k: Node) -> bool:
    """Whether no matrix acts on a wire, or not any, as is seen from what made it."""
    while isinstance(k, p.Movement) and len(k.inputs) == 1:
        (k,) = k.inputs
    rigid = (p.Softmax, p.Peak, p.Order, p.Entrywise, p.Rigid, p.Normalise)
    return isinstance(k, rigid) or (isinstance(k, p.Pointwise) and k.slope is None)


def _unheld(bond: Bond) -> bool:
    """Whether any matrix acts."""
    return not (bond.rigid or bond.skew or bond.ones or bond.pairs)


def _copies(q: Node, still: frozenset[Index]) -> tuple[int, ...]:
    """Dimensions along all of which a wire is a copy of one slice."""
    own = indices(q)
    return tuple(d for d, a in enumerate(q.axes)
                 if a.size > 1 and all(s in still for s in own if s[0] == d))  # fmt: skip


def _atom(node: Node, dim: int) -> Axis | None:
    """The one index that a dimension is."""
    cell = node.cells[0]
    found = [a for a, (d, _) in zip(cell.atoms, cell.places, strict=True) if d == dim]
    return found[0] if len(node.cells) == 1 and len(found) == 1 else None


def _against(asked: Asked) -> Step:
    """From a change T of the rows to what turns the other factor: −Q⁺ T, [*shared, d, d]."""

    def step(env: Environment, t: Tensor) -> Tensor:
        q = asked.flat(env, env.value(asked.node.inputs[asked.at]))
        return -torch.linalg.pinv(q) @ asked.flat(env, t)

    return step


def _moved(turn: Turn, member: Member, asked: Asked, nodes: list[Node]) -> Step:
    """What the turn of a wire does to one of the parameters that follow."""
    dual, potential = turn.image
    k = asked.node.inputs[1 - asked.at]
    heads = [_atom(k, asked.node.labels[1 - asked.at].index(n)) for n in asked.shared]

    order = [heads.index(a) for a in turn.indexed if a in heads]

    def step(env: Environment, x: Tensor) -> Tensor:
        sizes = [extent(a, env.sizes) for a in turn.indexed]
        n = x.shape[-1]
        x = x.permute(*order, -2, -1) if order else x
        x = x.reshape([m if a in heads else 1 for a, m in zip(turn.indexed, sizes, strict=True)]
                      + [n, n])  # fmt: skip
        x = x.expand(*sizes, n, n)
        if potential:
            gain = gains_of(env, potential, nodes)
            x = x / gain.unsqueeze(-1) * gain.unsqueeze(-2)
        if dual != member.dual:
            x = -x.transpose(-1, -2)
        block = env.take(member.source, member.cell, env.value(member.source))
        change = acted(env, member, x, block, turn.indexed, nodes)
        return env.put(member.source, member.cell, change)

    return step
