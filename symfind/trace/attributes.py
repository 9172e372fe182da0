"""What tensors without values say about themselves while a model runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from symfind.trace.memory import State
from symfind.trace.recorder import DataDependent, Recorder
from symfind.trace.views import Unrecordable

_DEVICE = Tensor.device.__get__  # type: ignore[attr-defined]
_DATA = Tensor.data.__get__  # type: ignore[attr-defined]
_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]
_VALUES = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
_FLAGS = {
    Tensor.is_meta.__get__: False,  # type: ignore[attr-defined]
    Tensor.is_cpu.__get__: True,  # type: ignore[attr-defined]
}


class Pretence(TorchFunctionMode):
    """Lets tensors on meta pretend to be where the model is, and watches what Python reads."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, unless it asks for what a tensor without values cannot say."""
        if func is _DEVICE:
            device = func(*args)
            return self.recorder.device if device.type == "meta" else device
        if func in _FLAGS:
            return _FLAGS[func] if args[0].is_meta else func(*args)
        if func is _DATA:
            return args[0].detach()
        if func is _SET_DATA:
            return self._replace(*args)
        if func in _VALUES:
            self._check(args[0])
        return func(*args, **(kwargs or {}))

    def _check(self, tensor: Tensor) -> None:
        state = self.recorder.wire(tensor).cell.state
        if state is State.VARYING:
            raise DataDependent("number")
        if state is State.UNKNOWN:
            raise Unrecordable("a constant whose value is not known is read")

    def _replace(self, tensor: Tensor, value: Tensor) -> None:
        """``tensor.data = value``: the values of another one, where shapes agree."""
        if tensor.shape != value.shape or tensor.dtype != value.dtype:
            raise Unrecordable("a tensor is given other data of another shape")
        tensor.copy_(value)
