"""A twin as a module, so that all that evaluates and measures models can take it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from symfind.load import Inputs
from symfind.load.inputs import draw, map_leaves
from symfind.points import Manner, enliven
from symfind.trace import Graph, execute
from symfind.twin.build import Twin
from symfind.verify import Function

_DRAWS = 12  # inputs on which units are to switch


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


class TwinFunction(Function):
    """A twin as a function of its parameters; random points are such that no unit is dead."""

    def __init__(
        self,
        twin: Twin,
        *,
        train: bool = False,
        output: Literal["raw", "softmax"] = "raw",
        device: str = "cpu",
    ) -> None:
        """Take the twin."""
        module = Executable(twin.graph)
        super().__init__(module, (), dict(twin.examples), train=train, output=output,
                         device=device, liven=self._enlivened)  # fmt: skip
        self.twin = twin
        self._draw = fresh(twin)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """The state in which `evaluate` may be called, without a line on each batch by a loop."""
        _tell_of_loops(False)
        try:
            with super().scope():
                yield
        finally:
            _tell_of_loops(True)

    def fresh(self, rng: torch.Generator) -> Inputs:
        """Draw inputs over their full domain."""
        drawn: Inputs = self._draw(rng)
        return drawn

    def _enlivened(
        self, theta: Mapping[str, Tensor], rng: torch.Generator, manner: Manner
    ) -> dict[str, Tensor]:
        drawn = [self.fresh(rng).kwargs for _ in range(_DRAWS)]
        return enliven(self.twin.graph, theta, drawn, rng, manner)


def _tell_of_loops(wanted: bool) -> None:
    torch._C._functorch._set_vmap_fallback_warning_enabled(wanted)  # type: ignore[attr-defined]


def fresh(twin: Twin) -> Any:
    """What draws inputs of a twin over their full domain."""
    start = Inputs((), dict(twin.examples))

    def one(rng: torch.Generator) -> Inputs:
        # of several sizes, so that units that are rarely active are reached as well
        scale = float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))
        drawn = draw(start, rng, ranges=twin.ranges, dtype=torch.float64)
        return map_leaves(
            drawn,
            lambda _, leaf: (
                leaf * scale if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
            ),
        )

    return one
