"""Changes of basis on either side of fixed linear maps, and of quotients by linear forms.

A constant matrix C between two wires, y = C z, lets those changes pass for which X_y C = C X_z; a
sum d = 1·z over an index those with 1ᵀX = λ 1ᵀ, and then what is divided by d moves by X - λ. What
is homogeneous, entry by entry, passes diagonal matrices. All else is as for any bond.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node, Port
from symfind.ops.lower import Lowered
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.bonds.potentials import NONE, Potential, combine
from symfind.solve.point.images import Fixed, fixed_map
from symfind.solve.point.regular import vanishes
from symfind.solve.transport.effects import squeezed
from symfind.solve.transport.steps import total

MOST_FACTORS = 8  # readers of a sum that are followed


@dataclass(frozen=True)
class Link:
    """X_two C = C (factor X_one + power λ), C being the identity where there is none.

    Attributes:
        one: number of an unknown.
        two: of another; None for a number λ, C being one row.
        matrix: computes C, None where that is not known.
        factor: of a homogeneous function, its degree.
        form: number of the sum whose λ this is, or that stands between.
        power: how often what is read is multiplied by the sum.
        weights: of the sum, a gain.
        block: number of the block of the sum; of its indices one alone may be acted on.
    """

    one: int
    two: int | None
    matrix: Callable[[], Tensor | None] | None = None
    factor: float = 1.0
    form: int | None = None
    power: float = 0.0
    weights: Potential = NONE
    block: int = 0


@dataclass
class Form:
    """A sum over some indices, maybe weighted, and where a power of it is a factor."""

    node: p.Mix | p.Contract
    at: int  # which operand is summed
    readers: dict[tuple[Node, int], float] | None  # None where it is seen otherwise
    atoms: tuple[Axis, ...]


class Mapped(Matrices):
    """The relations among all unknown matrices, fixed maps included."""

    def __init__(self, lowered: Lowered) -> None:
        """Read every instance of every primitive once."""
        self.links: list[Link] = []
        self.shared: list[frozenset[Axis]] = []  # by which indices both ends of a link are
        self.diagonal: list[int] = []
        self.forms: list[Form] = list(_forms(lowered))
        self._factors = {
            (node, at): (i, power) for i, form in enumerate(self.forms)
            for (node, at), power in (form.readers or {}).items()
        }  # fmt: skip
        self._fixed: dict[Node, Fixed] = {
            node: found for node in lowered.nodes if (found := fixed_map(node)) is not None
        }
        super().__init__(lowered)

    @property
    def several(self) -> bool:
        """Whether there is anything that other bonds do not know."""
        return bool(self.links)

    # relations ---------------------------------------------------------------------------
    def _read(self, node: Node, instance: Instance) -> None:
        sums = [i for i, form in enumerate(self.forms) if form.node is node]
        if node in self._fixed and self._pass(node, self._fixed[node], instance):
            return
        if sums:
            self._add_up(sums[0], instance)
        elif isinstance(node, p.Contract) and any(
            (node, at) in self._factors for at in range(len(node.inputs))
        ):
            self._quotient(node, instance)
        elif isinstance(node, p.Pointwise) and node.slope is None and node.degree:
            self._homogeneous(node, instance)
        else:
            super()._read(node, instance)

    def _pass(self, node: Node, fixed: Fixed, instance: Instance) -> bool:
        """One index is mapped, all others stay; False where that is not one atom on each side."""
        x, y = instance.inputs[fixed.at], instance.output
        ends = [self._only(port, label) for port, label in ((x, fixed.read), (y, fixed.made))]
        if None in ends:
            return False
        one, two = (e for e in ends if e is not None)
        for name in x.labels:
            if name[0] != fixed.read:
                self._same(x, y, name) if name in y.labels else self._rigid(x, label=name)
        for name in y.labels:
            if name[0] != fixed.made and name not in x.labels:
                self._rigid(y, label=name)
        matrix = functools.partial(fixed.block, instance)
        self._tie(Link(one, two, matrix), self._shared(x, y, set()))
        return True

    def _only(self, port: Port, label: object) -> int | None:
        """The unknown of the one atom of an index."""
        places = [i for i, name in enumerate(port.labels) if name[0] == label]
        return self._var(port, places[0]) if len(places) == 1 else None

    def _tie(self, link: Link, shared: frozenset[Axis]) -> None:
        self.links.append(link)
        self.shared.append(shared)

    def _add_up(self, form: int, instance: Instance) -> None:
        x, y = instance.inputs[self.forms[form].at], instance.output
        gain = [((w.node.index, w.cell), 1) for w in instance.inputs if w is not x]
        gone = [name for name in x.labels if name not in y.labels]
        for name in x.labels:
            if name in y.labels:
                self._same(x, y, name)
        block = len(self.links)
        for name in gone:
            v = self._var(x, x.labels.index(name))
            link = Link(v, None, form=form, weights=tuple(gain), block=block)
            self._tie(link, frozenset())
        if not gone:
            self.forms[form].readers = None  # what is added stays as it is

    def _quotient(self, node: p.Contract, instance: Instance) -> None:
        at = next(i for i in range(2) if (node, i) in self._factors)
        form, power = self._factors[node, at]
        x, d, y = instance.inputs[1 - at], instance.inputs[at], instance.output
        free = [n for n in x.labels if n in y.labels and n not in d.labels]
        atoms = self.forms[form].atoms
        alike = [n for n in free if x.atoms[n] in atoms] or free
        if not free:
            self.forms[form].readers = None
            super()._read(node, instance)
            return
        chosen = alike[-1]
        for name in dict.fromkeys((*x.labels, *d.labels, *y.labels)):
            if name == chosen:
                one, two = (self._var(port, port.labels.index(name)) for port in (x, y))
                self._tie(Link(one, two, form=form, power=power), frozenset())
            elif name in free:
                self._same(x, y, name)
            else:
                self._rigid(x, d, y, label=name)

    def _homogeneous(self, node: p.Pointwise, instance: Instance) -> None:
        """Diagonal matrices, times the degree."""
        (x,), y = instance.inputs, instance.output
        for name in x.labels:
            one, two = (self._var(port, port.labels.index(name)) for port in (x, y))
            self.diagonal += one, two
            if node.degree == 1:
                self._same(x, y, name)
            else:
                link = Link(one, two, factor=node.degree or 0.0)
                self._tie(link, self._shared(x, y, set()))

    # result ------------------------------------------------------------------------------
    def held(self, root: int) -> bool:
        """Whether nothing acts there, as far as is known."""
        bond = self._bonds[root]
        other = bond.pairs or bond.columns or not bond.needs <= bond.indexed
        return bond.rigid or bool(other)

    def where(self, v: int, more: Potential = NONE) -> tuple[int, bool, Potential]:
        """The class of an unknown, whether it is the dual of it, and behind which gains.

        `more`: a further gain.
        """
        root, dual, e = self._find(v)
        e = combine(e, more)
        return root, dual, tuple((g, -k) for g, k in e) if dual else e

    def bond_of(self, root: int) -> Bond:
        """The class with a given root."""
        return self._bonds[root]

    def acting(self, roots: dict[int, Potential]) -> Iterator[tuple[int, Member]]:
        """All that moves of parameters, where all constraints of a class are at one potential."""
        members = self._parameters()
        for root, base in roots.items():
            for found in members.get(root, ()):
                yield root, self._member(found, (base, False))


def _forms(lowered: Lowered) -> Iterator[Form]:
    """Sums over indices, with the products that a power of them goes into."""
    for node in lowered.nodes:
        at = _sums(node)
        if at is not None:
            x, (names, *_), out = node.inputs[at], node.labelled()[0][at:], node.labelled()[1]
            dims = {d for d, n in enumerate(names) if n not in out}
            atoms = [a for c in x.cells for a, (d, _) in zip(c.atoms, c.places, strict=True)
                     if d in dims]  # fmt: skip
            yield Form(node, at, _readers(node), tuple(atoms))  # type: ignore[arg-type]


def _sums(node: Node) -> int | None:
    """Which operand is added up, by weights that are a gain of it elsewhere; None for no sum."""
    if isinstance(node, p.Mix):
        return 0 if node.varies and total(node) is not None else None
    if not isinstance(node, p.Contract) or len(node.inputs) != 2 or node.windows:
        return None
    for at in (0, 1):
        x, w = node.inputs[at], node.inputs[1 - at]
        gone = [n for n in node.labels[at] if n not in node.out]
        again = any(isinstance(u, p.Contract) and set(u.inputs) == {x, w} and u is not node
                    for u in w.users)  # fmt: skip
        if x.varies and not w.varies and tuple(gone) == tuple(node.labels[1 - at]) and again:
            return at if len(gone) == 1 and not vanishes(w) else None
    return None


def _readers(node: Node, power: float = 1.0) -> dict[tuple[Node, int], float] | None:
    """Products that have a power of a wire as a factor, None where it is seen otherwise."""
    found: dict[tuple[Node, int], float] = {}
    for user in node.users:
        if isinstance(user, p.Contract):
            if len(user.inputs) != 2 or user.windows or user.inputs.count(node) != 1:
                return None
            at = user.inputs.index(node)
            wide = [n for n, a in zip(user.labels[at], node.axes, strict=True) if a.size > 1]
            if any(n not in user.out for n in wide):
                return None
            found[user, at] = power
            continue
        onward = _onward(user, power)
        below = None if onward is None else _readers(user, onward)
        if below is None or len(found) + len(below) > MOST_FACTORS:
            return None
        found |= below
    return found


def _onward(user: Node, power: float) -> float | None:
    if isinstance(user, p.Expand) or squeezed(user) is not None:
        return power
    if isinstance(user, p.Pointwise) and user.slope is not None and user.slope == user.slope:
        return power
    if isinstance(user, p.Pointwise) and user.slope is None and user.degree is not None:
        return power * user.degree
    return None
