"""A module with tensors in and tensors out around any model."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from symfind.load.outputs import results


class Record:
    """Names of the outputs; an object of its own, since export undoes changes of containers."""

    outputs: list[str] = []


class Wrapper(nn.Module):
    """Calls ``model`` with its inputs rebuilt from tensors; returns its float results, flat.

    ``names`` are those of the tensor inputs, ``record.outputs`` (after a call) those of results.
    """

    def __init__(self, model: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.training = model.training
        paths, self.spec = pytree.tree_flatten_with_path((args, kwargs))
        self.leaves = [leaf for _, leaf in paths]
        self.slots = [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, Tensor)]
        self.names = _unique([_input_name(model, paths[i][0]) for i in self.slots])
        self.record = Record()

    @property
    def tensors(self) -> list[Tensor]:
        """The tensor inputs, in the order of ``names``."""
        return [self.leaves[i] for i in self.slots]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the model; see the class."""
        leaves = list(self.leaves)
        for slot, tensor in zip(self.slots, tensors, strict=True):
            leaves[slot] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        found = list(results(self.model(*args, **kwargs)))
        self.record.outputs = _unique([name for name, _ in found])
        return tuple(tensor for _, tensor in found)


def _input_name(model: nn.Module, path: tuple) -> str:
    names: list[str] = []
    try:
        signature = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        signature = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p.name for p in signature if p.kind in kinds]
    keys = [getattr(k, "key", getattr(k, "idx", getattr(k, "name", k))) for k in path]
    if keys[0] == 0 and isinstance(keys[1], int):
        index = keys[1]
        names.append(positional[index] if index < len(positional) else f"input_{index}")
    else:
        names.append(str(keys[1]))
    return ".".join([*names, *(str(key) for key in keys[2:])])


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result


def to_device(tree: Any, device: torch.device) -> Any:
    """Move every tensor inside ``tree`` to ``device``."""
    return pytree.tree_map(lambda v: v.to(device) if isinstance(v, Tensor) else v, tree)
