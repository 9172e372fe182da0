"""Building a model without memory for its parameters, and without leaving a trace."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

_HUGE = 2**28  # elements: a gibibyte in float32
_FROZEN = 2**22  # entries of a parameter that is made frozen, up to which it keeps its values
_REAL = 2**31  # parameters of a model that is built with values, if it must
_DRAWS = {
    "normal_",
    "uniform_",
    "trunc_normal_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "xavier_normal_",
    "xavier_uniform_",
}  # in place: methods, and initialisers under their names
_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full}


@contextmanager
def meta_parameters() -> Iterator[None]:
    """Move every parameter to the meta device as soon as a module registers it.

    Buffers stay real: rotary frequencies, masks and position indices are constants of the graph
    whose values the analysis needs, while the values of the parameters are drawn at random anyway.
    So do parameters that are made frozen, unless they are large: the bias by which a router
    balances its experts is zero, and one that is drawn chooses the same experts for every token; a
    table of sines turns queries and keys, and one that is drawn does not.
    """
    moved = WeakIdKeyDictionary()

    def move(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta or isinstance(parameter, UninitializedParameter):
            return parameter
        if not parameter.requires_grad and parameter.numel() <= _FROZEN:
            return parameter
        # one parameter registered twice must stay one parameter
        if parameter not in moved:
            empty = parameter.detach().to("meta")
            moved[parameter] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
        return moved[parameter]  # type: ignore[no-any-return]

    handle = register_module_parameter_registration_hook(move)  # type: ignore[arg-type]
    try:
        yield
    finally:
        handle.remove()


class _HugeOnMeta(TorchFunctionMode):
    """Gives tensors that no memory may hold no storage from the start, and draws nothing for those.

    Where there are no values to draw, to find that out takes longer than all else that makes a
    layer: half a millisecond a tensor.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("device") is None:
            empty = func(*args, **{**kwargs, "device": "meta"})
            if empty.numel() > _HUGE:
                return empty
        if getattr(func, "__name__", "") in _DRAWS:
            drawn = args[0] if args else kwargs.get("tensor")
            if isinstance(drawn, torch.Tensor) and drawn.is_meta:
                return drawn
        return func(*args, **kwargs)


_with_values: ContextVar[bool] = ContextVar("_with_values", default=False)


@contextmanager
def with_values() -> Iterator[None]:
    """Models that are built inside have parameters with the values that they are given."""
    token = _with_values.set(True)
    try:
        yield
    finally:
        _with_values.reset(token)


def keeps_values() -> bool:
    """Whether models are built with values."""
    return _with_values.get()


def build_light(build: Callable[[], nn.Module]) -> nn.Module:
    """Call a constructor so that its parameters end on meta and its buffers hold their values.

    Most constructors never look at the values of their parameters. Those that do, or that create
    buffers on the device of a parameter, are called really, if memory allows. Inside
    `with_values` it is simply called.
    """
    if keeps_values():
        return build()
    try:
        with meta_parameters(), _HugeOnMeta():
            model = build()
    except Exception as error:
        _fails_anyway(build, error)
        return _emptied(build())
    lost = any(buffer.is_meta for buffer in model.buffers())
    if lost and sum(p.numel() for p in model.parameters()) < _HUGE:
        return _emptied(build())
    return model


def _fails_anyway(build: Callable[[], nn.Module], error: Exception) -> None:
    """Raise the error of a constructor that fails without any memory as well, or is too large.

    To call it really would fill the memory first.
    """
    try:
        with torch.device("meta"):
            model = build()
    except Exception as second:
        same = type(second) is type(error) and str(second) == str(error)
        if same and "meta" not in str(error):  # else it may be for want of values alone
            raise error from None
        return
    size = sum(p.numel() for p in model.parameters())
    if size > _REAL:
        raise MemoryError(
            f"its constructor looks at the values of {size:,} parameters, which fit in no memory: "
            "choose smaller sizes"
        ) from error


def _emptied(model: nn.Module) -> nn.Module:
    with meta_parameters():
        for module in model.modules():
            for name, parameter in list(module._parameters.items()):
                module.register_parameter(name, parameter)
    return model


@contextmanager
def isolated_randomness(seed: int) -> Iterator[None]:
    """Seed Python, numpy and torch inside; give the caller's states back afterwards."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.random.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
