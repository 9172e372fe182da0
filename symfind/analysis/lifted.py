"""Discovery on small twins of a model, lifted to the size of the model, and tried on it.

On the smallest twin discovery looks at what the rules leave unexplained. The kinds of fields that
it finds are solved for again on a twin of other sizes; what has the same structure on both is a
family of any size. At the size of the model it is tried like whatever is found there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind import budget
from symfind.algebra.axes import Axis, atoms, branches
from symfind.analysis.found import Trials
from symfind.analysis.remainder import Surroundings
from symfind.count.rank import rank
from symfind.count.symbols import Symbols
from symfind.discovery.beyond import explored
from symfind.discovery.equation import independent, solve
from symfind.discovery.factor import FoundFactor
from symfind.discovery.family import FoundFamily, columns_of
from symfind.discovery.fitted import lifted
from symfind.discovery.lift import Axes, Lifted, LiftedFamily, letters_of
from symfind.discovery.monomials import Monomial
from symfind.discovery.samples import Samples, places
from symfind.graph import primitives as p
from symfind.graph.extents import Relations
from symfind.numerics.spans import beyond_span, span
from symfind.twin.build import Twin
from symfind.twin.module import TwinFunction
from symfind.verify import Function, Nullity

MOST_PARAMETERS = 1600  # of a twin that is looked at
MOST_POSITIONS = 9  # along an index of one size, that are told apart
ENTRIES = 20_000_000  # of directions of a model, that are ranked
Known = Callable[[Mapping[str, Tensor]], Tensor]
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


@dataclass(frozen=True)
class Shortage:
    """A twin on which more is null than the rules derive.

    Attributes:
        twin: with its sizes.
        function: the same.
        measured: with directions beyond the known ones.
    """

    twin: Twin
    function: TwinFunction
    measured: Nullity


@dataclass(frozen=True)
class Kind:
    """A family of any size, and what it adds on the two twins.

    Attributes:
        lifted: the family.
        orbit: of its dimension, what it adds at the sizes of a model, as dimension less `lack`.
        lack: how many of its directions others give already.
    """

    lifted: Lifted
    lack: int


def axes_in(relations: Relations) -> Axes:
    """The axes of the parameters of a graph."""

    def axis(name: str, k: int) -> Axis | None:
        op = relations.graph.parameters.get(name)
        if op is None or id(op) not in relations.axes:
            return None
        long = [a for a, n in zip(relations.of(op), op.shape or (), strict=True) if n > 1]
        return long[k] if 0 <= k < len(long) else None

    return axis


def symbols_in(
    relations: Relations, parameters: Mapping[str, p.Source], symbols: Symbols
) -> Callable[[Axis], Any]:
    """The symbols of the axes of a graph: those of what stands at the same places of its lowering.

    Args:
        relations: of the graph.
        parameters: the wires of its parameters, by name.
        symbols: of their axes.
    """
    found: dict[Axis, Any] = {}
    for name, op in relations.graph.parameters.items():
        if name not in parameters or id(op) not in relations.axes:
            continue
        long = [a for a in parameters[name].axes if a.size > 1]
        axes = [a for a, n in zip(relations.of(op), op.shape or (), strict=True) if n > 1]
        for mine, own in zip(axes, long, strict=False):
            pairs = zip(atoms(mine), atoms(own), strict=False)
            found.update({a.root: symbols.get(b) for a, b in pairs if a.size == b.size})
    return lambda axis: found[axis.root] if axis.root in found else symbols.get(axis)


class _Solver:
    """Fields of some kinds on one twin."""

    def __init__(self, shortage: Shortage, surroundings: Surroundings) -> None:
        self.of, self.function = shortage, shortage.function
        self.samples = Samples(self.function, self.function.fresh, surroundings.seed + 1)
        self.axes = axes_in(shortage.twin.relations)
        self.sizes = shortage.twin.sizes.values
        relations = shortage.twin.relations
        pinned = {a for axis, _ in relations.pinned for a in atoms(axis)}
        self.fixed = {a for a in pinned if 1 < a.size <= MOST_POSITIONS}
        self.trials = Trials(surroundings, self.function)

    def lifted(self, text: str, blocks: Sequence[Monomial]) -> list[Lifted]:
        """All families within the fields of some monomials."""
        part = self.samples.part(tuple(dict.fromkeys(b.target for b in blocks)))
        unknowns = independent(blocks, part)
        solution = solve(unknowns, part)
        if not solution.settled or not solution.null.shape[1]:
            return []
        rows = unknowns.spread(solution.null.T)
        found: list[Lifted] = []
        # what vanishes identically may belong to the structure
        for every in (rows, torch.cat([rows, unknowns.relations])):
            split = every.split([b.count for b in blocks], 1)
            shaped = [(b, s.reshape(len(s), *b.sizes)) for b, s in zip(blocks, split, strict=True)]
            found += lifted(text, shaped, self.axes, self.sizes, self.fixed)
        return list({one.key: one for one in found}.values())

    def counted(self, kinds: Sequence[Lifted]) -> list[int]:
        """What each adds to the known directions and to those before it, where it stands."""
        families = [k.family(f"lifted-{i}", self.axes, self.sizes) for i, k in enumerate(kinds)]
        tried = {one.family.id for one in self.trials.standing([f for f in families if f])}
        theta, seen = self.of.measured.theta, self.of.measured.directions
        assert theta is not None and seen is not None
        slices, before = places(self.function, self.function.names), rank(seen)
        found = []
        for family in families:
            budget.check()
            if family is None or family.id not in tried:
                found.append(-1)
                continue
            seen = torch.cat([seen, columns_of([family], theta, slices)], 1)
            after = rank(seen)
            found.append(after - before)
            before = after
        return found


class OnTwins:
    """Families that add to the rules on two twins, the same on both.

    Args:
        shortages: two twins of different sizes.
        surroundings: inputs of each.
        tell: called with a line on what is being done.
    """

    def __init__(
        self,
        shortages: Sequence[Shortage],
        surroundings: Sequence[Surroundings],
        tell: Callable[[str], None],
    ) -> None:
        self.solvers = [_Solver(s, o) for s, o in zip(shortages, surroundings, strict=True)]
        small, other = sorted(self.solvers, key=lambda s: s.function.count)
        self.kinds: list[Kind] = []
        if small.function.count <= MOST_PARAMETERS:
            tell(f"looking for vector fields on a twin of {small.function.count:,} parameters")
            self.kinds = _lacking(_candidates(small, surroundings[0].seed, tell), small, other)

    def dimension(self, kinds: Sequence[Kind], twin: int) -> int:
        """What some of the kinds add on one of the twins."""
        return self.directions(kinds, twin).shape[1]

    def directions(self, kinds: Sequence[Kind], twin: int) -> Tensor:
        """Orthonormal directions beyond the known ones that some kinds give on a twin."""
        solver = self.solvers[twin]
        families = [k.lifted.family("", solver.axes, solver.sizes) for k in kinds]
        measured, function = solver.of.measured, solver.function
        assert measured.theta is not None and measured.directions is not None
        columns = columns_of([f for f in families if f], measured.theta,
                             places(function, function.names))  # fmt: skip
        return beyond_span(span(columns), span(measured.directions))


def _candidates(small: "_Solver", seed: int, tell: Callable[[str], None]) -> list[Lifted]:
    """Families of any size that have, on the smallest twin, what was found there."""
    basis, _ = explored(small.function, small.of.measured, small.samples, seed, tell=tell)
    by_id = {g.id: g for g in basis.generators}
    found: list[Lifted] = []
    for kind in sorted(basis.patterns, key=lambda k: k.degree):
        if not kind.dimension:
            continue
        family = FoundFamily("", tuple(by_id[name] for name in kind.generators))
        found += small.lifted(kind.text, family.monomials)
    return list({one.key: one for one in found}.values())


def _lacking(both: list[Lifted], small: "_Solver", other: "_Solver") -> list[Kind]:
    found = []
    for one, a, b in zip(both, small.counted(both), other.counted(both), strict=True):
        if a <= 0 or b <= 0:
            continue
        lacks = []
        for solver, orbit in ((small, a), (other, b)):
            family = one.family("", solver.axes, solver.sizes)
            assert family is not None
            lacks.append(family.dimension - orbit)
        if lacks[0] == lacks[1]:
            found.append(Kind(one, lacks[0]))
    return found


def of_model(
    kinds: Sequence[Kind], relations: Relations, function: Function, surroundings: Surroundings,
    symbols: Callable[[Axis], Any], known: Known | None,
) -> tuple[list[FoundFactor], list[Kind]]:  # fmt: skip
    """The families at the size of a model, those that stand on it.

    Args:
        kinds: families of any size.
        relations: of the graph of the model.
        function: the model.
        surroundings: its inputs.
        symbols: from atomic axes to symbols.
        known: what gives the derived directions at a point; None where they are too many.

    Returns:
        Factors, and those of the kinds that stand.
    """
    axes = axes_in(relations)
    wanted = [
        (one, family)
        for i, one in enumerate(_repeated(kinds, relations.graph.parameters))
        if (family := one.lifted.family(f"lifted-{i}", axes)) is not None
    ]
    tried = Trials(surroundings, function).standing([family for _, family in wanted])
    residuals = {one.family.id: one.residual for one in tried}
    standing = [(one, family) for one, family in wanted if family.id in residuals]
    orbits = _orbits([family for _, family in standing], function, known, surroundings.seed)
    factors, kinds_ = [], []
    for k, (one, family) in enumerate(standing):
        expected = family.dimension - one.lack
        if orbits is None and one.lack:
            continue  # how what it lacks depends on sizes, two twins do not tell
        orbit = expected if orbits is None else orbits[k]
        formula = _formula(one, family, axes, symbols) - one.lack if orbit == expected else None
        if orbit:
            factors.append(FoundFactor(family, orbit, residuals[family.id], formula))
            kinds_ += [one for own in kinds if own is one]
    return factors, kinds_


def _orbits(
    families: Sequence[LiftedFamily], function: Function, known: Known | None, seed: int
) -> list[int] | None:
    """What each adds to known directions and to those before it; None where that is too much."""
    if known is None or sum(f.dimension for f in families) * function.count > ENTRIES:
        return None
    theta = function.random_point(torch.Generator().manual_seed(seed + 11))
    seen = known(theta)
    slices, before, found = places(function, function.names), rank(seen), []
    for family in families:
        budget.check()
        seen = torch.cat([seen, columns_of([family], theta, slices)], 1)
        after = rank(seen)
        found.append(after - before)
        before = after
    return found


def _formula(one: Kind, family: LiftedFamily, axes: Axes, symbols: Callable[[Axis], Any]) -> Any:
    import sympy

    lead = one.lifted.pieces[one.lifted.lead]
    letters = letters_of(one.lifted.blocks[lead.block], axes)
    assert letters is not None
    sizes = []
    for axis, choice, at in zip(letters, lead.choice, lead.at, strict=True):
        below = next(own for parts, own in branches(axis) if parts == choice)
        sizes += [symbols(a) for a, k in zip(below, at, strict=True) if k is None]
    return sympy.expand(family.space.dimension(sizes))


def _repeated(kinds: Sequence[Kind], names: Mapping[str, Any]) -> list[Kind]:
    """The kinds, and those that two layers of a repetition show, in all of its layers."""
    found = {_where(one.lifted): one for one in kinds}
    for one in kinds:
        ahead = _shifted(one, 1, names)
        if ahead is None or _where(ahead.lifted) not in found:
            continue
        step = 2
        while (more := _shifted(one, step, names)) is not None:
            found.setdefault(_where(more.lifted), more)
            step += 1
    return list(found.values())


def _where(one: Lifted) -> tuple[Any, ...]:
    return one.key


def _shifted(one: Kind, step: int, names: Mapping[str, Any]) -> Kind | None:
    """The same in a later layer; None where there is none."""
    own = {b.target for b in one.lifted.blocks}
    own |= {s.name for b in one.lifted.blocks for s, _ in b.factors}
    later = {name: _NUMBER.sub(lambda m: str(int(m.group()) + step), name, count=1) for name in own}
    moved = {old: new for old, new in later.items() if old != new}
    if not moved or not set(later.values()) <= set(names):
        return None
    return Kind(one.lifted.renamed(moved), one.lack)
