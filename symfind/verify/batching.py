"""How a model is evaluated at many inputs, or many points, at once (`torch.func.vmap`)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from symfind.verify import recurrent

_aten = torch.ops.aten


@contextmanager
def batching() -> Iterator[None]:
    """Spell out operations whose own kernels know of no batches, in silence.

    That an operation is batched by a loop is no news, nor where a backward pass says so, or that
    it makes room for a batch.
    """
    with warnings.catch_warnings(), Spelled():
        warnings.filterwarnings("ignore", "There is a performance drop")
        warnings.filterwarnings("ignore", "An output with one or more elements was resized")
        said = torch._C._functorch._set_vmap_fallback_warning_enabled  # type: ignore[attr-defined]
        said(False)
        try:
            yield
        finally:
            said(True)


class Spelled(TorchFunctionMode):
    """Evaluates weight normalisation, one-hot vectors and recurrences by their definitions."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, or what replaces it."""
        return _SPELLED.get(func, func)(*args, **(kwargs or {}))


def _normed(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """The direction of v in all axes but one, times g (Salimans and Kingma, 2016)."""
    others = [axis for axis in range(v.ndim) if axis != dim]
    return v * (g / v.square().sum(others, keepdim=True).sqrt())


def _one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """One where the class of an entry is, and zero elsewhere; without a look at any value."""
    if num_classes < 0:  # as many as the largest entry says
        return F.one_hot(tensor, num_classes)
    return (tensor[..., None] == torch.arange(num_classes, device=tensor.device)).long()


_SPELLED: dict[Any, Any] = {
    torch._weight_norm: _normed, _aten._weight_norm.default: _normed,
    F.one_hot: _one_hot, _aten.one_hot.default: _one_hot,
    **recurrent.SPELLED,
}  # fmt: skip
