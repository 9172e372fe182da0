"""A checkpoint on its way along its orbit, with the element that has led there."""

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from symfind.orbit.element import Element, joined
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Flow, Step
from symfind.solve.point.family import bends

_BACK = 1e-10  # of what moves, that is left when a flow has led there and back


class Walk:
    """Where a checkpoint is, and how it came there.

    Attributes:
        group: of the model.
        state: the checkpoint as it is now.
        steps: from the first to the last.
        notes: what has no unique form, in words.
        unrest: what the last sweep towards a gauge moved, of all weights; zero where it rests.
        ceiling: the largest entry to which `lead` leads.
        tell: called with a line on what is being done.
        effort: values of fields that `lead` may yet ask for where flows are integrated.
    """

    def __init__(self, group: Group, state: State) -> None:
        """Begin at a checkpoint."""
        self.group, self.state = group, dict(state)
        self.steps: list[Step] = []
        self.notes: dict[str, None] = {}
        self.unrest = 0.0
        self.ceiling = math.inf
        self.effort = math.inf
        self.tell: Callable[[str], None] = lambda text: None

    def copy(self) -> "Walk":
        """The same way so far, to go on differently."""
        other = Walk(self.group, self.state)
        other.steps, other.notes = list(self.steps), dict(self.notes)
        other.unrest, other.ceiling, other.effort = self.unrest, self.ceiling, self.effort
        other.tell = self.tell
        return other

    def do(self, step: Step) -> None:
        """One step further."""
        self.state.update(step(self.group, self.state))
        self.steps.append(step)

    def lead(self, step: Step) -> bool:
        """One step further, if it leads there and back: through a pole of its field none does.

        Nor is one taken that makes entries larger than the ceiling.
        """
        there = self._followed(step)
        if there is None:
            return False
        before, self.state = self.state, {**self.state, **there}
        self.steps.append(step)
        if self.largest() <= min(self.ceiling, sys.float_info.max):
            if not self._bends(step):
                return True
            back = self._followed(step.inverse())
            if back is not None and _near(back, before):
                return True
        self.state = before
        self.steps.pop()
        return False

    def _bends(self, step: Step) -> bool:
        return isinstance(step, Flow) and bends(self.group.site(step.site).family)

    def _followed(self, step: Step) -> dict[str, Tensor] | None:
        """Where a step leads; None where that is not known, or costs too much."""
        if not isinstance(step, Flow) or not self._bends(step):
            return step(self.group, self.state)
        if self.effort <= 0:
            return None
        family = self.group.site(step.site).family
        return self.group.within(family, self.state, step.coefficients, self._spend)

    def _spend(self) -> None:
        self.effort -= 1

    def largest(self) -> float:
        """The largest entry of all trained tensors; NaN where one is, infinite where one is."""
        tops = [self.state[n].abs().max() for n in self.group.shapes if self.state[n].numel()]
        return float(torch.stack(tops).max()) if tops else 0.0

    def note(self, text: str) -> None:
        """Something that has no unique form; said once."""
        self.notes[text] = None

    @property
    def element(self) -> Element:
        """All steps."""
        return Element(self.group, joined(self.steps))

    def norm(self) -> float:
        """Sum of the squares of all trained tensors."""
        return sum(float(self.state[n].square().sum()) for n in self.group.shapes)


def _near(back: State, start: State) -> bool:
    """Whether a way back ends where it began."""
    gap = sum(float((v - start[n]).square().sum()) for n, v in back.items())
    return gap <= _BACK**2 * sum(float(start[n].square().sum()) for n in back)
