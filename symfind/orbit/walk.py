"""A checkpoint on its way along its orbit, with the element that has led there."""

from symfind.orbit.element import Element, joined
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Step


class Walk:
    """Where a checkpoint is, and how it came there.

    Attributes:
        group: of the model.
        state: the checkpoint as it is now.
        steps: from the first to the last.
        notes: what has no unique form, in words.
    """

    def __init__(self, group: Group, state: State) -> None:
        """Begin at a checkpoint."""
        self.group, self.state = group, dict(state)
        self.steps: list[Step] = []
        self.notes: dict[str, None] = {}

    def copy(self) -> "Walk":
        """The same way so far, to go on differently."""
        other = Walk(self.group, self.state)
        other.steps, other.notes = list(self.steps), dict(self.notes)
        return other

    def do(self, step: Step) -> None:
        """One step further."""
        self.state.update(step(self.group, self.state))
        self.steps.append(step)

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
