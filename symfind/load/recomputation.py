"""Calling a model whose forward asks to be run again when derivatives are taken.

`torch.utils.checkpoint` keeps no activations and calls a part of the model once more in the
backward pass. By then the parameters that a functional call had put in place are gone, so that the
part would be recomputed at other weights; and no tracer can follow it. The values are the same
without.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint


class _Called:
    """Stands in for the autograd function that recomputes: it just calls."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        return function(*args)


def _kept(*args: Any, **kwargs: Any) -> Iterator[None]:
    """Stands in for what surrounds a call with hooks that drop its activations: nothing."""
    yield


_STAND_INS = {"CheckpointFunction": _Called, "_checkpoint_without_reentrant_generator": _kept}


@contextmanager
def without_recomputation() -> Iterator[None]:
    """Let `torch.utils.checkpoint` call and keep activations while inside.

    Whatever name its functions were imported by: they look up what they are made of here.
    """
    found = {name: getattr(checkpoint, name) for name in _STAND_INS if hasattr(checkpoint, name)}
    try:
        for name in found:
            setattr(checkpoint, name, _STAND_INS[name])
        yield
    finally:
        for name, original in found.items():
            setattr(checkpoint, name, original)
