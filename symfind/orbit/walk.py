"""A checkpoint on its way along its orbit, with the element that has led there."""

import math
import sys

import torch

from symfind.orbit.element import Element, joined
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Step

_BACK = 1e-10  # of what moves, that is left when a flow has led there and back


class Walk:
    """Where a checkpoint is, and how it came there.

    Attributes:
        group: of the model.
        state: the checkpoint as it is now.
        steps: from the first to the last.
        notes: what has no unique form, in words.
        unrest: the largest step, relative, of the last sweep towards a gauge; zero where it rests.
        ceiling: the largest entry to which `lead` leads.
    """

    def __init__(self, group: Group, state: State) -> None:
        """Begin at a checkpoint."""
        self.group, self.state = group, dict(state)
        self.steps: list[Step] = []
        self.notes: dict[str, None] = {}
        self.unrest = 0.0
        self.ceiling = math.inf

    def copy(self) -> "Walk":
        """The same way so far, to go on differently."""
        other = Walk(self.group, self.state)
        other.steps, other.notes = list(self.steps), dict(self.notes)
        other.unrest, other.ceiling = self.unrest, self.ceiling
        return other

    def do(self, step: Step) -> None:
        """One step further."""
        self.state.update(step(self.group, self.state))
        self.steps.append(step)

    def lead(self, step: Step) -> bool:
        """One step further, if it leads there and back: through a pole of its field none does.

        Nor is one taken that makes entries larger than the ceiling.
        """
        before, self.state = self.state, dict(self.state)
        self.do(step)
        if not self.largest() <= min(self.ceiling, sys.float_info.max):
            return self._back(before)
        if not getattr(self.group.sites[step.site].family, "loose", False):
            return True
        back = step.inverse()(self.group, self.state)
        gap = sum(float((v - before[n]).square().sum()) for n, v in back.items())
        if gap <= _BACK**2 * sum(float(before[n].square().sum()) for n in back):
            return True
        return self._back(before)

    def _back(self, before: State) -> bool:
        self.state = dict(before)
        self.steps.pop()
        return False

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
