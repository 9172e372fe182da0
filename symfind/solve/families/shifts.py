"""Which forms of each parameter may be added at will: the seeds of additive perturbations."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, branches, positive
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.numerics.alike import all_alike
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, ShiftFamily
from symfind.solve.limits import Limits
from symfind.solve.point.computed import computed
from symfind.solve.point.drawn import near_and_far
from symfind.solve.point.values import Environment
from symfind.solve.spans.linear import complement
from symfind.solve.transport.absorption import (
    LAST,
    LEANING,
    NEAREST,
    NEVER,
    PLAIN,
    SHARED,
    WITHIN,
    Absorb,
    Action,
    Plan,
    asked,
)
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical

MOST_FORMS = 64


def shift_families(
    lowered: Lowered, flows: Flows, limits: Limits
) -> list[ShiftFamily | NullFamily]:
    """All seeds that die, and all that others take back."""
    result: list[ShiftFamily | NullFamily] = []
    every = [s for sources in lowered.parameters.values() for s in sources]
    for source in every:
        result.extend(_of(source, flows, limits))
        rows = _unread_rows(source)
        if rows is not None:
            result.append(rows)
    result += _further(every, flows, result)
    return [*result, *_shared(every, flows, result), *_within(every, flows)]


def _shared(
    every: Sequence[p.Source], flows: Flows, known: Sequence[ShiftFamily | NullFamily]
) -> Iterator[ShiftFamily]:
    """Seeds that parameters take back which are added to several sums, if all ask the same."""
    if not any(len(s.users) > 1 and all(isinstance(u, p.Add) for u in s.users) for s in every):
        return
    whole = {(f.seed, f.cell) for f in known if isinstance(f, ShiftFamily) and f.whole}
    partly: list[ShiftFamily] = []  # that not all ask for, who share a parameter
    for source in every:
        modes = (SHARED, NEAREST)
        forms = _forms(source, Limits(), flows, modes)
        for (cell, free, state), absorb in itertools.product(forms, modes):
            beside = (source, cell) in whole  # only together with another
            if beside and absorb != SHARED:
                continue
            plan = flows.dispose(source, state, True, absorb)
            several = asked(plan or ())
            if plan and several is None and cell is not None and absorb == SHARED:
                partly.append(_shifted("parallel", source, cell, free, plan))
            if not several or beside:
                continue
            found = _shifted("parallel", source, cell, free, _once(plan or (), several))
            if cell is not None and _agree(found, several, flows):
                yield found
                whole.add((source, cell))  # as much of it as there is
    for one, two in itertools.combinations(partly, 2):
        family = _both(one, two, flows)
        if family is not None:
            yield family


def _both(one: ShiftFamily, two: ShiftFamily, flows: Flows) -> ShiftFamily | None:
    """Two seeds that are shifted alike, where what they share is asked for by both together."""
    if one.seed.shape != two.seed.shape or (one.cell, one.free) != (two.cell, two.free):
        return None
    if one.seed in two.sources or two.seed in one.sources:
        return None
    plan = (*one.actions, *two.actions)
    several = asked(plan)
    if not several:
        return None
    follow = Action(two.seed, (lambda env, t: t.expand(env.shape(two.seed)),))
    actions = (follow, *_once(plan, several))
    family = _shifted("parallel", one.seed, one.cell, one.free, actions)
    return family if _agree(family, several, flows) else None


Asked = Mapping[p.Source, Sequence[Sequence[Action]]]  # by each of the sums that share it


def _once(plan: Plan, several: Asked) -> Plan:
    first = (action for sums in several.values() for action in sums[0])
    return (*(a for a in plan if a.reader is None), *first)


def _agree(family: ShiftFamily, several: Asked, flows: Flows) -> bool:
    """Whether sums ask the same of what they share, at random parameters."""
    rng = torch.Generator().manual_seed(0)
    c = torch.randn(family.count(), generator=rng).double()

    def pairs(env: Environment) -> list[tuple[Tensor, Tensor]]:
        delta = family.perturbation(env, c)
        values = [[torch.stack([a(env, delta) for a in actions]).sum(0) for actions in sums]
                  for sums in several.values()]  # fmt: skip
        return [(v, first) for first, *rest in values for v in rest]

    try:
        return all_alike(pairs(Environment(at)) for at in near_and_far(flows.lowered.shapes))
    except LookupError:
        return False  # a constant of unknown value


def _further(
    every: Sequence[p.Source], flows: Flows, known: Sequence[ShiftFamily | NullFamily]
) -> Iterator[ShiftFamily]:
    """Seeds that the last that can takes back, where it has to do with the first in no other way.

    Of several biases in one sum each is taken back by another of them; that one of them is taken
    back by what reads the sum is then still to be said.
    """
    together: dict[str, set[str]] = {}  # what is linked by a chain of families, for each

    def link(names: Sequence[str]) -> None:
        whole = set(names).union(*(together.get(name, ()) for name in names))
        together.update(dict.fromkeys(whole, whole))

    for family in known:
        link(family.names)
    for source in every:
        if len(together.get(source.key, ())) < 2:
            continue
        for cell, free, state in _forms(source, Limits(), flows, (LAST,)):
            if flows.dispose(source, state, True, NEVER) is not None:
                continue
            plan = flows.dispose(source, state, True, LAST)
            moved = [source.key, *(a.source.key for a in plan or ())]
            if not together[source.key].issuperset(moved):
                link(moved)
                yield _shifted("parallel", source, cell, free, plan or ())


def _of(source: p.Source, flows: Flows, limits: Limits) -> Iterator[ShiftFamily]:
    done: dict[tuple[int | None, int], list[frozenset[int]]] = {}
    for cell, free, state in _forms(source, limits, flows, (LEANING, PLAIN, NEVER)):
        chosen = frozenset(free)
        for absorb in (NEVER, PLAIN, LEANING):
            if any(
                chosen <= earlier
                for mode in range(absorb + 1)
                for earlier in done.get((cell, mode), [])
            ):
                continue
            plan = flows.dispose(source, state, True, absorb)
            if plan is None:
                continue
            if flows.unread(source, state):
                kind = "inert"
            else:
                kind = "parallel" if plan else "shift"
            family = _shifted(kind, source, cell, free, plan)
            if family.held and not computed(family, flows.lowered.shapes):
                continue
            done.setdefault((cell, absorb), []).append(chosen)
            yield family


def _within(every: Sequence[p.Source], flows: Flows) -> Iterator[NullFamily]:
    """Constants that others take back, as long as readers without a bias make nothing of them."""
    for source in every:
        done: list[tuple[int | None, set[int]]] = []
        for cell, free, state in _forms(source, Limits(), flows, (WITHIN,)):
            if not _along_one(source, cell, free) or any(
                cell == c and set(free) <= more for c, more in done
            ):
                continue
            if flows.dispose(source, state, True, LEANING) is not None:
                continue
            plan = flows.dispose(source, state, True, WITHIN)
            family = None if plan is None else _kernel(source, cell, free, plan)
            if family is not None and family.count() > 0:
                done.append((cell, set(free)))
                yield family


def _along_one(source: p.Source, cell: int | None, free: Sequence[int]) -> bool:
    """Whether all that a perturbation varies along are indices of one dimension."""
    if cell is None:
        return len(free) == 1
    return len({source.cells[cell].places[i][0] for i in free}) == 1


def _kernel(
    source: p.Source, cell: int | None, free: Sequence[int], plan: Plan
) -> NullFamily | None:
    """A shift within the kernel of what must vanish; None for what is not seen at all."""
    demands = [(a, a.volume) for a in plan if a.volume is not None]
    actions = [a for a in plan if a.volume is None]
    if not actions:
        return None
    whole = _shifted("parallel", source, cell, free, tuple(actions))

    def width(sizes: Sizes | None) -> int:
        return positive(whole.count(sizes) - sum(volume(sizes) for _, volume in demands))

    def build(env: Environment, c: Tensor) -> dict[p.Source, Tensor]:
        def made(k: Tensor) -> Tensor:
            delta = whole.perturbation(env, k)
            return torch.cat([demand(env, delta).reshape(-1) for demand, _ in demands])

        unit = torch.eye(whole.count(env.sizes), **env.like)
        rows = torch.stack([made(k) for k in unit])
        return whole.direction(env, complement(rows, len(c)) @ c)

    curved = _curved((*whole.sources, *(demand.source for demand, _ in demands)))
    return NullFamily(
        kind="parallel", sources=whole.sources, width=width, build=build, piecewise=True,
        loose=whole.loose or curved, steps=None if curved else whole.steps,
    )  # fmt: skip


def _shifted(
    kind: str, source: p.Source, cell: int | None, free: Sequence[int], plan: Plan
) -> ShiftFamily:
    sources = (source, *dict.fromkeys(a.source for a in plan))
    curved = _curved(sources)
    return ShiftFamily(
        kind=kind,
        sources=sources,
        seed=source,
        cell=cell,
        free=tuple(free),
        actions=plan,
        loose=curved or any(a.loose for a in plan),
        curved=curved,
    )


def _curved(sources: Sequence[p.Source]) -> bool:
    """Whether parameters that move meet in a product: the field changes along its flow then."""
    reached: dict[Node, None] = dict.fromkeys(sources)
    waiting = list(reached)
    while waiting:
        for user in waiting.pop().users:
            if user.varies or user in reached:
                continue
            reached[user] = None
            waiting.append(user)
    return any(
        isinstance(node, p.Contract) and sum(x in reached for x in node.inputs) > 1
        for node in reached
    )


def _forms(
    source: p.Source, limits: Limits, flows: Flows, modes: Sequence[Absorb]
) -> Iterator[tuple[int | None, list[int], State]]:
    """Blocks and the atoms along which a perturbation varies, the largest first.

    Where not even the same for all entries of a block is disposed of in any of the modes, no more
    is: what varies along an index may be the same all along it.
    """

    def possible(cell: int | None) -> bool:
        state = _state(source, cell, ())
        return any(flows.dispose(source, state, True, mode) is not None for mode in modes)

    for c, cell in enumerate(source.cells):
        if not possible(c):
            continue
        n = len(cell.atoms)
        sets = [s for k in range(n, -1, -1) for s in itertools.combinations(range(n), k)]
        if len(sets) > MOST_FORMS:
            limits.reached(source, f"shifts along some of {n} indices: not all were tried")
            sets = [s for s in sets if len(s) in (n, n - 1, 0)]
        for free in sets:
            yield c, list(free), _state(source, c, free)
    if len(source.cells) > 1 and possible(None):
        rank = range(len(source.axes))
        split = [d for d in rank if len(branches(source.axes[d])) > 1]
        for k in range(len(source.axes) - 1, -1, -1):
            for free in itertools.combinations(rank, k):
                if any(d not in free for d in split):
                    yield None, list(free), _state(source, None, free)


def _state(source: p.Source, cell: int | None, free: Sequence[int]) -> State:
    """What varies along some atoms of a block, or along some dimensions of all blocks."""
    if cell is None:
        dims = range(len(source.axes))
        return canonical(source, [ARBITRARY if d in free else CONSTANT for d in dims])
    of = source.cells[cell]
    varying = [
        frozenset(i for a, (dim, i) in enumerate(of.places) if dim == d and a in free)
        for d in range(len(of.choice))
    ]
    return canonical(source, list(zip(of.choice, varying, strict=True)))


def _unread_rows(source: p.Source) -> NullFamily | None:
    """Rows of a table that its constant look-ups never read."""
    takes = [u for u in source.users if isinstance(u, p.Take)]
    if not takes or len(takes) != len(source.users) or len({u.dim for u in takes}) != 1:
        return None
    dim = takes[0].dim
    read: set[int] = set()
    for take in takes:
        value = take.picks.value() if isinstance(take.picks, p.Source) else None
        if value is None:
            return None
        read |= set(value.reshape(-1).tolist())
    n = source.axes[dim].size
    rows = [i for i in range(n) if i not in read and i - n not in read]
    if not rows:
        return None
    rest = math.prod(a.size for d, a in enumerate(source.axes) if d != dim)

    def width(sizes: Sizes | None) -> int:
        # On a twin the table has other rows: these directions touch nothing else, and are left out.
        return len(rows) * rest if sizes is None else 0

    def build(env: Environment, c: Tensor) -> dict[p.Source, Tensor]:
        shape = list(env.shape(source))
        whole = torch.zeros(shape, **env.like)
        shape[dim] = len(rows)
        index = torch.tensor(rows, device=whole.device)
        return {source: whole.index_copy(dim, index, c.reshape(shape))}

    return NullFamily(kind="inert", sources=(source,), width=width, build=build)
