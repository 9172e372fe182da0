"""One element of the group of a model, acting on checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.exponential import exponential
from symfind.errors import InputError
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Flip, Flow, Permute, Step, Turn, step_of
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.values import Environment
from symfind.verify import Function

_TOO_FAR = 4.0  # times as far as a translation was to lead
_SHORTENED = 12  # how often it is halved

SCHEMA = "symfind.element/1"


@dataclass(frozen=True)
class Element:
    """A product of steps, the first applied first.

    Fields that depend on the weights (behind a gain, along a relation) are followed from where the
    steps before have led, so the product is an element of the group of the very checkpoint.

    Attributes:
        group: that it belongs to.
        steps: flows, matrices, signs and permutations.
    """

    group: Group = field(repr=False)
    steps: tuple[Step, ...] = ()

    def apply(self, weights: State) -> dict[str, Tensor]:
        """Act on a checkpoint.

        Args:
            weights: parameters and buffers under the first names of the model. Aliases and tensors
                that the model does not have are passed through; see `Checkpoint` for files.

        Returns:
            New tensors in float64 for what moves, the given ones for the rest.

        Raises:
            InputError: a parameter is missing, or has another shape.
        """
        self.group.parameters(weights)
        state = {n: v.double() if v.is_floating_point() else v for n, v in weights.items()}
        for step in self.steps:
            state.update(step(self.group, state))
        return state

    def compose(self, first: "Element") -> "Element":
        """This element after another one.

        Raises:
            InputError: they belong to different groups.
        """
        if first.group is not self.group:
            raise InputError("elements of the groups of two models have no product")
        return Element(self.group, joined((*first.steps, *self.steps)))

    def inverse(self) -> "Element":
        """What takes it back."""
        return Element(self.group, tuple(s.inverse() for s in reversed(self.steps)))

    def residual(self, function: Function, weights: State) -> float:
        """How much it changes the outputs of a model in float64, relative to their size.

        Args:
            function: the model on its inputs.
            weights: where it acts.
        """
        return change(function, weights, self.apply(weights))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema": SCHEMA, "steps": [s.to_dict() for s in self.steps]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], group: Group) -> "Element":
        """Read back what `to_dict` wrote.

        Raises:
            InputError: it is no element of this group.
        """
        if data.get("schema") != SCHEMA:
            raise InputError(f"no element: its schema is {data.get('schema')!r}, not {SCHEMA!r}")
        return cls(group, tuple(step_of(s, group) for s in data.get("steps", ())))

    @classmethod
    def random(
        cls,
        group: Group,
        weights: State,
        rng: torch.Generator,
        size: float = 0.5,
        sites: Sequence[str] | None = None,
    ) -> "Element":
        """A random element: every generator, sign and permutation takes part.

        Args:
            group: of the model.
            weights: the checkpoint, by which translations are scaled.
            rng: source of randomness.
            size: how far it leads, relative to the tensors that move.
            sites: ids that may take part; all without.
        """
        state = {n: v.double() if v.is_floating_point() else v for n, v in weights.items()}
        steps: list[Step] = []
        for one in _drawn(group, rng, size, sites):
            step = _scaled(group, state, one[0], one[1], size) if isinstance(one, tuple) else one
            if isinstance(step, Turn) and step.site not in group.turning(state):
                continue  # behind a gain of zero
            if step is not None:
                steps.append(step)
                state.update(step(group, state))
        return cls(group, tuple(steps))


def _drawn(
    group: Group, rng: torch.Generator, size: float, sites: Sequence[str] | None
) -> list[Any]:
    """Steps, and translations that are scaled at the point where they act."""
    chosen = None if sites is None else set(sites)
    found: list[Any] = []
    for name, site in group.sites.items():
        if chosen is None or name in chosen:
            n = site.family.count()
            c = torch.randn(n, generator=rng, dtype=torch.float64)
            linear = isinstance(site.family, MatrixFamily | ScalingFamily)
            found.append(_linear(group, name, c, size, rng) if linear else (name, c))
    for name, flip in group.signs.items():
        if chosen is None or name in chosen:
            bits = torch.randint(2, (flip.count(),), generator=rng)
            found.append(Flip(name, bits.double()))
    for name, index in group.spec.sample(rng).items():
        if chosen is None or name in chosen:
            found.append(Permute(name, index))
    return found


def _linear(group: Group, name: str, c: Tensor, size: float, rng: torch.Generator) -> Step:
    """A matrix of the group, well conditioned, of any component; or scales about one."""
    family = group.sites[name].family
    if not isinstance(family, MatrixFamily):
        return Flow(name, size * c)
    env = Environment({})
    matrix = exponential(family.matrix(env, c) * (size / family.axis.size**0.5))
    if name in group.mirrors:
        u = group.mirrors[name].normal(env)
        chosen = torch.randint(2, matrix.shape[:-2], generator=rng).double()[..., None, None]
        matrix = matrix @ (torch.eye(len(u)).to(u) - 2.0 * chosen * torch.outer(u, u))
    return Turn(name, matrix)


def _scaled(group: Group, state: State, name: str, c: Tensor, size: float) -> Step | None:
    """A translation as long as a part of what it moves; None where nothing moves.

    Neither does what divides by a zero of this checkpoint: it has no field there. Where a field
    has a pole, as at a bias that the gains of its norm make orthogonal to what is centred, a flow
    towards it is shortened until it leads as far as was meant.
    """
    change = group.direction(group.site(name).family, state, c)
    length = sum(float(d.square().sum()) for d in change.values()) ** 0.5
    moved = sum(float(state[n][d != 0].square().sum()) for n, d in change.items()) ** 0.5
    if not 0.0 < length < float("inf"):
        return None
    far = size * (moved or 1.0)
    step = Flow(name, c * (far / length))
    for _ in range(_SHORTENED):
        new = step(group, state)
        led = sum(float((v - state[n]).square().sum()) for n, v in new.items()) ** 0.5
        if led <= _TOO_FAR * far:
            return step
        step = Flow(name, step.coefficients / 2)
    return None


def joined(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Neighbours at one site as one step."""
    result: list[Step] = []
    for step in steps:
        product = step.after(result[-1]) if result else None
        if product is None:
            result.append(step)
        else:
            result[-1] = product
    return tuple(result)


def change(function: Function, before: State, after: State) -> float:
    """Change of the outputs from one checkpoint to another, relative to their size."""
    start, end = function(before), function(after)
    return float((end - start).norm() / start.norm().clamp_min(1e-300))
