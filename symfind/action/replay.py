"""Running stored expressions."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.action.program import Program, function
from symfind.errors import InputError


def replay(
    program: Program, weights: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The results of a program; what is real is computed in the type of the weights."""
    run = _Run(program, weights, given)
    with torch.no_grad(), torch.device(run.device):
        for name, args, keywords in program.steps:
            values = [run.value(a) for a in args]
            result = function(name)(*values, **{k: run.value(v) for k, v in keywords.items()})
            run.done.append(values[0] if result is None else result)
        return {name: run.value(value) for name, value in program.results.items()}


class _Run:
    """Values so far."""

    def __init__(
        self, program: Program, weights: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> None:
        missing = [name for name in program.reads if name not in weights]
        if missing:
            raise InputError(f"the checkpoint has no tensor {', '.join(missing)}")
        self.read = [weights[name].detach() for name in program.reads]
        self.given = given
        # a tensor that was computed is one already: [step, item] where a step has several
        self.done: list[Any] = []
        real = [t for t in (*given.values(), *self.read) if t.is_floating_point()]
        self.dtype = real[0].dtype if real else torch.float64
        self.device = real[0].device if real else torch.device("cpu")
        self.read = [t.to(self.dtype) if t.is_floating_point() else t for t in self.read]

    def value(self, data: Any) -> Any:
        """What an argument stands for."""
        if isinstance(data, list):
            return [self.value(item) for item in data]
        if not isinstance(data, dict):
            return data
        ((key, inner),) = data.items()
        match key:
            case "%":
                return self.done[inner]
            case "item":
                return self.done[inner[0]][inner[1]]
            case "in":
                return self.read[inner]
            case "given":
                return self.given[inner]
            case "tuple":
                return tuple(self.value(item) for item in inner)
            case "slice":
                return slice(*(self.value(item) for item in inner))
            case "...":
                return ...
            case "device":
                return self.device
            case "dtype":
                return self.dtype if inner == "real" else getattr(torch, inner)
            case "seed":
                return torch.Generator().manual_seed(inner)
            case "float":
                return float(inner)
            case "tensor":
                return self._literal(inner)
        raise InputError(f"a stored expression has an argument {key!r} that is not known")

    def _literal(self, data: Any) -> Tensor:
        dtype = self.dtype if data["dtype"] == "real" else getattr(torch, data["dtype"])
        return torch.tensor(data["values"], dtype=dtype, device=self.device).reshape(data["shape"])
