"""A model whose own derivatives are not to be had: its recorded operations, differentiated instead.

A forward pass under `inference_mode` or `no_grad`, a detached tensor, a custom autograd function
that recomputes with weights which are no longer there: the values are those of a function, and
autograd says nothing, or something else, of its derivatives. The graph that was recorded has the
same values, operation by operation, each with the derivative that it has.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.load.inputs import Inputs, leaves
from symfind.trace import Graph, execute
from symfind.trace.execute import Adjust
from symfind.verify.function import Call, Function, InputsLike, Point
from symfind.verify.honesty import honest

_AGREE = 1e-9  # of the norm of the output: rounding of two orders of the same operations
_INPUTS = 3  # on which graph and model are compared, at each of
_POINTS = 2


class TracedFunction(Function):
    """The function of a model, evaluated by its graph; all else is as for `Function`."""

    graph: Graph
    adjust: Adjust | None = None

    def results(self, values: Point, inputs: Call) -> list[Tensor]:
        """The outputs of the graph, on inputs of the shapes that it was recorded with."""
        given = [leaf for _, leaf in leaves(Inputs(*inputs)) if isinstance(leaf, Tensor)]
        named = {op.key: value for op, value in zip(self.graph.inputs, given, strict=True)}
        for op in self.graph.inputs:
            if tuple(named[op.key].shape) != tuple(op.shape or ()):
                raise ValueError(f"input {op.key} has another shape than it was recorded with")
        return [t for t in execute(self.graph, values, named, values, self.adjust)
                if t.is_floating_point() or t.is_complex()]  # fmt: skip


def differentiable(plain: Function, seed: int) -> bool:
    """Whether a model can be differentiated, and its derivatives are those of its function."""
    rng = torch.Generator().manual_seed(seed)
    theta = plain.random_point(rng)
    plain(theta)  # what fails here is no matter of derivatives
    try:
        return honest(plain, theta, plain.inputs, rng)
    except (RuntimeError, NotImplementedError):
        return False


def agrees(traced: Function, plain: Function, inputs: Sequence[InputsLike], seed: int) -> bool:
    """Whether a graph gives what the model does, at random points and on several inputs."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(_POINTS):
        theta = plain.random_point(rng)
        for one in inputs[:_INPUTS]:
            value, other = plain(theta, one), traced(theta, one)
            if value.shape != other.shape or float((value - other).norm()) > _AGREE * (
                float(value.norm()) or 1.0
            ):
                return False
    return True
