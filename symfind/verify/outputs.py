"""Which tensors of a model's result make up the function."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def _is_model_output(value: Any) -> bool:
    # By name, so that transformers need not be imported (or installed).
    return any(cls.__name__ == "ModelOutput" for cls in type(value).__mro__)


def output_tensors(value: Any) -> Iterator[Tensor]:
    """Yield the floating tensors of a result in order; complex ones as pairs of reals.

    Looks into tuples, lists, mappings and dataclasses. Of a transformers output that has logits
    only the logits count: what comes with them (encoder states, caches) is by-product.
    """
    if isinstance(value, Tensor):
        if value.is_complex():
            yield torch.view_as_real(value)
        elif value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        if _is_model_output(value) and value.get("logits") is not None:
            yield from output_tensors(value["logits"])
            return
        for item in value.values():
            yield from output_tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from output_tensors(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from output_tensors(getattr(value, field.name))
