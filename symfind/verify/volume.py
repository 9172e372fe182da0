"""How many numbers an evaluation computes: what its derivative keeps, and passes through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass
class Volume:
    """Numbers in all results of operations that have memory of their own, and in the largest."""

    total: int = 0
    largest: int = 0


def measured(evaluate: Callable[[], Tensor]) -> tuple[Tensor, Volume]:
    """A value, with the volume of its evaluation."""
    volume = Volume()
    with _Counting(volume):
        return evaluate(), volume


class _Counting(TorchDispatchMode):
    def __init__(self, volume: Volume) -> None:
        super().__init__()
        self.volume = volume

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if all(one.alias_info is not None for one in func._schema.returns):
            return result  # a view, or what is overwritten
        sizes = [leaf.numel() for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        self.volume.total += sum(sizes)
        self.volume.largest = max([self.volume.largest, *sizes])
        return result
