"""What two neighbours of a wire may change without being seen: the kernel of their product.

Where V reads the wire that U writes, the product moves by δV·U + V·δU. Apart from what a change of
basis does to both, each of the two terms vanishes by itself:

- *reach*: δV·U = 0 where the rows of δV are relations κ·x = c of all that the wire can be (see
  `solve.spans`). A reader may add s κᵀ; what it then adds is the constant s c, which a bias takes
  back. Where s may not be anything, it may still be anything on a block of the outputs (the keys of
  a packed projection), or the same for all of them.
- *blind*: V·δU = 0 where the columns of δU are seen by nothing downstream (see `solve.sight`): a
  bond wider than what reads it, a maximum over pieces that all move alike, a gain γ on the way to
  what is blind to constants. A writer may add k ⊗ r.
"""

import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, branches, extent, positive
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.indices import Index, indices
from symfind.graph.primitives import Node
from symfind.numerics.alike import alike
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, ShiftFamily, carry_out
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.sight.rows import Form, Seen, form, volume
from symfind.solve.sight.seen import Sight
from symfind.solve.spans.linear import complement
from symfind.solve.spans.reached import Spans
from symfind.solve.spans.relation import Relation
from symfind.solve.transport.absorption import NEVER, PLAIN, Plan, shared_bias
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, Dim, canonical

KAPPA = "which relation"  # a label
Spread = dict[Any, Dim]  # by label: along which outputs s varies


# reach -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Reader:
    """A contraction of a wire with a weight: `free` labels outputs, `summed` inputs."""

    node: p.Contract
    at: int  # which factor is the weight
    on: int  # which is the wire
    free: tuple[Any, ...]
    summed: tuple[Any, ...]

    @property
    def weight(self) -> Node:
        """The weight."""
        return self.node.inputs[self.at]

    @property
    def wire(self) -> Node:
        """What is read."""
        return self.node.inputs[self.on]

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions of the wire that are summed over."""
        read = self.node.labels[self.on]
        return tuple(d for d, n in enumerate(read) if n in self.summed)

    def axis(self, label: Any) -> Axis:
        """The index of the weight with a given label."""
        return self.weight.axes[self.node.labels[self.at].index(label)]

    def spreads(self) -> Iterator[tuple[bool, Spread]]:
        """Whole ways in which s may vary, then parts of them: outputs in one block."""
        yield True, {n: ARBITRARY for n in self.free}
        # A shared weight may have to be changed by the same amount for all its outputs.
        yield True, {n: CONSTANT for n in self.free}
        for n in self.free:
            options = branches(self.axis(n))
            for choice, atoms in options if len(options) > 1 else ():
                block = (choice, frozenset(range(len(atoms))))
                yield False, {m: block if m == n else ARBITRARY for m in self.free}


def _readers(node: p.Contract) -> Iterator[Reader]:
    """Every factor of a product as a weight that reads every other."""
    for at, on in itertools.permutations(range(len(node.inputs)), 2):
        reader = _reader(node, at, on)
        if reader is not None:
            yield reader


def _reader(node: p.Contract, at: int, on: int) -> Reader | None:
    weight, x = node.inputs[at], node.inputs[on]
    if weight.varies or weight.fixed or weight is x:
        return None
    names, read = node.labels[at], node.labels[on]
    others = {n for i, own in enumerate(node.labels) if i not in (at, on) for n in own}
    free = tuple(n for n in names if n in node.out or n in node.windows or n in others)
    wide = [n for n, a in zip(names, weight.axes, strict=True) if a.size > 1]
    summed = tuple(n for n in wide if n not in free)
    if not summed or any(n in read for n in free) or any(n not in read for n in summed):
        return None
    return Reader(node, at, on, free, summed)


class Reach:
    """What the readers of wires that satisfy relations may add, in a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows
        self.spans = Spans(flows.relations)
        self.sight = Sight(flows.relations)

    def families(self) -> list[Family]:
        """Of every reader δV = s κᵀ, for relations in closed form, then for all others."""
        contractions = [n for n in self.lowered.nodes if isinstance(n, p.Contract)]
        readers = [reader for node in contractions for reader in _readers(node)]
        return [
            *(f for reader in readers for f in self._closed(reader)),
            *(f for reader in readers for f in self._spanned(reader)),
            *self._shared(readers),
        ]

    def _shared(self, readers: Sequence[Reader]) -> Iterator[Family]:
        """Of a weight that is used again on wires that satisfy the same relation."""
        uses: dict[Node, list[Reader]] = {}
        for reader in readers:
            uses.setdefault(reader.weight, []).append(reader)
        for weight, several in uses.items():
            if len(several) < 2 or len(several) != len(weight.users):
                continue
            for relation in self._common(several):
                nodes = [r.node for r in several]
                unseen = relation.zero or all(self._dies(r) for r in several)
                actions = () if unseen else shared_bias(nodes)
                if actions is not None:
                    write = self.flows.undo(weight, (ARBITRARY,) * len(weight.axes))
                    spread = dict.fromkeys(several[0].free, ARBITRARY)
                    if write is not None:
                        yield _added(several[0], relation, spread, write, actions)

    def _dies(self, reader: Reader) -> bool:
        """Whether nothing sees constants that a weight makes, as of keys."""
        node = reader.node
        state = [ARBITRARY if n in reader.free else CONSTANT for n in node.out]
        return self.flows.dispose(node, canonical(node, state), True, NEVER) is not None

    def _common(self, several: Sequence[Reader]) -> Iterator[Relation]:
        """Relations that all these wires satisfy, as far as random parameters tell."""
        first, *rest = several
        alike = all((r.dims, r.node.labels[r.at]) == (first.dims, first.node.labels[first.at])
                    for r in rest)  # fmt: skip
        known = [[r for r in self.flows.relations.of(one.wire) if r.dims == first.dims]
                 for one in several] if alike else [[]]  # fmt: skip
        if alike and len(first.dims) == 1:
            (dim,) = first.dims
            if len({self.spans.reached(one.wire, dim) for one in several}) == 1:
                yield from self.spans.missed(first.wire, dim)
        if not all(known):
            return
        env = Environment(Drawn(self.lowered.shapes))
        for relation in known[0]:
            if all(any(_equal(env, relation, r) for r in own) for own in known[1:]):
                yield relation

    def _closed(self, reader: Reader) -> Iterator[Family]:
        """AffineRelations that a norm, a softmax, a one-hot row or copies leave."""
        for relation in self.flows.relations.of(reader.wire):
            if relation.dims == reader.dims:
                yield from self._ways(reader, relation)

    def _spanned(self, reader: Reader) -> Iterator[Family]:
        """AffineRelations of a wire wider than all that is written into it."""
        if len(reader.dims) != 1 or len(reader.weight.users) != 1:
            return
        for relation in self.spans.missed(reader.wire, reader.dims[0]):
            whole = yield from self._ways(reader, relation)
            if whole:
                return

    def _ways(self, reader: Reader, relation: Relation) -> Generator[Family, None, bool]:
        """All outputs together where that will do, which is returned; else parts of them."""
        for whole, spread in reader.spreads():
            family = self._of(reader, relation, spread)
            if family is not None:
                yield family
                if whole:
                    return True
        family = self._unseen(reader, relation)
        if family is not None:
            yield family
        return False

    def _of(self, reader: Reader, relation: Relation, spread: Spread) -> Family | None:
        """The family of one relation, if weights can be changed and constants be taken back."""
        node = reader.node
        if not relation.zero and ((node.windows and not node.seals) or len(node.inputs) > 2):
            return None
        write = self._write(reader, spread)
        actions: Plan | None = ()
        if write is not None and not relation.zero:
            state = [spread.get(n, CONSTANT) for n in node.out]
            actions = self.flows.dispose(node, canonical(node, state), True, PLAIN)
            if actions is None and CONSTANT in spread.values():
                actions = self.flows.absorption.behind(node, canonical(node, state))
        if write is None or relation.count(None) <= 0:
            return None
        return None if actions is None else _added(reader, relation, spread, write, actions)

    def _unseen(self, reader: Reader, relation: Relation) -> Family | None:
        """As far as the constants that it makes are seen by nothing downstream."""
        node, spread = reader.node, dict.fromkeys(reader.free, ARBITRARY)
        if relation.zero or len(reader.free) != 1 or node.windows or len(node.inputs) > 2:
            return None
        write = self._write(reader, spread)
        if write is None or relation.count(None) <= 0:
            return None
        places = [s for s in indices(node) if node.out[s[0]] == reader.free[0]]
        rest = [s for s in indices(node) if s not in places]
        seen = self.sight.seen(node, form(places, rest))
        if seen is None or seen.rank(None) >= volume(node, places)(None):
            return None
        return _added(reader, relation, spread, write, (), seen)

    def _write(self, reader: Reader, spread: Spread) -> Plan | None:
        """How the weight of one reader is changed, and what its other readers then need."""
        weight = reader.weight
        names = reader.node.labels[reader.at]
        state = canonical(weight, [spread.get(n, ARBITRARY) for n in names])
        if len(weight.users) == 1:
            constant = CONSTANT in spread.values()
            return None if constant else self.flows.undo(weight, state)
        if not isinstance(weight, p.Source) or weight.role != "parameter":
            return None
        return self.flows.replace(weight, state, reader.node)


def _equal(env: Environment, one: Relation, two: Relation) -> bool:
    try:
        pairs = [(one.vector(env), two.vector(env)), (one.constant(env), two.constant(env))]
    except LookupError:
        return False  # a constant of unknown value
    return all(alike(a, b) for a, b in pairs)


def _added(
    reader: Reader, relation: Relation, spread: Spread, write: Plan, actions: Plan,
    seen: Seen | None = None,
) -> Family:  # fmt: skip
    node, free = reader.node, reader.free
    read = node.labels[reader.on]
    order = [read[d] for d in reader.dims]

    def lengths(sizes: Sizes | None) -> list[int]:
        return [_length(reader.axis(n), spread[n], sizes) for n in free]

    def outputs(sizes: Sizes | None) -> int:
        whole = math.prod(lengths(sizes))
        return whole if seen is None else positive(whole - seen.rank(sizes))

    def width(sizes: Sizes | None) -> int:
        return relation.count(sizes) * outputs(sizes)

    def build(env: Environment, c: Tensor) -> Moves:
        s = c.reshape(-1, relation.count(env.sizes))
        if seen is not None:
            whole = math.prod(lengths(env.sizes))
            s = complement(seen.rows(env).reshape(-1, whole).T, len(s)) @ s
        s = s.reshape(*lengths(env.sizes), relation.count(env.sizes))
        for d, n in enumerate(free):
            s = _placed(env, s, d, reader.axis(n), spread[n])
        kappa = relation.vector(env)
        delta = einsum([s, kappa], [[*free, KAPPA], [KAPPA, *order]], node.labels[reader.at])
        moves = carry_out(env, write, -delta)
        if relation.zero or seen is not None:
            return moves
        constant = einsum([s @ relation.constant(env)], [free], node.out)
        return carry_out(env, actions, constant, moves)

    return NullFamily(
        kind="reach",
        sources=tuple(dict.fromkeys(a.source for a in (*write, *actions))),
        width=width,
        build=build,
        loose=True,
        piecewise=relation.piecewise or seen is not None,
    )


def _length(axis: Axis, dim: Dim, sizes: Sizes | None) -> int:
    """Number of coefficients along one output index."""
    if isinstance(dim, tuple):
        return math.prod(extent(a, sizes) for a in dict(branches(axis))[dim[0]])
    return extent(axis, sizes) if dim == ARBITRARY else 1


def _placed(env: Environment, s: Tensor, d: int, axis: Axis, dim: Dim) -> Tensor:
    """Coefficients of one block along a dimension, zero for the others."""
    if not isinstance(dim, tuple):
        return s
    shape = [extent(axis, env.sizes) if i == d else n for i, n in enumerate(s.shape)]
    return torch.zeros(shape, **env.like).index_copy(d, env.places(axis, dim[0]), s)


# blind -----------------------------------------------------------------------------------
class Blind:
    """What is unseen of the parameters of a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows, shifts: Sequence[Family] = ()) -> None:
        """Take what is known to be free already; nothing is computed until asked."""
        self.lowered = lowered
        self.sight = Sight(flows.relations)
        self._free: dict[p.Source, dict[int | None, int]] = {}
        self._alone: dict[p.Source, int] = {}  # of these, in blocks that are not seen at all
        for f in shifts:
            if isinstance(f, ShiftFamily) and f.whole:
                self._free.setdefault(f.seed, {})[f.cell] = f.count()
                if len(f.sources) == 1:
                    self._alone[f.seed] = self._alone.get(f.seed, 0) + f.count()

    def families(self) -> list[Family]:
        """For every parameter that is seen only in part: k ⊗ r."""
        result: list[Family] = []
        for sources in self.lowered.parameters.values():
            if len(sources) == 1:
                for shape, seen in self._partly(sources[0]):
                    result.append(_unseen(sources[0], shape, seen))
        return result

    def _partly(self, source: p.Source) -> Iterator[tuple[Form, Seen]]:
        """Forms of which something is unseen: one index, or two where that is more, as of heads."""
        wide = list(indices(source))
        found: dict[tuple[Index, ...], tuple[int, Form, Seen]] = {}
        for inner in itertools.chain(itertools.combinations(wide, 1),
                                     itertools.combinations(wide, 2)):  # fmt: skip
            apart = len({dim for dim, _ in inner}) > 1  # else one dimension, of two factors
            if len(inner) > 1 and apart and len(wide) < 3:
                continue
            shape = form(inner, ())
            seen = self.sight.seen(source, shape)
            # What is blind to constants alone is found as a shift.
            if seen is None or seen.plain or not 0 < seen.rank(None):
                continue
            unseen = volume(source, inner)(None) - seen.rank(None)
            others = volume(source, [s for s in wide if s not in inner])(None)
            less = [one for one in found if set(one) & set(inner)]
            known = [self._known(source, inner, unseen), *(found[one][0] for one in less)]
            if unseen * others <= max(known):
                continue
            if any(not set(one) <= set(inner) for one in less):
                continue  # each says something of its own
            for one in less:
                del found[one]
            found[inner] = unseen * others, shape, seen
        yield from ((shape, seen) for _, shape, seen in found.values())

    def _known(self, source: p.Source, inner: Sequence[Index], unseen: int) -> int:
        """Of what is unseen along some indices, how much at most adds nothing.

        Where others take back any change of a block, what is unseen of it adds nothing; but what
        is seen of one block says nothing of another.
        """
        free = self._free.get(source, {})
        if None in free or len(free) == len(source.cells):
            return sum(free.values())
        known = self._alone.get(source, 0)
        cut = any(len(branches(source.axes[d])) > 1 for d, _ in inner)
        return known if cut else known * unseen // volume(source, inner)(None)


def _unseen(source: p.Source, shape: Form, seen: Seen) -> Family:
    whole = volume(source, shape.inner)
    own = indices(source)
    rest = [s for s in own if s not in shape.inner]
    order = [*shape.inner, *rest]

    def width(sizes: Sizes | None) -> int:
        others = math.prod(extent(own[s], sizes) for s in rest)
        return positive(whole(sizes) - seen.rank(sizes)) * others

    def build(env: Environment, c: Tensor) -> Moves:
        n = whole(env.sizes)
        k = complement(seen.rows(env).reshape(-1, n).T, n - seen.rank(env.sizes))
        delta = (k @ c.reshape(k.shape[1], -1)).reshape([extent(own[s], env.sizes) for s in order])
        delta = delta.permute([order.index(s) for s in own])
        return {source: delta.reshape(env.shape(source))}

    moving = not seen.settled
    return NullFamily(
        kind="shift", sources=(source,), width=width, build=build, loose=moving, piecewise=moving
    )
