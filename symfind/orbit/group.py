"""The group that acts on the checkpoints of one model: its sites by name, derived."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from symfind.algebra.integrate import Field, followed, integrate
from symfind.count.null_directions import known_directions
from symfind.describe.factors import identify
from symfind.describe.names import unique
from symfind.discovery.family import Acting
from symfind.discrete.build import name_all
from symfind.discrete.components import Mirror, mirrors, remaining
from symfind.discrete.part import spec_of
from symfind.discrete.permuting import Permutations, Shuffle
from symfind.discrete.signs import SignFlip, Signs, sign_flips
from symfind.discrete.spec import PermutationSpec
from symfind.errors import InputError
from symfind.orbit.found import FoundFamily
from symfind.solve.bonds.acting import gains_of
from symfind.solve.charts.partial import PartialFamily
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, Moves, bends
from symfind.solve.point.values import Environment
from symfind.solve.solver import Derivation

State = Mapping[str, Tensor]
"""A checkpoint: parameters and buffers in float64, under the first names of the model."""

_STRAIGHT = 1e-13  # relative change of a field along its own flow, below which there is none


@dataclass(frozen=True)
class Site:
    """One connected group at one place.

    Attributes:
        id: as in the `places` of a report.
        family: what acts.
    """

    id: str
    family: Family = field(repr=False)

    @property
    def kind(self) -> str:
        """As in a report."""
        return self.family.kind

    @property
    def matrices(self) -> bool:
        """Whether its elements are matrices on one index."""
        return isinstance(self.family, MatrixFamily)


class Group:
    """Everything that acts on checkpoints of a model, and leaves its function alone.

    Args:
        derivation: the families; nothing of them need have been counted or verified.
        shapes: of all trainable parameters, by name.
        aliases: other names of shared tensors.
        found: what discovery found on the model, by id.

    Attributes:
        sites: connected groups by id, in the order in which they are derived.
        signs: changes of sign by id.
        spec: the permutations.
        held: ids of families that have directions only: where weights are made in part, or learned
            rows turn what they ask, no closed form leads along them.
    """

    def __init__(
        self,
        derivation: Derivation,
        shapes: Mapping[str, tuple[int, ...]],
        aliases: Mapping[str, tuple[str, ...]],
        found: Mapping[str, Acting] | None = None,
    ) -> None:
        """Name what was derived; permutations and signs are derived when asked for."""
        self.derivation, self.shapes, self.aliases = derivation, dict(shapes), dict(aliases)
        taken: set[str] = set()
        named = [Site(unique(identify(f), taken), f) for f in derivation.families]
        self.held = [
            s.id for s in named
            if isinstance(s.family, PartialFamily) or getattr(s.family, "held", False)
        ]  # fmt: skip
        self.sites: dict[str, Site] = {s.id: s for s in named if s.id not in self.held}
        for name, acting in (found or {}).items():
            name = unique(name, taken)
            self.sites[name] = Site(name, FoundFamily(kind="discovered", acting=acting))

    @cached_property
    def spec(self) -> PermutationSpec:
        """The permutations of hidden indices."""
        return spec_of(self.derivation, self.shapes, self.aliases)

    @cached_property
    def shuffles(self) -> dict[str, Shuffle]:
        """The same, as indices of wires, by the names of the spec."""
        found = Permutations(self.derivation.lowered).shuffles()
        return {name: shuffle for shuffle, name in name_all(found).items()}

    @cached_property
    def signs(self) -> dict[str, SignFlip]:
        """Changes of sign that no matrix group contains: one bit per value of some indices."""
        taken: set[str] = set(self.sites)
        matrices = [f for f in self.derivation.families if isinstance(f, MatrixFamily)]
        found = remaining(sign_flips(Signs(self.derivation.lowered)), matrices)
        return {unique(f"{identify(f)}:sign", taken): f for f in found}

    @cached_property
    def mirrors(self) -> dict[str, Mirror]:
        """The reflections of matrix groups that are not connected, by site."""
        found = {name: mirrors([s.family]) for name, s in self.bonds.items()}  # type: ignore[list-item]
        return {name: one[0] for name, one in found.items() if one}

    def site(self, name: str) -> Site:
        """The connected group with an id.

        Raises:
            InputError: there is none; the message names some that there are.
        """
        if name in self.held:
            raise InputError(
                f"{name}: no closed form leads along it: it has directions, and no elements"
            )
        if name not in self.sites:
            shown = ", ".join(list(self.sites)[:6]) or "none"
            raise InputError(
                f"there is no site {name!r}; there are {len(self.sites)}: {shown}. "
                "What discovery found takes no matrix: no closed form leads along it"
            )
        return self.sites[name]

    def parameters(self, state: State) -> dict[str, Tensor]:
        """The trained tensors of a checkpoint.

        Raises:
            InputError: one is missing, or has another shape.
        """
        missing = [n for n in self.shapes if n not in state]
        if missing:
            raise InputError(f"the checkpoint lacks {', '.join(missing[:5])}")
        for name, shape in self.shapes.items():
            if tuple(state[name].shape) != shape:
                raise InputError(
                    f"{name} has shape {tuple(state[name].shape)} in the checkpoint, "
                    f"{shape} in the model"
                )
        return {n: state[n] for n in self.shapes}

    def environment(self, state: State) -> Environment:
        """Values of wires at a checkpoint, its buffers among them."""
        buffers = {n: v for n, v in state.items() if n not in self.shapes}
        return Environment({n: state[n] for n in self.shapes}, None, buffers)

    def point(self, state: State) -> Point:
        """A checkpoint as a point at which families are evaluated."""
        buffers = {n: v for n, v in state.items() if n not in self.shapes}
        return Point({n: state[n] for n in self.shapes}, None, buffers)

    def moved(self, family: Family, state: State, values: Moves) -> dict[str, Tensor]:
        """Parameters by name where some wires have new values."""
        return _Given(family, values).at(self.point(state))

    def changes(self, state: State, moves: Moves) -> dict[str, Tensor]:
        """A field by name that is given on wires."""
        return self.point(state).direction(_Field(moves), torch.zeros(0))  # type: ignore[arg-type]

    def direction(self, family: Family, state: State, c: Tensor) -> dict[str, Tensor]:
        """The vector field of coefficients at a checkpoint, by name."""
        if isinstance(family, FoundFamily):
            return family.acting.direction(self.parameters(state), c)
        return self.point(state).direction(family, c)

    def directions(self, state: State, families: Sequence[Family] | None = None) -> Tensor:
        """Derived fields at a checkpoint: [parameters, number].

        Args:
            state: the checkpoint.
            families: of which; all without. Entries that nothing reads come last, unless only some
                families are asked for.
        """
        unread = [n for n in self.shapes if n not in self.derivation.lowered.parameters]
        found = [s.family for s in self.found.values()]
        chosen = [*self.derivation.families, *found] if families is None else families
        derived = [f for f in chosen if not isinstance(f, FoundFamily)]
        known = known_directions(derived, list(self.shapes), [] if families else unread)
        ordered = {n: state[n] for n in self.shapes}
        columns = known({**ordered, **{n: v for n, v in state.items() if n not in self.shapes}})
        more = [f.columns(ordered) for f in chosen if isinstance(f, FoundFamily)]
        return torch.cat([*more, columns], 1)

    def flow(self, family: Family, state: State, c: Tensor) -> dict[str, Tensor]:
        """exp(c) of a checkpoint: new values of the tensors that move.

        Exact for linear actions and for translations; what bends along its own flow is integrated
        with as many steps as double precision deserves.
        """
        if isinstance(family, FoundFamily):
            return family.acting.flow(self.parameters(state), c, 1.0)
        if not bends(family):
            return self.point(state).flow(family, c, 1.0)
        field, start, there = self._straight(family, state, c)
        return integrate(field, start, 1.0, steps=None) if there is None else there

    def within(
        self, family: Family, state: State, c: Tensor, tell: Callable[[], None]
    ) -> dict[str, Tensor] | None:
        """The flow of what bends, where all of the way is resolved.

        None where a field ends on it, as at a pole. Every value of the field is told.
        """
        field, start, there = self._straight(family, state, c)

        def counted(theta: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
            tell()
            return field(theta)

        if there is not None:
            return there
        reached, part = followed(counted, start, 1.0)
        return reached if part >= 1.0 else None

    def _straight(
        self, family: Family, state: State, c: Tensor
    ) -> tuple[Field, dict[str, Tensor], dict[str, Tensor] | None]:
        """A field, where it starts, and the end of its flow if that is a straight line."""
        field = lambda theta: self.direction(family, {**state, **theta}, c)  # noqa: E731
        here = field({})
        if not all(bool(torch.isfinite(d).all()) for d in here.values()):
            raise InputError(
                f"a {family.kind} family of {', '.join(family.names[:3])} has no field at this "
                "checkpoint: weights that it divides by are zero"
            )
        there = {n: state[n] + d for n, d in here.items()}
        after = field(there)
        size = sum(float(d.square().sum()) for d in here.values()) ** 0.5
        bend = sum(float((after[n] - d).square().sum()) for n, d in here.items()) ** 0.5
        start = {n: state[n] for n in self.shapes}
        return field, start, there if bend <= _STRAIGHT * size else None

    def of(self, kind: type) -> dict[str, Site]:
        """Sites whose family is of a class."""
        return {name: s for name, s in self.sites.items() if isinstance(s.family, kind)}

    @property
    def bonds(self) -> dict[str, Site]:
        """Matrix groups."""
        return self.of(MatrixFamily)

    def turning(self, state: State) -> dict[str, Site]:
        """Matrix groups that have elements at a checkpoint: Γ R Γ⁻¹ has none where Γ is zero."""
        env = self.environment(state)
        return {name: s for name, s in self.bonds.items() if _divides(env, s.family)}

    @property
    def scales(self) -> dict[str, Site]:
        """Positive scalings."""
        return self.of(ScalingFamily)

    @property
    def translations(self) -> dict[str, Site]:
        """Everything else: shifts, parallel paths, relations, inert entries."""
        return {name: s for name, s in self._others().items() if s.kind != "scaling"}

    @property
    def lifted_scales(self) -> dict[str, Site]:
        """Scalings of weights that parameters make up, which bend: of what is normalised."""
        return {name: s for name, s in self._others().items() if s.kind == "scaling"}

    def _others(self) -> dict[str, Site]:
        known = (MatrixFamily, ScalingFamily, FoundFamily)
        return {name: s for name, s in self.sites.items() if not isinstance(s.family, known)}

    @property
    def found(self) -> dict[str, Site]:
        """What discovery found: no gauge is known for it."""
        return self.of(FoundFamily)


def _divides(env: Environment, family: Family) -> bool:
    """Whether all gains that a matrix group divides by are other than zero."""
    assert isinstance(family, MatrixFamily)
    gains = (gains_of(env, m.potential, family.nodes) for m in family.members if m.potential)
    return all(bool((torch.isfinite(g) & (g != 0)).all()) for g in gains)


@dataclass
class _Given:
    """Stands in for a family whose flow is known: `Point.flow` then converts wires to names."""

    family: Family
    values: Moves
    loose: bool = False

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        return dict(self.values)

    def at(self, point: Point) -> dict[str, Tensor]:
        return point.flow(self, torch.zeros(0), 1.0)  # type: ignore[arg-type]


@dataclass
class _Field:
    """Stands in for a family whose direction is known."""

    moves: Moves

    def direction(self, env: Environment, c: Tensor) -> Moves:
        return dict(self.moves)
