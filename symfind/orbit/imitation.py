"""A loss without data: how far the outputs between two checkpoints are from those of both.

Inputs are drawn at random, with the mean and the spread of the example's. What a network on the
segment makes of them should lie between what its ends make of them (Hinton et al., "Distilling the
knowledge in a neural network", 2015, with two teachers). Where it does, no loss that is convex in
the outputs has a barrier.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.load import Inputs
from symfind.load.inputs import leaves, map_leaves
from symfind.orbit.group import State
from symfind.orbit.objective import Objective

_BATCHES = 30

Draw = Callable[[torch.Generator], Inputs]


def imitation(
    model: nn.Module, example: Inputs, draw: Draw, a: State, b: State, seed: int
) -> Objective:
    """The mean squared distance of outputs from the segment between those of two checkpoints.

    Args:
        model: whose weights are never read.
        example: inputs whose real numbers have the mean and the spread that is wanted.
        draw: draws inputs that the model takes.
        a: the first checkpoint.
        b: the second one.
        seed: of the inputs.

    Raises:
        InputError: the model fails on what is drawn, or none of its outputs are real numbers.
    """
    rng = torch.Generator().manual_seed(seed)
    drawn = [like(draw(rng), example) for _ in range(_BATCHES)]
    objective = Objective.of(model, [(x, ()) for x in drawn], beside_segment)
    objective = replace(objective, picked=together)
    both = [objective.values(state) for state in (a, b)]
    with torch.no_grad():
        ends = [torch.stack([objective.outputs(values, x) for values in both]) for x in drawn]
    batches = list(zip(drawn, ends, strict=True))
    return replace(objective, batches=batches, seen=batches)


def like(inputs: Inputs, example: Inputs) -> Inputs:
    """Inputs in single precision, of which real tensors have the moments of those of an example."""
    given = dict(leaves(example))

    def moved(key: str, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        of = given[key].double()
        spread = float(of.std()) if of.numel() > 1 else 0.0
        centred = leaf - leaf.mean()
        unit = centred / centred.square().mean().sqrt().clamp_min(1e-300)
        return (unit * (spread or 1.0) + float(of.mean())).float()

    return map_leaves(inputs, moved)


def together(outputs: Sequence[Tensor]) -> Tensor:
    """All outputs that are real numbers, side by side for each example: [examples, numbers].

    Raises:
        InputError: there are none.
    """
    real = [y for y in outputs if y.is_floating_point()]
    if not real:
        raise InputError("an alignment without data needs outputs that are real numbers")
    examples = {len(y) if y.ndim else 1 for y in real}
    rows = examples.pop() if len(examples) == 1 else 1  # as one where they have not as many
    return torch.cat([y.reshape(rows, -1) for y in real], 1)


def beside_segment(outputs: Tensor, ends: Tensor) -> Tensor:
    """Mean squared distance of the outputs for each example from the segment between two of them.

    Args:
        outputs: [examples, numbers].
        ends: [2, examples, numbers].
    """
    one, two = ends.to(outputs)
    along = two - one
    length = along.square().sum(-1, keepdim=True).clamp_min(torch.finfo(along.dtype).tiny)
    part = ((outputs - one) * along).sum(-1, keepdim=True) / length
    return (outputs - one - part.clamp(0.0, 1.0) * along).square().mean()
