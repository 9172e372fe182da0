"""Values of computed buffers in a model that was built without storage."""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn

_LIMIT = 50_000_000
_SIMPLE = (int, float, str, bool, tuple, type(None))


def recover_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Buffers of ``model`` that lie on meta, by name, with the values that __init__ gives them.

    Only buffers that are not weights: those that are not saved with the model, or integers. Each
    module that owns some is built again on the cpu, from its own config or attributes; the
    copy counts only if everything about it that can be compared is the same.
    """
    found: dict[str, Tensor] = {}
    config = getattr(model, "config", None)
    for path, module in model.named_modules():
        names = [
            name
            for name, buffer in module._buffers.items()
            if buffer is not None
            and buffer.device.type == "meta"
            and name != "num_batches_tracked"
            and (name in module._non_persistent_buffers_set or not buffer.is_floating_point())
        ]
        if not names or sum(p.numel() for p in module.parameters()) > _LIMIT:
            continue
        twin = _refill(module) or _rebuild(module, config)
        if twin is None:
            continue
        for name in names:
            buffer = twin._buffers[name]
            if buffer is not None:
                found[f"{path}.{name}" if path else name] = buffer
    return found


def _refill(module: nn.Module) -> nn.Module | None:
    """A copy whose buffers are computed by timm's protocol for models built on meta."""
    if not hasattr(module, "init_non_persistent_buffers"):
        return None
    try:
        with torch.no_grad():
            twin: Any = copy.deepcopy(module).to_empty(device="cpu")
            twin.init_non_persistent_buffers()
    except Exception:  # a convention, not a contract
        return None
    persistent = [n for n in module._buffers if n not in module._non_persistent_buffers_set]
    return None if persistent else twin  # others would hold whatever was in memory


def _rebuild(module: nn.Module, config: Any) -> nn.Module | None:
    try:
        parameters = inspect.signature(type(module).__init__).parameters
    except (TypeError, ValueError):
        return None
    kwargs: dict[str, Any] = {}
    for name, parameter in list(parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name == "config":
            kwargs[name] = module.__dict__.get("config", config)
        elif name != "device" and name in module.__dict__:
            kwargs[name] = module.__dict__[name]
        elif parameter.default is parameter.empty:
            return None
    state = torch.get_rng_state()
    try:
        with torch.device("cpu"), torch.no_grad():
            twin = type(module)(**kwargs)
    except Exception:  # a class that cannot be built this way keeps its secret
        return None
    finally:
        torch.set_rng_state(state)
    return twin if _alike(module, twin) else None


def _alike(module: nn.Module, twin: nn.Module) -> bool:
    """Whether all tensors have the same names and shapes, and all simple attributes agree."""
    if _shapes(module) != _shapes(twin):
        return False
    mine = {k: v for k, v in module.__dict__.items() if isinstance(v, _SIMPLE) and k != "training"}
    return all(k in twin.__dict__ and twin.__dict__[k] == v for k, v in mine.items())


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name: tuple(tensor.shape) for name, tensor in tensors}
