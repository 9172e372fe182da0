"""Canonical forms: one call that fixes a checkpoint and proves what is fixed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.checkpoint import Checkpoint, read_checkpoint
from symfind.orbit.element import change
from symfind.orbit.fix import Form, Proof, move, proof_of
from symfind.orbit.walk import Walk
from symfind.session.acting import HOLDS, Weights, held
from symfind.session.session import Output, Session, Tell, open

MEASURED = 3000  # parameters, up to which the Jacobian is formed


@dataclass(frozen=True)
class Fixed:
    """A checkpoint in a form of its orbit.

    Attributes:
        weights: by the names and in the dtypes of the file.
        frozen: for every parameter, which entries are to be held so that no symmetry is left;
            empty where there are too many directions to choose.
        proof: that nothing is left.
        element: what led there.
        residual: change of the outputs in float64, relative to their size.
        rounded: the same when the result is rounded to the dtypes of the file.
        form: pins, balanced or canonical.
        notes: where there is no unique form, and why.
        unrest: the part of the weights that the last sweep towards the gauge moved; zero where
            it was reached.
    """

    weights: dict[str, Tensor] = field(repr=False)
    frozen: dict[str, Tensor] = field(repr=False)
    proof: Proof
    element: Element = field(repr=False)
    residual: float
    rounded: float
    form: Form
    notes: tuple[str, ...]
    unrest: float = 0.0

    def to_json(self) -> str:
        """What was found, without the weights."""
        return json.dumps(
            {
                "schema": "symfind.fixed/1",
                "form": self.form,
                "proof": asdict(self.proof),
                "residual": self.residual,
                "rounded": self.rounded,
                "notes": list(self.notes),
                "gauge": {"at_rest": not self.unrest, "step": self.unrest},
                "frozen": {n: int(m.sum()) for n, m in self.frozen.items() if bool(m.any())},
                "element": self.element.to_dict(),
            },
            indent=2,
        )


def fix(
    model: nn.Module | str,
    weights: Weights,
    example_inputs: Any = None,
    form: Form = "canonical",
    output: Output = "raw",
    device: str = "cpu",
    seed: int = 0,
    *,
    discover: bool = False,
    progress: Tell = None,
    **options: Any,
) -> Fixed:
    """Move a checkpoint to a form of its orbit, and prove that nothing is left to choose.

    Args:
        model: a module, or a spec as on the command line.
        weights: a safetensors file, a torch file without code, or tensors by name.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        form: "pins" (entries zero or one), "balanced" (the least norm, with gains at one), or
            "canonical" (one representative of the orbit: balanced bonds and scales, translations
            pinned, the rest ordered by singular values and norms, signs by cubes).
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        device: where the model is evaluated.
        seed: of random elements and inputs.
        discover: act by what discovery finds, too; for models that it can look at (small ones).
        progress: called with a line on what is being done.
        options: as of `symfind.open`.

    Raises:
        InputError: the form is none, or the checkpoint has NaN.
        LoadError: the spec or the checkpoint cannot be loaded.
        TraceError: the model cannot be traced.
    """
    if form not in ("pins", "balanced", "canonical"):
        raise InputError(f"there is no form {form!r}: pins, balanced, canonical")
    session = open(model, example_inputs, output, device, seed, progress=progress, **options)
    checkpoint = read_checkpoint(session.loaded.model, weights)
    tell = progress or (lambda text: None)
    tell("moving along the orbit")
    walk = Walk(session.whole_group if discover else session.group, checkpoint.state)
    walk.tell = tell
    function = session.subject.function()
    move(walk, form, lambda state: change(function, checkpoint.state, state) <= HOLDS)
    residual = held(session, checkpoint, walk.state)
    tell("what is left")
    frozen, proof = _proof(session, checkpoint, walk, form)
    return Fixed(
        checkpoint.replaced(walk.state), frozen, proof, walk.element, residual,
        change(session.subject.function(), checkpoint.state, checkpoint.rounded(walk.state)),
        form, tuple(walk.notes), walk.unrest,
    )  # fmt: skip


def _proof(
    session: Session, checkpoint: Checkpoint, walk: Walk, form: Form
) -> tuple[dict[str, Tensor], Proof]:
    return proof_of(
        walk, checkpoint.state, form, walk.group.directions, session.subject.function(),
        session.subject.fresh(), MEASURED, session.seed,
    )  # fmt: skip


def mask_file(frozen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks as bytes, which every format holds: one where an entry is held."""
    return {n: m.to(torch.uint8) for n, m in frozen.items()}
