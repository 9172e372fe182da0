"""Say which input does not fit which module, after a call of the model has failed."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils import _pytree as pytree

from symfind.errors import InputError
from symfind.load.inputs import Inputs, describe, spell
from symfind.trace.guard import quiet, unchanged


def misfit(model: nn.Module, inputs: Inputs) -> InputError | None:
    """Call the model on tensors without values, and explain where its shapes stop to fit.

    Returns:
        An error that names the argument, the module, what it expects and what it was given; None
        where no module of torch refuses a shape (the fault lies elsewhere).
    """
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)

    def fake(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return torch.empty(value.shape, dtype=value.dtype, device="cpu")

    entered: list[tuple[nn.Module, tuple[Any, ...]]] = []

    def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
        entered.append((module, args))

    def leave(module: nn.Module, args: Any, result: Any) -> None:
        entered.pop()

    with unchanged(model), quiet(), torch.no_grad(), mode:
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        values = {name: fake(tensor) for name, tensor in tensors.items()}
        call = pytree.tree_map(fake, (tuple(inputs.args), dict(inputs.kwargs)))
        handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
        try:
            functional_call(model, values, call[0], call[1])
            return None
        except Exception:  # whatever it is, the question is only where
            if not entered:
                return None
        finally:
            for handle in handles:
                handle.remove()
    module, args = entered[-1]
    found = _expected(module, args)
    if found is None:
        return None
    given, wants = found
    shown = ", ".join(f"{k}={v}" for k, v in describe(inputs, model).items())
    who = _argument(model, Inputs(*call), given) or "what"
    path = next((n for n, m in model.named_modules() if m is module), "")
    what = f"{type(module).__name__} {path!r}" if path else type(module).__name__
    return InputError(
        f"inputs do not fit {type(model).__name__}: {who} reaches {what} as {spell(given)}.\n"
        f"expected: {wants}\n"
        f"given:    {shown}"
    )


def _argument(model: nn.Module, inputs: Inputs, tensor: Tensor) -> str | None:
    names = list(describe(inputs, model))
    leaves = pytree.tree_leaves((inputs.args, inputs.kwargs))
    return next((n for n, leaf in zip(names, leaves, strict=True) if leaf is tensor), None)


def _last(size: int) -> str:
    return f"floats whose last dimension is {size}"


_CONVOLUTIONS = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3,
    nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3,
}  # fmt: skip

_EXPECTED: Mapping[type[nn.Module], Callable[[Any], str]] = {
    nn.Linear: lambda m: _last(m.in_features),
    nn.LayerNorm: lambda m: f"floats whose last dimensions are {list(m.normalized_shape)}",
    nn.GroupNorm: lambda m: f"floats with {m.num_channels} channels in dimension 1",
    nn.Embedding: lambda m: f"integers (i64) below {m.num_embeddings}",
    nn.RNNBase: lambda m: _last(m.input_size),
    nn.MultiheadAttention: lambda m: _last(m.embed_dim),
    nn.modules.batchnorm._BatchNorm: lambda m: f"floats with {m.num_features} channels",
}


def _expected(module: nn.Module, args: tuple[Any, ...]) -> tuple[Tensor, str] | None:
    given = next((a for a in args if isinstance(a, Tensor)), None)
    if given is None:
        return None
    for kind, spatial in _CONVOLUTIONS.items():
        if isinstance(module, kind):
            sizes = ",".join(["BATCH", str(module.in_channels), *["SIZE"] * spatial])
            return given, f"f32[{sizes}]"
    for cls, text in _EXPECTED.items():
        if isinstance(module, cls):
            return given, text(module)
    return None
