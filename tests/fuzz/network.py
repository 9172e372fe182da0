"""Random networks of every shape that the rules may be wrong about, each decided by a seed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fuzz.draw import Draw, Shape, Step
from tests.fuzz.features import ALONE, PAIRS, linear
from tests.fuzz.sequences import SEQUENCES, places


class Network(nn.Module):
    """Steps, each of which reads values before it; the last value and some others come out.

    Attributes:
        widest: the largest last dimension of a value.
        most: parameters.
        rows: of the table that tokens look up.
    """

    widest, most, rows = 8, 240, 5

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        draw = Draw(seed)
        self.kind = draw.one(("vector", "vector", "sequence", "sequence", "tokens"))
        self.table = nn.Parameter(draw.numbers(self.rows, 3)) if self.kind == "tokens" else None
        self.steps = nn.ModuleList()
        self.shapes: list[Shape] = [(3,) if self.kind == "vector" else (3, 3)]
        for _ in range(draw.rng.randint(2, 6)):
            self._grow(draw)
        if draw.chance(0.6):
            self._add(linear(draw, self.shapes[-1]), -1)
        read = {i for step in self.steps for i in step.reads}
        last = len(self.shapes) - 1
        extra = [i for i in range(1, last) if i not in read and draw.chance(0.5)]
        self.outputs = [last, *extra]

    def _grow(self, draw: Draw) -> None:
        at = len(self.shapes) - 1 if draw.chance(0.8) else draw.rng.randrange(len(self.shapes))
        x = self.shapes[at]
        partners = [i for i, y in enumerate(self.shapes) if len(y) == len(x) and y[:-1] == x[:-1]]
        if len(partners) > 1 and draw.chance(0.3):
            other = draw.one(partners)
            self._add(draw.one(PAIRS)(draw, x, self.shapes[other]), at, other)
        elif len(x) == 2 and draw.chance(0.4):
            self._add(draw.one(SEQUENCES)(draw, x), at)
        elif len(x) == 1 and draw.chance(0.08):
            self._add(places(draw, x), at)
        else:
            self._add(draw.one(ALONE)(draw, x), at)

    def _add(self, step: Step, *reads: int) -> bool:
        """Keep a step where it is neither too wide nor too large; whether it was kept."""
        step.reads = tuple(i % len(self.shapes) for i in reads)
        with torch.no_grad():
            tried = step(*(torch.randn(2, *self.shapes[i]) for i in step.reads))
        shape = tuple(tried.shape[1:])
        known = {id(w): w for w in self.parameters()} | {id(w): w for w in step.parameters()}
        if not 2 <= shape[-1] <= self.widest or sum(w.numel() for w in known.values()) > self.most:
            return False
        self.steps.append(step)
        self.shapes.append(shape)
        return True

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        values = [x if self.table is None else F.embedding(x, self.table)]
        for step in self.steps:
            values.append(step(*(values[i] for i in step.reads)))
        outputs = tuple(values[i] for i in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def example(self, batch: int, generator: torch.Generator) -> Tensor:
        """Random inputs."""
        if self.kind == "tokens":
            return torch.randint(self.rows, (batch, self.shapes[0][0]), generator=generator)
        return 1.5 * torch.randn(batch, *self.shapes[0], generator=generator)

    def text(self) -> str:
        """What it is, a step a line."""
        lines = [f"seed {self.seed}: {self.kind} {self.shapes[0]}"]
        for i, (step, shape) in enumerate(zip(self.steps, self.shapes[1:], strict=True), 1):
            lines.append(f"  {i} = {step.text} of {', '.join(map(str, step.reads))}: {shape}")
        return "\n".join([*lines, f"  out {self.outputs}"])
