"""Tensors of a module that go under several names."""

from torch import nn


def first_names(model: nn.Module) -> dict[str, str]:
    """All names of the tensors in a model's state, and the first name of each."""
    first: dict[int, str] = {}
    tensors = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors}
