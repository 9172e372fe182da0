"""Teleportation: one call that moves a checkpoint along its orbit towards another goal."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.checkpoint import distance, read_checkpoint
from symfind.orbit.element import change
from symfind.orbit.objective import Loss, Objective
from symfind.orbit.teleport import GOALS, Goal
from symfind.orbit.teleport import teleport as moved
from symfind.orbit.walk import Walk
from symfind.session.acting import Weights, held
from symfind.session.session import Output, Tell, open


@dataclass(frozen=True)
class Teleported:
    """A checkpoint elsewhere on its orbit.

    Attributes:
        weights: by the names and in the dtypes of the file.
        objective: what was lowered or raised.
        before: its value at the checkpoint.
        after: its value where the checkpoint was moved to.
        element: what led there.
        residual: change of the outputs in float64, relative to their size.
        rounded: the same when the result is rounded to the dtypes of the file.
        moved: change of the trained tensors, relative to their size.
    """

    weights: dict[str, Tensor] = field(repr=False)
    objective: Goal
    before: float
    after: float
    element: Element = field(repr=False)
    residual: float
    rounded: float
    moved: float

    def to_json(self) -> str:
        """What was done, without the weights."""
        return json.dumps(
            {
                "schema": "symfind.teleported/1",
                "objective": self.objective,
                "before": self.before,
                "after": self.after,
                "residual": self.residual,
                "rounded": self.rounded,
                "moved": self.moved,
                "element": self.element.to_dict(),
            },
            indent=2,
        )


def teleport(
    model: nn.Module | str,
    weights: Weights,
    objective: Goal,
    example_inputs: Any = None,
    output: Output = "raw",
    device: str = "cpu",
    seed: int = 0,
    *,
    data: Iterable[Any] | None = None,
    loss: Loss | None = None,
    steps: int = 10,
    radius: float | None = None,
    maximise: bool = False,
    discover: bool = False,
    progress: Tell = None,
    **options: Any,
) -> Teleported:
    """Move a checkpoint along its orbit to where something else than its function is better.

    Args:
        model: a module, or a spec as on the command line.
        weights: a safetensors file, a torch file without code, or tensors by name.
        objective: "grad-norm" (squared norm of the gradient), "sharpness" or "trace" (largest
            eigenvalue or trace of the Hessian), or "norm" (squared norm of the weights).
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        device: where the model is evaluated.
        seed: of probes.
        data: batches, pairs of inputs and targets.
        loss: of outputs and targets; cross entropy or squared error without.
        steps: rounds of L-BFGS.
        radius: bound on the norm of all coefficients together.
        maximise: raise it instead; needs a radius.
        discover: act by what discovery finds, too; for models that it can look at (small ones).
        progress: called with a line on what is being done.
        options: as of `symfind.open`.

    Raises:
        InputError: the objective is none, has no bound or no data, or the checkpoint has NaN.
        LoadError: the spec or the checkpoint cannot be loaded.
        TraceError: the model cannot be traced.
    """
    if objective not in GOALS:
        raise InputError(f"there is no objective {objective!r}: {', '.join(GOALS)}")
    if radius is not None and not radius > 0:
        raise InputError("the radius is to be positive")
    session = open(model, example_inputs, output, device, seed, progress=progress, **options)
    checkpoint = read_checkpoint(session.loaded.model, weights)
    of_loss = None
    if data is not None:
        of_loss = Objective.of(session.loaded.model, data, loss, torch.float64)
    walk = Walk(session.whole_group if discover else session.group, checkpoint.state)
    tell = progress or (lambda text: None)
    before, after = moved(walk, objective, of_loss, steps, radius, maximise, tell, seed)
    residual = held(session, checkpoint, walk.state)
    return Teleported(
        checkpoint.replaced(walk.state), objective, before, after, walk.element, residual,
        change(session.subject.function(), checkpoint.state, checkpoint.rounded(walk.state)),
        distance(checkpoint.state, walk.state, list(session.group.shapes)),
    )  # fmt: skip
