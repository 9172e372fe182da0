"""The discrete part of the symmetry group of a model, for its report."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.describe.names import common_module, unique
from symfind.discrete.build import name_all, permutation_spec
from symfind.discrete.components import Mirror, contains, mirrors, remaining
from symfind.discrete.elements import Element, drawn, failing, involutions, permutations
from symfind.discrete.naming import TWO, Finite, power, symmetric, times, wreath
from symfind.discrete.permuting import Permutations, Shuffle
from symfind.discrete.signs import SignFlip, Signs, sign_flips
from symfind.discrete.spec import PermutationSpec
from symfind.graph.primitives import Source
from symfind.report.discrete import Discrete, DiscretePlace
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family, followers
from symfind.solve.solver import Derivation
from symfind.verify import Function

Shapes = Mapping[str, tuple[int, ...]]
Axes = dict[str, tuple[int, ...]]
Tried = dict[str, Sequence[Element]]


@dataclass(frozen=True)
class Site:
    """A finite group at one place of the model.

    Attributes:
        id: where, and what.
        kind: as in the report.
        group: the group.
        axes: tensors that it moves, and along which axes.
        buffers: those of them that are not trained.
        names: names of its permutations.
        family: what acts, where that is not a permutation.
    """

    id: str
    kind: str
    group: Finite
    axes: Axes
    buffers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    family: Family | None = None
    text: str = ""


def discrete_part(
    derivation: Derivation,
    shapes: Shapes,
    function: Function | None = None,
    seed: int = 0,
    theta: Mapping[str, Tensor] | None = None,
) -> tuple[Discrete, ...]:
    """Finite symmetries beside the continuous ones, repeated layers gathered into one record.

    Args:
        derivation: the continuous families, and the primitives that they were derived from.
        shapes: shapes of all trainable parameters by name.
        function: where given, generators and random elements of every group are applied to the
            model, and what changes its outputs is left out.
        seed: of the random elements.
        theta: where they are applied; a random point when absent.

    Returns:
        Permutations that no continuous group contains, signs that it does not contain, and one
        reflection for every matrix group with two components.
    """
    spec, sites = sites_of(derivation, shapes)
    if function is None:
        return _gathered(sites, shapes, None)
    residuals = verified(sites, spec, function, seed, theta)
    return _gathered([s for s in sites if s.id in residuals], shapes, residuals)


def spec_of(
    derivation: Derivation, shapes: Shapes, aliases: Mapping[str, tuple[str, ...]]
) -> PermutationSpec:
    """All permutations of a model, those that lie in continuous groups among them."""
    found = Permutations(derivation.lowered)
    shuffles = found.shuffles()
    held = _held(derivation, shuffles, found.read)
    return permutation_spec(derivation.lowered, shuffles, shapes, aliases, held)


def _held(
    derivation: Derivation, shuffles: Sequence[Shuffle], read: set[tuple[int, int]]
) -> set[Shuffle]:
    matrices = [f for f in derivation.families if isinstance(f, MatrixFamily)]
    scalings = [f for f in derivation.families if isinstance(f, ScalingFamily)]
    return {s for s in shuffles if any(contains(f, s, scalings, read) for f in matrices)}


def sites_of(derivation: Derivation, shapes: Shapes) -> tuple[PermutationSpec, list[Site]]:
    """All permutations of a model, and the finite groups that are to be reported."""
    lowered, families = derivation.lowered, derivation.families
    matrices = [f for f in families if isinstance(f, MatrixFamily)]
    found = Permutations(lowered)
    shuffles, read = found.shuffles(), found.read
    held = _held(derivation, shuffles, read)
    spec = permutation_spec(lowered, shuffles, shapes, {}, held)
    seen = read - _inert(families)
    flips = [f for f in sign_flips(Signs(lowered)) if _acts(f, seen)]
    taken: set[str] = set()
    names = name_all(shuffles)
    trees = [t for t in _trees(shuffles, held) if _acts(t, seen)]
    sites = [_permutation(tree, names, spec, taken) for tree in trees]
    sites += [_involution(f, taken) for f in remaining(flips, matrices)]
    sites += [_involution(m, taken) for m in mirrors(matrices) if _acts(m, seen)]
    return spec, sites


def _inert(families: Sequence[Family]) -> set[tuple[int, int]]:
    """Wires and blocks of which every entry may be anything."""
    found: set[tuple[int, int]] = set()
    for f in families:
        if f.kind == "inert" and isinstance(f, ShiftFamily):
            whole = f.cell is None and len(f.free) == len(f.seed.axes)
            for c, cell in enumerate(f.seed.cells):
                if whole or (c == f.cell and len(f.free) == len(cell.atoms)):
                    found.add((id(f.seed), c))
    return found


def _acts(what: "_Tree | SignFlip | Mirror", seen: set[tuple[int, int]]) -> bool:
    """Whether anything is moved that the outputs depend on."""
    if isinstance(what, _Tree):
        return any((id(s.source), s.cell) in seen for t in what.all() for s in t.spots)
    return any((id(source), cell) in seen for source, cell, _ in _places(what))


def verified(
    sites: Sequence[Site],
    spec: PermutationSpec,
    function: Function,
    seed: int,
    at: Mapping[str, Tensor] | None = None,
) -> dict[str, float]:
    """Residuals of the sites whose elements leave the outputs of the model alone."""
    rng = torch.Generator().manual_seed(seed)
    theta = function.random_point(rng) if at is None else dict(at)
    states = _statistics(spec, function, rng)
    count = drawn(function)
    first: Tried = {s.id: list(permutations(spec, s.names, count, rng)) for s in sites if s.names}
    second: Tried = {
        s.id: list(involutions(s.family, count, rng)) for s in sites if s.family is not None
    }
    result = {}
    points: list[tuple[dict[str, Tensor], Tried]] = (
        [({**theta, **states}, first), (theta, second)]
        if states
        else [(theta, {**first, **second})]
    )
    for point, elements in points:
        worst, failed = failing(function, point, elements)
        result.update({key: worst for key in elements if key not in failed})
    return result


def verified_spec(
    spec: PermutationSpec, function: Function, seed: int, check: Callable[[dict], None]
) -> PermutationSpec:
    """The permutations whose elements leave the outputs of the model alone.

    Args:
        spec: what was derived.
        function: the model.
        seed: of the random elements.
        check: called with the point first; may raise.
    """
    rng = torch.Generator().manual_seed(seed)
    theta = function.random_point(rng)
    check(theta)
    count = drawn(function)
    elements: Tried = {n: list(permutations(spec, [n], count, rng)) for n in spec.perms}
    point = {**theta, **_statistics(spec, function, rng)}
    worst, failed = failing(function, point, elements)
    return replace(spec.without(failed), residual=worst)


def _statistics(
    spec: PermutationSpec, function: Function, rng: torch.Generator
) -> dict[str, Tensor]:
    """Random batch statistics: at zeros and ones they would not show where they are left behind."""
    drawn = {n: torch.rand(spec.tensors[n].shape, generator=rng, dtype=torch.float64)
             for n in spec.buffers}  # fmt: skip
    return {name: (0.5 + value).to(function.device) for name, value in drawn.items()}


# permutations ------------------------------------------------------------------------------
@dataclass
class _Tree:
    """An index, and those inside it that are permuted apart for each of its values."""

    top: Shuffle
    inner: list["_Tree"]

    def group(self) -> Finite:
        """A wreath product where there are inner ones, and copies for what is not permuted."""
        own = symmetric(self.top.size)
        if not self.inner:
            return own
        return wreath(times([t.copied(self.top) for t in self.inner]), own, self.top.size)

    def copied(self, outer: Shuffle | None = None) -> Finite:
        """Copies for every index but that of the outer one."""
        above = outer.spots[0].axis if outer is not None else None
        return power(self.group(), math.prod(a.size for a in self.top.by if a.root is not above))

    def all(self) -> list[Shuffle]:
        """All indices of the tree."""
        return [self.top, *(s for t in self.inner for s in t.all())]


def _trees(shuffles: Sequence[Shuffle], held: set[Shuffle]) -> list[_Tree]:
    trees = {s: _Tree(s, []) for s in shuffles if s not in held}
    at = {(id(p.source), p.cell, p.atom): s for s in trees for p in s.spots}
    tops = []
    for shuffle, tree in trees.items():
        spot = shuffle.spots[0]
        outer = [at.get((id(spot.source), spot.cell, spot.beside(a))) for a in shuffle.by]
        above = [s for s in outer if s is not None]
        if len(above) == 1:
            trees[above[0]].inner.append(tree)
        else:
            tops.append(tree)
    return tops


def _permutation(
    tree: _Tree, names: Mapping[Shuffle, str], spec: PermutationSpec, taken: set[str]
) -> Site:
    own = tuple(names[s] for s in tree.all())
    axes: dict[str, set[int]] = {}
    for name in own:
        for key, where in spec.acts_on(name).items():
            axes.setdefault(key, set()).update(where)
    behind = ", conjugated where the model renumbers it" if spec.renumbered & {*own} else ""
    return Site(
        unique(own[0].removeprefix("P_") + ":permutation", taken),
        "permutation",
        tree.copied(),
        {key: tuple(sorted(where)) for key, where in axes.items()},
        tuple(key for key in axes if not spec.tensors[key].trainable),
        own,
        text="new[i] = old[p(i)] along every axis on which it acts" + behind,
    )


# signs and reflections -----------------------------------------------------------------------
def _involution(family: SignFlip | Mirror, taken: set[str]) -> Site:
    moved: dict[str, set[int]] = {}
    for source, cell, at in _places(family):
        dims = moved.setdefault(source.key, set())
        dims.update(source.cells[cell].places[i][0] for i in at)
    name = next(iter(moved))
    what = family.of if isinstance(family, Mirror) else ""
    return Site(
        unique(f"{name.rpartition('.')[0] or name}:{family.kind}", taken),
        family.kind,
        power(TWO, family.count()),
        {key: tuple(sorted(dims)) for key, dims in moved.items()},
        family=family,
        text=f"the component of {what} of negative determinant" if what else "changes of sign",
    )


def _places(family: SignFlip | Mirror) -> list[tuple[Source, int, tuple[int, ...]]]:
    """Blocks that an involution moves, and the atoms of each along which it acts."""
    if isinstance(family, Mirror):
        return [(m.source, m.cell, (m.atom,)) for m in family.family.members]
    found = [(m.source, m.cell, m.places) for m in family.scaling.members]
    axes = set(family.scaling.indexed)
    for wire in followers(family.sources):
        for c, cell in enumerate(wire.cells):
            at = tuple(i for i, atom in enumerate(cell.atoms) if atom in axes)
            found.append((wire, c, at))
    return found


# records ---------------------------------------------------------------------------------------
def _gathered(
    sites: Sequence[Site], shapes: Shapes, residuals: Mapping[str, float] | None
) -> tuple[Discrete, ...]:
    """One record for all sites where the same group acts in the same way, whatever the names."""
    alike: dict[object, list[Site]] = {}
    for site in sites:
        role = frozenset((len(shapes.get(key, (0,))), axes) for key, axes in site.axes.items())
        alike.setdefault((site.kind, site.group, role, site.text), []).append(site)
    return tuple(_record(members, residuals) for members in alike.values())


def _record(sites: Sequence[Site], residuals: Mapping[str, float] | None) -> Discrete:
    first = sites[0]
    group = power(first.group, len(sites))
    trainable = (k for s in sites for k in s.axes if k not in s.buffers)
    return Discrete(
        id=first.id,
        group=group.name,
        sites=len(sites),
        parameters=tuple(dict.fromkeys(trainable)),
        text=first.text,
        kind=first.kind,  # type: ignore[arg-type]
        order=group.order,
        log10_order=round(group.log10, 3),
        module=common_module([s.id for s in sites]),
        places=tuple(DiscretePlace(s.id, dict(s.axes), s.buffers) for s in sites),
        residual=None if residuals is None else max(residuals[s.id] for s in sites),
    )
