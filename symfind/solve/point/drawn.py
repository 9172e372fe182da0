"""Random parameters of which only those are drawn that are looked at."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

_SIZES = (1.0, 1e-3, 1e2, 1e5)


class Drawn(Mapping[str, Tensor]):
    """Normal values of all parameters, each drawn once it is asked for.

    What a question about one wire takes is a few of them, of a model that may have billions.

    Args:
        shapes: of the parameters by name.
        size: how large they are.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], size: float = 1.0) -> None:
        self._shapes = dict(sorted(shapes.items(), key=lambda item: math.prod(item[1])))
        self._seeds = {name: i for i, name in enumerate(shapes)}
        self._size = size
        self._values: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._values:
            rng = torch.Generator().manual_seed(self._seeds[name])
            shape = tuple(self._shapes[name])
            value = torch.randn(shape, generator=rng, dtype=torch.float64)
            self._values[name] = self._size * value
        return self._values[name]

    def resize(self, size: float) -> None:
        """Make all of them so large, in place: those that were given out as well."""
        for value in self._values.values():
            value.mul_(size / self._size)
        self._size = size

    def __iter__(self) -> Iterator[str]:
        """The smallest first, of which one asks what they have in common."""
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def near_and_far(shapes: Mapping[str, Sequence[int]]) -> Iterator[Drawn]:
    """Parameters of size one first, then smaller and larger: steps and bounds show in some.

    They are drawn once and made larger in place, so that each hold until the next are asked for.
    """
    drawn = Drawn(shapes)
    for size in _SIZES:
        drawn.resize(size)
        yield drawn
