"""Points at which small changes do not grow from layer to layer until rounding is seen.

Where every layer's output has unit spread, derivatives grow exponentially with the depth (Yang et
al., A mean field theory of batch normalization, 2019), and so does rounding at some points of deep
networks.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.verify.sampling import random_direction

Theta = Mapping[str, Tensor]

_CALMINGS, _CALM = 8, 0.9  # of the weights of a point at which rounding is seen, and by which part
_SENSITIVE = 1e4  # relative change of the output by that of the parameters
_SHAKEN = 1e-8  # the latter, where it is measured


def calmed(
    function: Callable[[Theta], Tensor], theta: dict[str, Tensor], value: Tensor | None
) -> dict[str, Tensor]:
    """The point, with smaller weights where the function is too sensitive there.

    Args:
        function: of the parameters.
        theta: the point.
        value: of the function there, where that is known.
    """
    for _ in range(_CALMINGS):
        if sensitivity(function, theta, value) < _SENSITIVE:
            break
        theta, value = {n: v * _CALM if v.dim() > 1 else v for n, v in theta.items()}, None
    return theta


def sensitivity(
    function: Callable[[Theta], Tensor], theta: Theta, value: Tensor | None = None
) -> float:
    """Relative change of the output under a small random one of all parameters."""
    rng = torch.Generator().manual_seed(0)
    shaken = {
        n: v * random_direction(v.shape, rng).to(v).mul_(_SHAKEN).add_(1.0)
        for n, v in theta.items()
    }  # fmt: skip
    try:
        value = function(theta) if value is None else value
        change = float((function(shaken) - value).norm())
    except InputError:
        return 0.0
    return change / (_SHAKEN * (float(value.norm()) or math.inf))
