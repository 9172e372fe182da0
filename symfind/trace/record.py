"""Trace a model by running it once on tensors without values."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from symfind.trace.attributes import Pretence
from symfind.trace.exported import Exported, Source, given
from symfind.trace.guard import convert_tensors
from symfind.trace.ledger import Ledger
from symfind.trace.memory import State
from symfind.trace.recorder import Recorder
from symfind.trace.views import Unrecordable
from symfind.trace.wrapper import Wrapper, to_device


def record(
    model: nn.Module,
    args: tuple,
    kwargs: dict[str, Any],
    recovered: dict[str, Tensor],
    decide: Callable[[], bool],
) -> Exported:
    """Record ``model(*args, **kwargs)``; what is done to ``model`` must be undone by the caller.

    Args:
        model: in the mode in which it shall run.
        args: example inputs.
        kwargs: the same by name.
        recovered: values of buffers that lie on meta.
        decide: asked for a truth value that depends on inputs or parameters.
    """
    named = [*model.named_parameters(), *model.named_buffers()]
    device = next((t.device for _, t in named if t.device.type != "meta"), torch.device("cpu"))
    recorder = Recorder(device, decide)
    ledger = recorder.ledger
    _lead_parameters(ledger, model)
    _lead_buffers(ledger, model, recovered)
    wrapper = Wrapper(model, to_device(args, device), to_device(kwargs, device))
    inputs = [_input(ledger, *pair) for pair in zip(wrapper.names, wrapper.tensors, strict=True)]
    try:
        with (
            torch.inference_mode(), _compiling(), _followed(model, ledger), recorder,
            Pretence(recorder),
        ):  # fmt: skip
            results = wrapper(*inputs)
            nodes = tuple(ledger.node(tensor) for tensor in results)
    finally:
        ledger.restore()
    ledger.graph.output(nodes)
    sources = [ledger.sources[n] for n in ledger.graph.nodes if n.op == "placeholder"]
    return Exported(ledger.graph, sources, list(range(len(nodes))), wrapper.record.outputs)


def _input(ledger: Ledger, name: str, tensor: Tensor) -> Tensor:
    if tensor.is_nested or tensor.layout is not torch.strided:
        raise Unrecordable("an input that is nested or sparse")
    empty = _empty(tensor)
    ledger.lead(empty, given(name, tensor), State.VARYING)
    return empty


def _empty(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _lead_parameters(ledger: Ledger, model: nn.Module) -> None:
    """Put parameters without values in the place of the model's own; frozen ones keep theirs."""
    empties: dict[int, Tensor] = {}
    for name, parameter in model.named_parameters():
        source = Source("tensor", name, parameter)
        if not parameter.requires_grad and not parameter.is_meta:
            ledger.lead(parameter, source, State.KNOWN)
            continue
        state = State.VARYING if parameter.requires_grad else State.UNKNOWN
        empty = parameter if parameter.is_meta else nn.Parameter(_empty(parameter))
        wire = ledger.lead(empty, source, state)
        if empty is not parameter:
            ledger.alias(parameter, wire)
            empties[id(parameter)] = empty
    if empties:
        convert_tensors(model, lambda tensor: empties.get(id(tensor), tensor))


def _lead_buffers(ledger: Ledger, model: nn.Module, recovered: dict[str, Tensor]) -> None:
    values: dict[int, Tensor] = {}
    for name, buffer in model.named_buffers():
        if buffer.is_meta and name in recovered:
            values[id(buffer)] = recovered[name]
        held = values.get(id(buffer), buffer)
        state = State.UNKNOWN if held.is_meta else State.KNOWN
        ledger.lead(held, Source("tensor", name, held), state)
    if values:
        convert_tensors(model, lambda tensor: values.get(id(tensor), tensor))
    for path, module in model.named_modules():
        for name, value in module.__dict__.items():
            if isinstance(value, Tensor):
                ledger.name(value, f"{path}.{name}" if path else name)


@contextmanager
def _compiling() -> Iterator[None]:
    """Let models know that they are being traced, as torch.export does."""
    names = [n for n in ("_is_compiling_flag", "_is_exporting_flag") if hasattr(torch.compiler, n)]
    before = [getattr(torch.compiler, name) for name in names]
    for name in names:
        setattr(torch.compiler, name, True)
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(torch.compiler, name, value)


@contextmanager
def _followed(model: nn.Module, ledger: Ledger) -> Iterator[None]:
    """Keep ``ledger.path`` at the module that runs."""
    paths = {id(module): path for path, module in reversed(list(model.named_modules()))}
    thread, outer = threading.get_ident(), list[str]()

    def enter(module: nn.Module, args: Any) -> None:
        if threading.get_ident() == thread:
            outer.append(ledger.path)
            ledger.path = paths.get(id(module), ledger.path)

    def leave(module: nn.Module, args: Any, result: Any) -> None:
        if threading.get_ident() == thread and outer:
            ledger.path = outer.pop()

    handles = [
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
