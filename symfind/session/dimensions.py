"""What the count means at a checkpoint: one call for the Fisher matrix modulo the orbit."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.orbit.checkpoint import read_checkpoint
from symfind.orbit.effective import Effective, effective
from symfind.orbit.objective import Batch, Loss, Objective, checked
from symfind.session.acting import Weights
from symfind.session.session import Output, Tell, open

SCHEMA = "symfind.dims.checkpoint/1"
MOST = 4000  # parameters, up to which dense algebra is done


@dataclass(frozen=True)
class Dims:
    """Dimensions of a checkpoint on data.

    Attributes:
        parameters: trainable scalars.
        orbit: dimension of the orbit at the checkpoint, inert entries among it.
        rank: of the Fisher matrix.
        found: all that was measured.
    """

    parameters: int
    orbit: int
    rank: int
    found: Effective = field(repr=False)

    @property
    def effective(self) -> int:
        """Parameters minus the orbit."""
        return self.parameters - self.orbit

    @property
    def flat(self) -> int:
        """Effective directions in which the Fisher matrix is zero on this data."""
        return self.effective - self.rank

    @property
    def learning_coefficient(self) -> float:
        """d/2: an upper bound of the learning coefficient (Watanabe), equal at regular points."""
        return self.rank / 2

    @property
    def corrected(self) -> float:
        """log pdet F − log det ΞᵀΞ at the representative of the orbit."""
        return self.found.reference.corrected

    @property
    def description_length(self) -> float:
        """d/2 log(N/2π) + ½ of the corrected determinant, in nats."""
        return self.rank / 2 * math.log(self.found.samples / (2 * math.pi)) + self.corrected / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = self.found
        return {
            "schema": SCHEMA,
            "parameters": self.parameters,
            "orbit": self.orbit,
            "effective": self.effective,
            "samples": found.samples,
            "outputs": found.outputs,
            "fisher": {
                "rank": self.rank,
                "clear": found.reference.clear,
                "flat": self.flat,
                "spectrum": found.reference.spectrum.tolist(),
                "log_pdet": found.here.log_pdet,
                "log_orbit": found.here.log_orbit,
                "corrected": self.corrected,
                "gauge": {
                    "log_pdet": found.image.log_pdet,
                    "log_orbit": found.image.log_orbit,
                    "corrected": found.again.corrected,
                },
            },
            "description_length": self.description_length,
            "learning_coefficient": {"at_most": self.learning_coefficient},
            "sensitivity": {
                "gauge": found.here.null,
                "largest": float(found.here.spectrum[0]) if len(found.here.spectrum) else 0.0,
                "random": found.random,
                "top": found.top,
                "overlap": found.overlap,
            },
            "scores": [
                {"site": s.site, "element": s.element, "values": s.values.tolist()}
                for s in found.scores
            ],
            "scores_change": found.change,
            "notes": list(found.notes),
        }

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def dims(
    model: nn.Module | str,
    weights: Weights,
    data: Iterable[Any],
    example_inputs: Any = None,
    output: Output | None = None,
    seed: int = 0,
    *,
    loss: Loss | None = None,
    progress: Tell = None,
    **options: Any,
) -> Dims:
    """Measure which directions of a checkpoint data can see, and how much they cost.

    The Fisher matrix of the model's predictions is zero along the orbit. Across it, its rank, its
    spectrum and its determinant with the correction by the orbit's fields are the same in every
    gauge; they are computed at a representative, and a second time from a random image.

    Args:
        model: a module, or a spec as on the command line.
        weights: a safetensors file, a torch file without code, or tensors by name.
        data: batches, pairs of inputs and targets: classes (logits in the last dimension), or real
            numbers (a Gaussian of unit variance).
        example_inputs: tensor, tuple or dict; those of the first batch without.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
            Without, "softmax" for classes, because their distribution does not see it either.
        seed: of random elements.
        loss: of outputs and targets, convex in the outputs; its curvature stands in for theirs.
        progress: called with a line on what is being done.
        options: as of `symfind.open`.

    Raises:
        InputError: there is no data, the checkpoint has NaN, or there are too many parameters.
        LoadError: the spec or the checkpoint cannot be loaded.
        TraceError: the model cannot be traced.
    """
    batches = checked(data, "the data")
    if example_inputs is None and isinstance(model, nn.Module):
        example_inputs = batches[0][0]
    if output is None:
        output = "softmax" if loss is None and of_classes(batches) else "raw"
    session = open(model, example_inputs, output, "cpu", seed, progress=progress, **options)
    checkpoint = read_checkpoint(session.loaded.model, weights)
    group = session.group
    count = sum(math.prod(s) for s in group.shapes.values())
    fields = sum(s.family.count() for s in group.sites.values())
    if count > MOST:
        raise InputError(
            f"{count:,} parameters are too many: the Fisher matrix is formed up to {MOST:,}"
        )
    if fields > 4 * MOST:
        raise InputError(f"{fields:,} directions are too many for dense algebra")
    group.parameters(checkpoint.state)
    objective = Objective.of(session.loaded.model, batches, loss, torch.float64)
    found = effective(group, checkpoint.state, objective, progress or (lambda text: None), seed)
    return Dims(count, found.here.orbit, found.reference.rank, found)


def of_classes(batches: Sequence[Batch]) -> bool:
    """Whether targets are classes."""
    return all(isinstance(y, Tensor) and not y.is_floating_point() for _, y in batches)
