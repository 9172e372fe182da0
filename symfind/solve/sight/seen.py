"""What everything downstream sees of a wire: the dual of reach, by pulling rows back.

Let a perturbation of a wire be k ⊗ r: k over some *inner* indices, r constant along the *flat* ones
and arbitrary along all others. What is seen of it is a set of rows over the inner indices; k is
blind where all of them vanish on it. Every operation pulls the rows of its result back to those of
its operand. Rows only ever say too much, so that what is found to be blind is blind.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, least
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.index_map import Way
from symfind.graph.indices import (
    Index,
    Passage,
    Still,
    indices,
    labelled,
    named,
    parts,
    passage,
)
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.sight.pieces import alike, joined
from symfind.solve.sight.rows import (
    Factor,
    Form,
    Seen,
    Width,
    by_copy,
    form,
    lengths_of,
    ordered,
    varying,
    volume,
)
from symfind.solve.spans.reached import Spans, through_origin
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport.steps import total

ROW = "which row"  # a label


class Sight:
    """Answers for one lowered graph, each derived once."""

    def __init__(self, relations: AffineRelations) -> None:
        """Nothing is computed until asked."""
        self.relations = relations
        self.spans = Spans(relations)
        self.still = Still()
        self._known: dict[tuple[int, Form], Seen | None] = {}
        self._constants: dict[Any, Seen] = {}

    def seen(self, node: Node, shape: Form) -> Seen | None:
        """What is seen of a perturbation of a wire; None for all of it."""
        key = (node.index, shape)
        if key not in self._known:
            self._known[key] = None
            self._known[key] = self._observe(node, shape)
        return self._known[key]

    def _observe(self, node: Node, shape: Form) -> Seen | None:
        parts: dict[int, Seen] = {}
        whole = volume(node, shape.inner)
        joins, users = joined(node, shape)
        apart = (self._through(user, node, shape) for user in users)
        for part in chain(apart, (alike(j, f, self.seen, self._blunt) for j, f in joins.items())):
            if part is None:
                return None
            parts[id(part.rows)] = part
            if sum(known.rank(None) for known in parts.values()) >= whole(None):
                return None
        several = list(parts.values())
        if len(several) <= 1:
            return several[0] if several else None
        return Seen(
            lambda sizes: least(whole(sizes), sum(part.rank(sizes) for part in several)),
            lambda env: torch.cat([part.rows(env) for part in several]),
        )

    # one operation ------------------------------------------------------------------------
    def _through(self, user: Node, x: Node, shape: Form) -> Seen | None:
        if user.inputs.count(x) != 1:
            return None
        at = user.inputs.index(x)
        match user:
            case p.Contract() if len(user.inputs) == 2:
                return self._contract(user, at, shape)
            case p.Contract() if not user.windows:
                return self._among(user, at, shape)
            case p.Pointwise() if user.slope is not None:
                return self.seen(user, shape)
            case p.Narrow():
                return self._narrow(user, x, shape)
            case p.Join():
                return self._join(user, at, shape)
            case p.Movement() | p.Add() | p.Choice():
                return self._moved(user, at, shape)
            case p.Softmax() | p.Order() | p.Centre() | p.Normalise() if user.blind:
                return self._blunt(x, shape, user.blind)
            case p.Mix():
                return self._mix(user, x, shape)
        return None

    def _moved(self, user: Node, at: int, shape: Form) -> Seen | None:
        """Every index is one of the result, or a run of them is."""
        way = passage(user, at)
        changed = {s for s in indices(user) if s[0] in getattr(user, "stiff", ())}
        inner = [way.same[s] for s in shape.inner if s in way.same]
        flat = {way.same[s] for s in shape.flat if s in way.same}
        if any(s in changed for s in inner):
            return None
        for run in way.joint:
            kinds = {shape.of(s) for s in run.ins}
            if run.way is Way.PICKED and "inner" in kinds:
                return None
            if run.way is Way.RESHAPED and "inner" in kinds:
                return self._reshaped(user, at, shape, way)
            # copies, and what is picked or reshaped of what is flat
            if kinds <= {"flat"}:
                flat |= set(run.outs)
        return ordered(self.seen(user, form(inner, flat - changed)), inner)

    def _narrow(self, user: p.Narrow, x: Node, shape: Form) -> Seen | None:
        dim = user.dim
        kinds = {shape.of(s) for s in indices(x) if s[0] == dim}
        here = [s for s in indices(user) if s[0] == dim]
        inner = [s for s in shape.inner if s[0] != dim] + (here if "inner" in kinds else [])
        flat = {s for s in shape.flat if s[0] != dim} | set(here if kinds == {"flat"} else ())
        below = self.seen(user, form(inner, flat))
        if "inner" not in kinds:
            return below
        if len(kinds) > 1 or len([s for s in shape.inner if s[0] == dim]) > 1:
            return None
        place = 1 + [s[0] for s in shape.inner].index(dim)
        lengths = lengths_of(x, shape.inner)
        whole = volume(user, inner)

        def rows(env: Environment) -> Tensor:
            full, start, n = lengths(env), user.begin(0, env.sizes), env.shape(user)[dim]
            full[place - 1] = n
            inside = torch.eye(whole(env.sizes), **env.like) if below is None else below.rows(env)
            inside = inside.reshape(-1, *full)
            lead, tail = list(inside.shape), list(inside.shape)
            lead[place], tail[place] = start, env.shape(x)[dim] - start - n
            return torch.cat([inside.new_zeros(lead), inside, inside.new_zeros(tail)], place)

        if below is None:
            return Seen(whole, rows, settled=True)
        return replace(below, rows=rows, plain=False)

    def _join(self, user: p.Join, at: int, shape: Form) -> Seen | None:
        dim, x = user.dim, user.inputs[at]
        kinds = {shape.of(s) for s in indices(x) if s[0] == dim}
        rest = [s for s in shape.inner if s[0] != dim]
        flat = {s for s in shape.flat if s[0] != dim}
        if "inner" not in kinds:
            return self.seen(user, form(shape.inner, flat))
        here = [s for s in indices(user) if s[0] == dim]
        below = self.seen(user, form([*rest, *here], flat))
        if below is None or len(kinds) > 1 or len(here) > 1:
            return None
        whole, rank, outer = volume(x, shape.inner), below.rank, below.rows
        place = 1 + sorted([*rest, *here]).index(here[0])
        lengths = lengths_of(x, shape.inner)

        def rows(env: Environment) -> Tensor:
            start = sum(env.shape(z)[dim] for z in user.inputs[:at])
            t = outer(env).narrow(place, start, env.shape(x)[dim])
            return t.reshape(-1, *lengths(env))

        return Seen(lambda sizes: least(whole(sizes), rank(sizes)), rows)

    def _blunt(self, x: Node, shape: Form, dims: Sequence[int]) -> Seen | None:
        """Where constants along some dimensions are seen by nothing: all that sums to zero."""
        if any(shape.of(s) == "free" for s in indices(x) if s[0] in dims):
            return None
        inside = [s for s in shape.inner if s[0] in dims]
        own = indices(x)
        key = tuple((own[s].root, s in inside) for s in shape.inner)
        if key not in self._constants:
            others = volume(x, [s for s in shape.inner if s not in inside])
            along = volume(x, inside)
            self._constants[key] = Seen(
                lambda sizes: others(sizes) * (along(sizes) - 1),
                lambda env: varying(env, x, shape.inner, inside),
                settled=True,
                plain=True,
            )
        return self._constants[key]

    def _mix(self, user: p.Mix, x: Node, shape: Form) -> Seen | None:
        peak = isinstance(user, p.Peak)
        mixed = [s for s in indices(x) if s[0] in user.dims]
        kinds = {shape.of(s) for s in mixed}
        inside = [s for s in shape.inner if s in mixed]
        if peak and ("free" in kinds or user.unit is None):
            return None
        if inside and not peak and (total(user) is None or len(inside) < len(mixed)):
            return None
        left = [d for d in range(len(x.axes)) if not (user.drop and d in user.dims)]
        rest = [s for s in shape.inner if s not in inside]
        if any(s[0] in user.stiff for s in rest):
            return None
        even = peak or (user.unit is not None and kinds <= {"flat"})
        flat = {
            (left.index(d), i)
            for d, i in shape.flat
            if d not in user.dims and (even or d not in user.stiff)
        }
        if even:
            flat |= {s for s in indices(user) if not user.drop and s[0] in user.dims}
        below = self.seen(user, form([(left.index(d), i) for d, i in rest], flat))
        if not inside:
            return below
        others, along = volume(x, rest), volume(x, inside)
        lengths = lengths_of(x, shape.inner)

        def rows(env: Environment) -> Tensor:
            """What varies along the maximum, and what is seen of what does not, or of a sum."""
            onward = torch.eye(others(env.sizes), **env.like) if below is None else below.rows(env)
            full = lengths(env)
            spread = [1 if s in inside else n for s, n in zip(shape.inner, full, strict=True)]
            onward = onward.reshape(-1, *spread).expand(-1, *full)
            return torch.cat([varying(env, x, shape.inner, inside), onward]) if peak else onward

        def rank(sizes: Sizes | None) -> int:
            onward = others(sizes) if below is None else below.rank(sizes)
            return others(sizes) * (along(sizes) - 1) + onward if peak else onward

        return Seen(rank, rows, settled=below is None or below.settled)

    def _reshaped(self, user: Node, at: int, shape: Form, way: Passage) -> Seen | None:
        """Runs of indices of which some are inner: all of what they become is."""
        x = user.inputs[at]
        inner = {way.same[s] for s in shape.inner if s in way.same}
        flat = {way.same[s] for s in shape.flat if s in way.same}
        runs: list[Index] = []
        for run in way.joint:
            kinds = {shape.of(s) for s in run.ins}
            if "inner" in kinds:
                inner |= set(run.outs)
                runs += run.ins
            elif kinds <= {"flat"}:
                flat |= set(run.outs)
        below = self.seen(user, form(inner, flat))
        if below is None:
            return None
        # Row-major order is kept, and a run is reshaped to what it was.
        full = [s for s in indices(x) if s in runs or s in shape.inner]
        apart = [s for s in full if shape.of(s) == "free"]
        others, whole, lengths = volume(x, apart), volume(x, shape.inner), lengths_of(x, full)
        rank, outer = below.rank, below.rows

        def rows(env: Environment) -> Tensor:
            t = outer(env).reshape(-1, *lengths(env))
            return einsum([t], [[ROW, *full]], [ROW, *apart, *shape.inner]).flatten(0, len(apart))

        return Seen(lambda sizes: least(whole(sizes), rank(sizes) * others(sizes)), rows)

    # products -----------------------------------------------------------------------------
    def _contract(self, user: p.Contract, at: int, shape: Form) -> Seen | None:
        x, other = user.inputs[at], user.inputs[1 - at]
        name = named(user.labels[at])
        mine = {name(s): shape.of(s) for s in indices(x)}
        k = [name(s) for s in shape.inner]
        theirs = labelled(other, user.labels[1 - at])
        still = () if other.varies else self.still.along(other)
        still_names = {named(user.labels[1 - at])(s) for s in still}
        wide = {n: a for n, a in theirs.items() if n not in still_names}
        if user.windows and any(isinstance(n[0], tuple) for n in k):
            return None
        moving = {n[0] for n, kind in mine.items() if kind != "flat"}
        average = self.relations.averaged(user, at, set(user.labels[at]) - moving)
        out = labelled(user, user.out)
        if average or not any(n in wide for n in k):
            if any(n not in out for n in k):
                return None
            return self._beside(user, at, shape, mine, set() if average else set(wide))
        if other.varies and all(n in out for n in k) and not user.windows:
            # another for each of some indices of k, as of heads
            below = self._beside(user, at, shape, mine, set(wide))
            return by_copy(below, x, shape, [s for s in shape.inner if name(s) in wide])
        if other.varies:
            return self._against(user, at, shape, k)
        axes = {**theirs, **labelled(x, user.labels[at])}
        return self._linear(user, at, k, mine, Factor(other, list(theirs), still_names, axes))

    def _against(self, user: p.Contract, at: int, shape: Form, k: list) -> Seen | None:
        """Of a wire that meets another, what lies in the span of all that this one can be.

        Of a weight that is found as what its input can reach.
        """
        other, names = user.inputs[1 - at], user.labels[1 - at]
        dims = [d for d, n in enumerate(names) if k == [(n, 0)] and n not in user.out]
        lone = len(dims) == 1 and len(parts(other.axes[dims[0]])) == 1
        if not (lone and user.inputs[at].varies) or user.windows:
            return None
        span = self.spans.reached(other, dims[0])
        if span is None:
            return None
        mine = {n for n, a in zip(user.labels[at], user.inputs[at].axes, strict=True) if a.size > 1}
        flat = [s for s in indices(user) if user.out[s[0]] not in mine]
        onward = self.seen(user, form((), flat))
        if onward is None or onward.rank(None) > 0:
            span = through_origin(span)
        whole, rank, basis = volume(user.inputs[at], shape.inner), span.rank, span.basis
        return Seen(lambda sizes: least(whole(sizes), rank(sizes)), lambda env: basis(env).mT)

    def _among(self, user: p.Contract, at: int, shape: Form) -> Seen | None:
        """A product of several, of which none but this has the indices of k."""
        name = named(user.labels[at])
        k = [name(s) for s in shape.inner]
        wide: set[Any] = set()
        for i, (x, names) in enumerate(zip(user.inputs, user.labels, strict=True)):
            wide |= set(labelled(x, names)) if i != at else set()
        if any(n in wide or n not in labelled(user, user.out) for n in k):
            return None
        mine = {name(s): shape.of(s) for s in indices(user.inputs[at])}
        return self._beside(user, at, shape, mine, wide)

    def _beside(
        self, user: p.Contract, at: int, shape: Form, mine: dict, changed: set
    ) -> Seen | None:
        """A product that leaves k as it is, and makes r vary along the labels `changed`."""
        own, name = named(user.out), named(user.labels[at])
        where = {own(s): s for s in indices(user)}
        slid = not user.seals or any(mine[n] != "flat" for n in mine if isinstance(n[0], tuple))
        flat = [
            s
            for n, s in where.items()
            if n not in changed
            and mine.get(n, "flat") == "flat"
            and not (user.windows and isinstance(n[0], tuple) and slid)
        ]
        inner = [where[name(s)] for s in shape.inner]
        return ordered(self.seen(user, form(inner, flat)), inner)

    def _linear(
        self, user: p.Contract, at: int, k: list, mine: dict, factor: "Factor"
    ) -> Seen | None:
        """A product with what no input reaches, which takes part in k."""
        own = named(user.out)
        where = {own(s): s for s in indices(user)}
        wide, axis = factor.wide, factor.axes
        names = [n for n in where if n in k or n in wide]
        flat = [
            s
            for n, s in where.items()
            if n not in names
            and mine.get(n, "flat") == "flat"
            and not (user.windows and isinstance(n[0], tuple))
        ]
        below = self.seen(user, form([where[n] for n in names], flat))
        # Each value that r takes apart, or that a window may single out, is a row of its own.
        apart = [n for n in wide if n not in names and mine.get(n) != "flat" and n not in k]
        lone = [n for n in k if n not in wide and n not in where]
        new = [n for n in names if n not in k]
        tied = [n for n in new if mine.get(n) == "free"]

        def product(some: Sequence[Any]) -> Width:
            return lambda sizes: math.prod(extent(axis[n], sizes) for n in some)

        passed, made = product([n for n in k if n in names]), product([*new, *apart])
        summed, several = product([n for n in k if n not in names]), product([*apart, *tied])

        def rank(sizes: Sizes | None) -> int:
            here = passed(sizes) * least(made(sizes), summed(sizes))
            return here if below is None else least(here, below.rank(sizes) * several(sizes))

        def rows(env: Environment) -> Tensor:
            size = {n: extent(axis[n], env.sizes) for n in axis}
            values, labels = [factor.value(env)], [list(wide)]
            for n in lone:
                values.append(torch.ones(size[n], **env.like))
                labels.append([n])
            first = [*new, *apart]
            if below is not None or any(n in k for n in names):
                n = math.prod(size[n] for n in names)
                outer = torch.eye(n, **env.like) if below is None else below.rows(env)
                values.append(outer.reshape(-1, *(size[n] for n in names)))
                labels.append([ROW, *names])
                first = [ROW, *apart, *tied]
            return einsum(values, labels, [*first, *k]).reshape(-1, *(size[n] for n in k))

        gain = below is not None and below.settled and set(k) == set(names) and not apart
        return Seen(rank, rows, settled=gain)
