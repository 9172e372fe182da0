"""Finite transformations: exp(tX) is applied to inputs, and outputs are compared."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.transforms.action import Action
from symfind.transforms.fields import Dictionary
from symfind.transforms.oracle import Oracle, Values

STEP = 0.5  # how far inputs move, relative to their size
SAMPLES = 32
HOLDS = 1e-8  # relative change of the outputs, above which a transformation changes them
_SHRINKINGS = 4


@dataclass(frozen=True)
class Flow:
    """What a finite transformation does to the outputs.

    Attributes:
        moved: how far it moved the inputs, relative to their size.
        residual: change of the outputs, relative to that along a random displacement as long.
        compared: samples at which the function was finite before and after.
    """

    moved: float
    residual: float
    compared: int


def follow(
    oracle: Oracle,
    action: Action,
    dictionary: Dictionary,
    coefficients: Tensor,
    values: Values,
    rng: torch.Generator,
) -> Flow:
    """Apply exp(tX) to the inputs, with t such that each moves by about half of its size.

    Args:
        oracle: the function.
        action: what moves.
        dictionary: of the field.
        coefficients: of the field, [n, monomials].
        values: the inputs.
        rng: of the displacements that are compared with.
    """
    x = action.coordinates(values)
    speed = dictionary.field(coefficients, x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    # near a point that stays, time would be endless
    t = STEP / speed.clamp(min=max(0.1 * float(speed.median()), 1e-300))
    before = oracle(values)
    flow = Flow(0.0, float("inf"), 0)
    for _ in range(_SHRINKINGS):
        moved = dictionary.flow(coefficients, x, t)
        flow = _compared(oracle, action, values, x, moved, before, rng)
        if flow.compared > len(x) // 2:
            break
        t = t / 2.0  # the flow left the domain of the function
    return flow


def _compared(
    oracle: Oracle,
    action: Action,
    values: Values,
    x: Tensor,
    moved: Tensor,
    before: Tensor,
    rng: torch.Generator,
) -> Flow:
    step = (moved - x).flatten(1).norm(dim=1)
    noise = torch.randn(x.shape, generator=rng, dtype=x.dtype)
    noise *= (step / noise.flatten(1).norm(dim=1))[:, None, None]
    fine = torch.isfinite(moved).all(2).all(1)
    safe = torch.where(fine[:, None, None], moved, x)
    after = oracle(action.moved(values, safe))
    beside = oracle(action.moved(values, torch.where(fine[:, None, None], x + noise, x)))
    fine &= torch.isfinite(after).all(1)
    kept = fine & torch.isfinite(beside).all(1)
    if not bool(kept.any()):
        return Flow(0.0, float("inf"), 0)
    change = float((after - before)[kept].square().mean().sqrt())
    control = float((beside - before)[kept].square().mean().sqrt())
    size = float((step[kept] / x[kept].flatten(1).norm(dim=1)).mean())
    return Flow(size, change / control if control else float("inf"), int(kept.sum()))
