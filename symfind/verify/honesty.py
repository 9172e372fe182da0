"""Whether the derivatives of a model are those of its function.

A detached tensor, a custom backward pass, or an operation whose derivative is missing and silently
zero makes directions look null that are not.
"""

import torch

from symfind.verify.function import Function, InputsLike, Point

AGREE = 1e-3  # kinks within a step cost accuracy; a derivative that lies is wrong at order one
# of the size of the weights: few kinks lie within them, and rounding costs 1e-8 to 1e-6; the
# shorter ones where a function is steep, whose kinks lie close
STEPS = (1e-7, 1e-8, 1e-9)
DISHONEST = (
    "the derivatives of the model are not those of its function (a detached tensor, a custom "
    "backward, or an operation without a right one): null directions cannot be measured"
)


def honest(function: Function, theta: Point, inputs: InputsLike, rng: torch.Generator) -> bool:
    """Whether reverse derivatives agree with differences of values, on a random projection.

    A derivative that lies does so however short the step is.
    """
    direction = {n: torch.randn(theta[n].shape, generator=rng, dtype=torch.float64).to(theta[n])
                 for n in function.names}  # fmt: skip
    call = function.place(inputs)
    flat = torch.cat([direction[n].reshape(-1) for n in function.names])
    for step in STEPS:
        seen = function.difference(theta, direction, call, step)
        weights = torch.randn(seen.shape, generator=rng, dtype=torch.float64).to(seen)
        (row,) = function.pullback(theta, call, weights[None])
        claimed, measured = float(row @ flat), float(weights @ seen)
        if abs(claimed - measured) <= AGREE * (abs(measured) + float(seen.norm())):
            return True
    return False
