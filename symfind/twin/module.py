"""A twin as a module, so that all that evaluates and measures models can take it."""

from typing import Any

import torch
from torch import Tensor, nn

from symfind.load import Inputs
from symfind.load.inputs import draw, map_leaves
from symfind.trace import Graph, execute
from symfind.twin.build import Twin


class Executable(nn.Module):
    """Runs a graph; its parameters have the names that they have in the model."""

    def __init__(self, graph: Graph) -> None:
        """Make parameters of the graph's shapes; their values are for others to give."""
        super().__init__()
        self.graph = graph
        for name, op in graph.parameters.items():
            owner: nn.Module = self
            *path, leaf = name.split(".")
            for part in path:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner.get_submodule(part)
            value = torch.ones(op.shape or (), dtype=torch.float64)
            owner.register_parameter(leaf, nn.Parameter(value))

    def forward(self, **inputs: Tensor) -> list[Tensor]:
        """All outputs."""
        return execute(self.graph, dict(self.named_parameters()), inputs)


def fresh(twin: Twin) -> Any:
    """What draws inputs of a twin over their full domain."""
    start = Inputs((), dict(twin.examples), dict(twin.bounds))

    def one(rng: torch.Generator) -> Inputs:
        # of several sizes, so that units that are rarely active are reached as well
        scale = float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))
        drawn = draw(start, rng, bounds=dict(twin.bounds), dtype=torch.float64)
        return map_leaves(
            drawn,
            lambda _, leaf: leaf * scale
            if isinstance(leaf, Tensor) and leaf.is_floating_point()
            else leaf,
        )

    return one
