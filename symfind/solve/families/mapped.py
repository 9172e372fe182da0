"""Changes of basis that pass fixed maps: B C A x with any X and Y for which Y C = C X.

A moves by X and B by -B Y. So it is with quotients by linear forms, z / 1·z (see
`solve.bonds.mapped`). The matrices are numbers that no parameter has a part in: they are solved for
once, where the fixed maps have their own values.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes
from symfind.algebra.exponential import exponential
from symfind.ops.lower import Lowered
from symfind.solve.bonds.acting import acted
from symfind.solve.bonds.commuting import Solution, System, holds
from symfind.solve.bonds.mapped import Link, Mapped
from symfind.solve.bonds.matrices import Member
from symfind.solve.bonds.potentials import NONE, Potential
from symfind.solve.families.family import NullFamily, accumulate
from symfind.solve.limits import Limits
from symfind.solve.point.columns import beside
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment

BESIDE = 1e-3  # of a direction that others have not
MOST = 20_000  # coefficients of a family that is compared with others


@dataclass(frozen=True)
class Part:
    """Classes that hang together by maps.

    Attributes:
        links: numbers of these.
        roots: of the classes.
    """

    links: tuple[int, ...]
    roots: frozenset[int]


def mapped_families(lowered: Lowered, known: Sequence[Family], limits: Limits) -> Iterator[Family]:
    """All that passes fixed maps, where that is more than is known.

    Args:
        lowered: the graph.
        known: families that are derived already.
        limits: where systems that are too large are noted.
    """
    if lowered.charted:
        return
    equations = Mapped(lowered)
    point, found = Point(Drawn(lowered.shapes)), list(known)
    for part in _parts(equations):
        family = _family(equations, part, limits)
        if family is not None and _more(family, found, point):
            found.append(family)
            yield family


def _parts(equations: Mapped) -> Iterator[Part]:
    """Links by what they have in common, that something acts on."""
    group: dict[int, set[int]] = {}
    for link in equations.links:
        ends = {root for root in _ends(equations, link) if not equations.held(root)}
        whole = ends.union(*(group[r] for r in ends if r in group))
        if link.form is not None:
            whole |= {-1 - link.form} | group.get(-1 - link.form, set())
        group.update(dict.fromkeys(whole, whole))
    for roots in {id(g): g for g in group.values()}.values():
        live = frozenset(r for r in roots if r >= 0)
        links = tuple(
            i for i, link in enumerate(equations.links)
            if (link.form is not None and -1 - link.form in roots)
            or live & set(_ends(equations, link))
        )  # fmt: skip
        if live:
            yield Part(links, live)


def _ends(equations: Mapped, link: Link) -> list[int]:
    return [equations.where(v)[0] for v in (link.one, link.two) if v is not None]


def _family(equations: Mapped, part: Part, limits: Limits) -> Family | None:
    frames = _frames(equations, part)
    system = None if frames is None else _system(equations, part)
    if frames is None or system is None:
        return None
    members = list(equations.acting(frames))
    if not members:
        return None
    solution = system.solve()
    if solution is None:
        what = "bases on either side of fixed maps: too many, or unclear how many"
        limits.reached(members[0][1].source, what)
        return None
    if not solution.count:
        return None
    if not _true(system, solution):
        return None
    return _acting(equations, part, members, solution)


def _frames(equations: Mapped, part: Part) -> dict[int, Potential] | None:
    """For each class the one potential at which all is asked of it; None where there are two."""
    frames = {root: set(equations.bond_of(root).skew | equations.bond_of(root).ones)
              for root in part.roots}  # fmt: skip
    for link in (equations.links[i] for i in part.links):
        for v, more in ((link.one, link.weights), (link.two, NONE)):
            root, _, potential = (-1, False, NONE) if v is None else equations.where(v, more)
            if root in frames:
                frames[root].add(potential)
    if any(len(found) > 1 for found in frames.values()):
        return None
    return {root: next(iter(found), NONE) for root, found in frames.items()}


def _system(equations: Mapped, part: Part) -> System | None:
    """The equations of a part, in numbers; None where a map is not known."""
    roots = dict.fromkeys(r for i in part.links for r in _ends(equations, equations.links[i]))
    diagonal = {equations.where(v)[0] for v in equations.diagonal}
    forms = {r: _form(equations, r, r in diagonal) for r in (*roots, *part.roots)}
    sizes = {r: equations.bond_of(r).size for r in forms}
    system = System(sizes, forms)
    middles: dict[int, int] = {}
    for link in (equations.links[i] for i in part.links):
        if link.form is not None and link.form not in middles:
            middles[link.form] = system.middle(1)
            if _kept(equations, link.form, forms):
                system.zero.add(middles[link.form])
        if not _linked(equations, link, system, middles):
            return None
    return system


def _kept(equations: Mapped, form: int, forms: Mapping[int, frozenset[str]]) -> bool:
    """Whether a sum must stay as it is: some block of it does, or two of its indices move."""
    moving: dict[int, int] = {}
    for link in equations.links:
        if link.form == form and link.two is None:
            free = "zero" not in forms.get(equations.where(link.one)[0], frozenset({"zero"}))
            moving[link.block] = moving.get(link.block, 0) + free
    return equations.forms[form].readers is None or set(moving.values()) != {1}


def _linked(equations: Mapped, link: Link, system: System, middles: Mapping[int, int]) -> bool:
    one = equations.where(link.one)[:2]
    if link.two is None:
        if link.form is None:
            raise AssertionError("a sum has a number")
        system.add_up(one, middles[link.form])
        return True
    two = equations.where(link.two)[:2]
    if link.matrix is None:
        if system.sizes[one[0]] != system.sizes[two[0]]:
            return False
        shift = None if link.form is None else (middles[link.form], link.power)
        system.pass_on(one, two, link.factor, shift)
        return True
    matrix = link.matrix()
    return matrix is not None and system.join(one, two, matrix)


def _form(equations: Mapped, root: int, diagonal: bool) -> frozenset[str]:
    bond = equations.bond_of(root)
    asked = {"zero": equations.held(root), "diagonal": diagonal, "skew": bool(bond.skew),
             "ones": bool(bond.ones)}  # fmt: skip
    return frozenset(name for name, holds in asked.items() if holds)


def _true(system: System, solution: Solution) -> bool:
    """Whether what is found passes every map, at random."""
    rng = torch.Generator().manual_seed(1)
    c = torch.randn(solution.count, generator=rng, dtype=torch.float64)
    return all(holds(side, system, solution, c) for side in system.sides)


def _acting(
    equations: Mapped, part: Part, members: Sequence[tuple[int, Member]], solution: Solution
) -> Family:
    indexed = _indexed(equations, part)
    copies = math.prod(a.size for a in indexed)
    nodes = equations.lowered.nodes

    def width(sizes: Sizes | None) -> int:
        return solution.count * copies if sizes is None else 0  # a twin has other maps

    def matrices(c: Tensor) -> dict[int, Tensor]:
        rows = c.reshape(copies, -1)
        made = {r: torch.stack([solution.values[r](row) for row in rows])
                for r in part.roots if r in solution.values}  # fmt: skip
        return {r: x.reshape(*(a.size for a in indexed), *x.shape[-2:]) for r, x in made.items()}

    def build(env: Environment, c: Tensor) -> Moves:
        moves: Moves = {}
        for root, x in matrices(c).items():
            for member in (m for r, m in members if r == root):
                y = -x.transpose(-1, -2) if member.dual else x
                block = env.take(member.source, member.cell, env.value(member.source))
                change = acted(env, member, y, block, indexed, nodes)
                accumulate(moves, member.source, env.put(member.source, member.cell, change))
        return moves

    def follow(env: Environment, c: Tensor, t: float) -> Moves:
        values: Moves = {}
        for root, x in matrices(c).items():
            for member in (m for r, m in members if r == root):
                y = exponential(-t * x.transpose(-1, -2) if member.dual else t * x)
                whole = values.get(member.source, env.value(member.source))
                block = env.take(member.source, member.cell, whole)
                change = acted(env, member, y, block, indexed, nodes) - block
                values[member.source] = env.put(member.source, member.cell, change, onto=whole)
        return values

    sources = tuple(dict.fromkeys(m.source for _, m in members))
    return NullFamily(kind="gauge", sources=sources, width=width, build=build, follow=follow)


def _indexed(equations: Mapped, part: Part) -> tuple[Axis, ...]:
    """Indices of each value of which a matrix of its own may act."""
    shared = [equations.bond_of(r).indexed for r in part.roots]
    shared += [equations.shared[i] for i in part.links]
    return tuple(sorted(frozenset.intersection(*shared), key=lambda a: a.serial))


def _more(family: Family, known: Sequence[Family], point: Point) -> bool:
    """Whether a family has directions that others do not have together."""
    near = [f for f in known if f.count() and set(family.names) & set(f.names)]
    field = point.direction(family, family.draw(torch.Generator().manual_seed(0)))
    return beside(point, near, field, BESIDE / 2) > BESIDE
