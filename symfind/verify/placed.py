"""Call a module with other tensors in the places of its parameters and buffers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Place = tuple[dict[str, Any], str]


def places(model: nn.Module) -> dict[str, list[Place]]:
    """Where each parameter and buffer is kept, under its first name, shared ones at all places.

    By the tables of the modules themselves: a module may have a name that a method hides.
    """
    found: dict[int, tuple[str, list[Place]]] = {}
    for path, module in model.named_modules():
        for table in (module._parameters, module._buffers):
            for key, tensor in table.items():
                if tensor is not None:
                    name = f"{path}.{key}" if path else key
                    found.setdefault(id(tensor), (name, []))[1].append((table, key))
    return dict(found.values())


@contextmanager
def placed(model: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Put values in their places while inside; shared tensors in all of theirs."""
    before = []
    try:
        for name, owners in places(model).items():
            if name in values:
                for table, key in owners:
                    before.append((table, key, table[key]))
                    table[key] = values[name]
        yield
    finally:
        for table, key, tensor in before:
            table[key] = tensor
