"""What is examined: a traced model, and how points are drawn for it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from symfind.load import Inputs, draw
from symfind.load.inputs import leaves
from symfind.load.ranges import Range
from symfind.trace import Graph
from symfind.trace.lookups import leaf_ranges
from symfind.verify.sampling import Law


@dataclass(frozen=True)
class Subject:
    """A model, its example inputs and its graph."""

    model: nn.Module
    inputs: Inputs
    graph: Graph

    @property
    def discrete(self) -> bool:
        """Whether some inputs are integers: those that are drawn are few among many."""
        return any(
            not (op.dtype is None or op.dtype.is_floating_point or op.dtype is torch.bool)
            for op in self.graph.inputs
        )

    def draw_parameters(self, rng: torch.Generator) -> dict[str, Tensor]:
        """Generic real parameters, by name."""
        return {name: Law.of(self.model, name).draw(rng) for name in self.graph.parameters}

    def draw_inputs(self, rng: torch.Generator) -> dict[str, Tensor]:
        """Generic inputs, by name; of several sizes, so that rarely active units are reached."""
        scale = float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))
        drawn = draw(self.inputs, rng, ranges=self._ranges, dtype=torch.float64)
        tensors = [leaf for _, leaf in leaves(drawn) if isinstance(leaf, Tensor)]
        return {
            op.key: leaf * scale if leaf.is_floating_point() else leaf
            for op, leaf in zip(self.graph.inputs, tensors, strict=True)
        }

    @cached_property
    def _ranges(self) -> dict[str, Range]:
        """Of integer inputs: as given, as looked up, or as the examples show."""
        return leaf_ranges(self.graph, self.inputs)
