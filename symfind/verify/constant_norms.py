"""Normalisation by constants, written out.

Torch has one kernel for the derivative of batch normalisation in training and in evaluation. Of
torch 2.13 on a CPU it is wrong in evaluation for a gradient laid out with the channels last that
stands for a batch of one; products and sums have no such kernel.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_PLACES = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
_NAMES: dict[Any, tuple[str, ...]] = {
    F.batch_norm: ("input", "running_mean", "running_var", "weight", "bias", *_PLACES[5:]),
    torch.batch_norm: _PLACES,
    torch.ops.aten.batch_norm.default: _PLACES,
}


def constant_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The value of a call of batch normalisation by running statistics, None for all others."""
    if func not in _NAMES:
        return None
    given: dict[str, Any] = {"weight": None, "bias": None, "training": False, "eps": 1e-5}
    given |= dict(zip(_NAMES[func], args, strict=False)) | dict(kwargs)
    x, mean, var = (given[n] for n in ("input", "running_mean", "running_var"))
    if given["training"] or mean is None or var is None:
        return None
    scale = (var + given["eps"]).rsqrt()
    if given["weight"] is not None:
        scale = scale * given["weight"]
    along = [-1, *[1] * (x.ndim - 2)]
    y: Tensor = (x - mean.reshape(along)) * scale.reshape(along)
    return y if given["bias"] is None else y + given["bias"].reshape(along)
