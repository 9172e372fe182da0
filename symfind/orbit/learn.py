"""The barrier lowered along the group: Adam on the coefficients of every flow."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.orbit.group import Group, State
from symfind.orbit.objective import Objective, between
from symfind.orbit.steps import Flow, Step, Turn
from symfind.orbit.walk import Walk
from symfind.solve.families.family import MatrixFamily
from symfind.solve.point.family import bends
from symfind.solve.point.values import Environment

_RATE = 0.03
_MOST = 20_000  # coefficients of one site


@dataclass
class Knob:
    """The coefficients of one site, and the step that they stand for."""

    site: str
    c: Tensor

    def step(self, group: Group) -> Step:
        """The element that they stand for; differentiable."""
        family = group.sites[self.site].family
        if isinstance(family, MatrixFamily):
            return Turn(self.site, torch.matrix_exp(family.matrix(Environment({}), self.c)))
        return Flow(self.site, self.c)


def knobs(group: Group, kinds: tuple[str, ...] = ()) -> list[Knob]:
    """Coefficients at zero for every site whose flow is exact: matrices, scales, translations."""
    found = []
    for name, site in group.sites.items():
        bent = bends(site.family)
        n = site.family.count()
        if not bent and n <= _MOST and site.kind != "inert" and (not kinds or site.kind in kinds):
            c = torch.zeros(n, dtype=torch.float64, requires_grad=True)
            found.append(Knob(name, c))
    return found


def turned(group: Group, state: State, found: list[Knob]) -> dict[str, Tensor]:
    """A checkpoint after the steps of all knobs."""
    moved = dict(state)
    for knob in found:
        moved.update(knob.step(group)(group, moved))
    return moved


def learned(
    walk: Walk,
    target: State,
    objective: Objective,
    steps: int,
    tell: Callable[[str], None] = lambda text: None,
    seed: int = 0,
) -> None:
    """Lower what the loss between two checkpoints is above the line, at points of the segment.

    Where it is below, there is no barrier left, and nothing is to be gained but by learning the
    data by heart: a loss that is lowered further there rises on other data.

    Args:
        walk: the checkpoint that moves.
        target: the one that stays.
        objective: mean loss of checkpoints.
        steps: of Adam, each on one batch.
        tell: called with a line now and then.
        seed: of points and batches.
    """
    rng = torch.Generator().manual_seed(seed)
    found = knobs(walk.group)
    if not found:
        return
    adam = torch.optim.Adam([k.c for k in found], lr=_RATE, betas=(0.9, 0.99))
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=steps + 1)
    ends: dict[int, tuple[float, float]] = {}  # losses of both, which no step changes
    for i in range(steps):
        if i % 50 == 0:
            tell(f"learning the alignment: step {i} of {steps}")
        moved = turned(walk.group, walk.state, found)
        k = int(torch.randint(len(objective.batches), (1,), generator=rng))
        batch = objective.batches[k]
        part = float(torch.rand((), generator=rng))
        if k not in ends:
            with torch.no_grad():
                one, two = (float(objective.among(s, batch)) for s in (target, walk.state))
            ends[k] = one, two
        line = (1 - part) * ends[k][0] + part * ends[k][1]
        above = (objective.among(between(target, moved, part), batch) - line).relu()
        adam.zero_grad()
        above.backward()
        adam.step()
        plan.step()
    for knob in found:
        with torch.no_grad():
            walk.do(Knob(knob.site, knob.c.detach()).step(walk.group))
