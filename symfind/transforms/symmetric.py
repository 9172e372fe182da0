"""Whether a function is invariant or equivariant under a finite group, element by element."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.transforms.groups import FiniteGroup
from symfind.transforms.motion import Motion
from symfind.transforms.oracle import Oracle, Values

HOLDS = 1e-8  # relative change of the outputs
FITTED = 64  # outputs, up to which a representation is fitted
SPARE = 20  # samples beyond the unknowns


@dataclass(frozen=True)
class Outcome:
    """How one output answers the group.

    Attributes:
        kind: `invariant`, `equivariant` or `neither`.
        how: along which axes the output moves, in words.
        residuals: of the best of the ways that were tried, by element.
        characters: of what acts on the output, where that is known.
    """

    kind: str
    how: str
    residuals: Tensor
    characters: Tensor | None


def outcome(
    group: FiniteGroup,
    before: Tensor,
    after: Sequence[Tensor],
    ways: Sequence[tuple[str, Motion]],
) -> Outcome:
    """Compare outputs at x and at g x.

    Args:
        group: the group.
        before: outputs at samples, [samples, ...].
        after: the same at samples moved by each element.
        ways: in which the output may move, in words and as an action; standing still first.
    """
    spread = float((before - before.roll(1, 0)).square().mean().sqrt()) or 1.0
    best: Outcome | None = None
    for how, motion in ways:
        errors = [
            float((y - over(motion, before, g)).square().mean().sqrt()) / spread
            for g, y in enumerate(after)
        ]
        residuals = torch.tensor(errors, dtype=torch.float64)
        if bool((residuals <= HOLDS).all()):
            kind = "invariant" if motion.still else "equivariant"
            traces = [motion.trace(tuple(before.shape[1:]), g) for g in range(len(group.elements))]
            shifted = torch.tensor(traces, dtype=torch.float64)
            return Outcome(kind, how, residuals, shifted)
        if best is None or float(residuals.max()) < float(best.residuals.max()):
            best = Outcome("neither", how, residuals, None)
    fitted = _fitted(_rows(before), [_rows(y) for y in after], spread)
    if fitted is not None and bool((fitted[0] <= HOLDS).all()):
        return Outcome("equivariant", "a linear action that was fitted", *fitted)
    assert best is not None
    return best


def _rows(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1)


def _fitted(before: Tensor, after: Sequence[Tensor], spread: float) -> tuple[Tensor, Tensor] | None:
    """Linear maps of the outputs from half of the samples, and their residuals at the others."""
    half = len(before) // 2
    if before.shape[1] > FITTED or half < before.shape[1] + SPARE:
        return None
    inverse = torch.linalg.pinv(before[:half], rtol=1e-10)
    residuals, traces = [], []
    for y in after:
        matrix = (inverse @ y[:half]).T
        error = y[half:] - before[half:] @ matrix.T
        residuals.append(float(error.square().mean().sqrt()) / spread)
        traces.append(float(matrix.diagonal().sum()))
    return torch.tensor(residuals).double(), torch.tensor(traces).double()


def samples(oracle: Oracle, count: int, seed: int) -> list[Tensor]:
    """Random values of the varied inputs, about the size of the example."""
    rng = torch.Generator().manual_seed(seed)
    found = []
    for example in oracle.example:
        shape = (count, *example.shape[1:])
        kind = torch.complex128 if example.is_complex() else torch.float64
        found.append(torch.randn(shape, generator=rng, dtype=kind))
    return found


def over(motion: Motion, values: Tensor, g: int) -> Tensor:
    """Every sample moved by an element."""
    return motion.later(1).apply(values, g)


def moved_values(motions: Sequence[Motion | None], values: Values, g: int) -> list[Tensor]:
    """Inputs of samples moved by an element; those without a motion as they are."""
    pairs = zip(motions, values, strict=True)
    return [v if motion is None else over(motion, v, g) for motion, v in pairs]
