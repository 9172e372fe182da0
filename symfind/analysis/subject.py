"""What is analysed: the loaded model with its graph, and how its function is evaluated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from symfind.errors import InputError, SymfindError
from symfind.load import Inputs, Loaded
from symfind.load.inputs import draw, leaves, map_leaves
from symfind.trace import Graph
from symfind.trace.blame import place
from symfind.verify import Function


@dataclass(frozen=True)
class Subject:
    """A model under analysis, and the circumstances.

    Attributes:
        loaded: the model with its inputs.
        graph: its trace.
        output: "raw" or "softmax".
        train: whether batch statistics are those of training.
        device: where it is evaluated.
        seed: of all random numbers.
        tell: called with a line on what is being done.
    """

    loaded: Loaded
    graph: Graph
    output: Any
    train: bool
    device: str
    seed: int
    tell: Callable[[str], None]

    @property
    def mode(self) -> Literal["eval", "train"]:
        """As in the report."""
        return "train" if self.train else "eval"

    def function(self) -> Function:
        """The model as a function of its parameters, in float64."""
        return Function(
            self.loaded.model,
            self.loaded.inputs.args,
            self.loaded.inputs.kwargs,
            train=self.train,
            output=self.output,
            device=self.device,
        )

    def fresh(self) -> Callable[[torch.Generator], Inputs]:
        """What draws inputs over their full domain."""
        bounds = self._bounds()
        start = Inputs(self.loaded.inputs.args, self.loaded.inputs.kwargs, bounds)

        def fresh(rng: torch.Generator) -> Inputs:
            # Of several sizes, so that units that are rarely active are reached as well.
            scale = float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))
            return map_leaves(
                draw(start, rng, bounds=bounds, dtype=torch.float64),
                lambda _, leaf: leaf * scale if _is_float(leaf) else leaf,
            )

        return fresh

    def _bounds(self) -> dict[str, int]:
        """Upper bounds of integer inputs: as given, else from the table they are looked up in."""
        inputs = self.loaded.inputs
        bounds = dict(inputs.bounds)
        keys = [key for key, leaf in leaves(inputs) if isinstance(leaf, torch.Tensor)]
        for key, op in zip(keys, self.graph.inputs, strict=False):
            for user in op.users:
                if user.target.startswith("aten.embedding") and user.args[1] is op:
                    bounds.setdefault(key, int((user.args[0].shape or (2,))[0]))
        return bounds


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point()


def probe(function: Function, theta: Mapping[str, torch.Tensor]) -> None:
    """Evaluate once: what fails here fails because of the inputs, or is not finite.

    Raises:
        InputError: the forward pass raises, or is not finite; the message names the line.
    """
    try:
        function(theta)
    except SymfindError:
        raise
    except Exception as error:
        at = place(error)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the model fails on its example inputs: {type(error).__name__}: {reason}"
            + (f" at {at!r}" if at else "")
            + ". Give inputs of the shapes, dtypes and ranges that forward expects (--input; an "
            "upper bound for integers is written 'i64<VOCAB>[1,128]')"
        ) from error
