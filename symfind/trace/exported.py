"""What every way of tracing ends in: a functional graph of torch.fx, and what its ends mean."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, fx


@dataclass(frozen=True)
class Source:
    """What a placeholder stands for: ``kind`` is input, tensor or skip."""

    kind: str
    name: str
    data: Tensor | None = None


def given(name: str, tensor: Tensor) -> Source:
    """An input; truths are masks, and their values are part of what is asked."""
    kept = tensor.dtype == torch.bool and not tensor.is_meta
    return Source("input", name, tensor.detach().cpu() if kept else None)


class Shaped(NamedTuple):
    """Shape and dtype of a result, where the tensor itself is not kept."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Exported:
    """A functional graph, the meaning of its placeholders, and which results are outputs.

    A node has in its ``meta`` under ``val`` the tensors (or ``Shaped``) that it results in, and
    either ``stack_trace`` and ``nn_module_stack`` as torch.export leaves them, or ``where`` (file,
    line, function) and ``module`` as the recorder does.
    """

    graph: fx.Graph
    sources: list[Source]
    results: list[int]
    outputs: list[str]
    notes: tuple[str, ...] = ()
