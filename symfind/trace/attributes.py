"""What tensors without values say about themselves while a model runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from symfind.trace.memory import State
from symfind.trace.recorder import DataDependent, Recorder
from symfind.trace.unread import Unread
from symfind.trace.views import Unrecordable


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
        answer = _ANSWERS.get(func)
        if answer is not None:
            return answer(self.recorder, func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _device(recorder: Recorder, func: Any, tensor: Tensor) -> torch.device:
    found: torch.device = func(tensor)
    return recorder.device if found.type == "meta" else found


def _is_meta(recorder: Recorder, func: Any, tensor: Tensor) -> bool:
    return False


def _is_cpu(recorder: Recorder, func: Any, tensor: Tensor) -> bool:
    return bool(func(tensor)) or (tensor.is_meta and recorder.device.type == "cpu")


def _data(recorder: Recorder, func: Any, tensor: Tensor) -> Tensor:
    return tensor.detach()


def _set_data(recorder: Recorder, func: Any, tensor: Tensor, value: Tensor) -> None:
    """``tensor.data = value``: the values of another one, where shapes agree."""
    if tensor.shape != value.shape or tensor.dtype != value.dtype:
        raise Unrecordable("a tensor is given other data of another shape")
    tensor.copy_(value)


def _item(recorder: Recorder, func: Any, tensor: Tensor) -> Any:
    if recorder.ledger.wire(tensor).cell.state is State.VARYING and tensor.numel() == 1:
        return Unread(recorder.decide)
    return func(tensor)


def _shown(recorder: Recorder, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> str:
    if recorder.ledger.wire(tensor).cell.state is not State.KNOWN:
        return "?"
    return str(func(tensor, *args, **kwargs))


def _values(recorder: Recorder, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    state = recorder.ledger.wire(tensor).cell.state
    if state is State.VARYING:
        raise DataDependent("number")
    if state is State.UNKNOWN:
        raise Unrecordable("a constant whose value is not known is read")
    return func(tensor, *args, **kwargs)


def _indexed(recorder: Recorder, func: Any, tensor: Tensor, index: Any, *value: Any) -> Any:
    return func(tensor, _indices(index), *value)


def _indices(index: Any) -> Any:
    """Places in lists as tensors: torch would make tensors without values of them."""
    if isinstance(index, list) and not any(isinstance(i, Tensor | slice) for i in index):
        return torch.tensor(index)
    if isinstance(index, tuple):
        return tuple(_indices(i) for i in index)
    return index


def _new_tensor(recorder: Recorder, func: Any, tensor: Tensor, data: Any, **kwargs: Any) -> Tensor:
    return torch.tensor(data, **{"dtype": tensor.dtype, **kwargs})


_getters: Any = Tensor
_ANSWERS: dict[Any, Callable[..., Any]] = {
    _getters.device.__get__: _device,
    _getters.is_meta.__get__: _is_meta,
    _getters.is_cpu.__get__: _is_cpu,
    _getters.data.__get__: _data,
    _getters.data.__set__: _set_data,
    Tensor.item: _item,
    Tensor.__format__: _shown,
    Tensor.__repr__: _shown,
    Tensor.tolist: _values,
    Tensor.numpy: _values,
    Tensor.__array__: _values,
    Tensor.__getitem__: _indexed,
    Tensor.__setitem__: _indexed,
    Tensor.new_tensor: _new_tensor,
}
