"""Whether two computations of random numbers come to the same, but for rounding."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

ROUNDED = 1e-11  # relative: between what rounding leaves and the faintest difference that is one


def alike(one: Tensor, two: Tensor) -> bool:
    """Whether no entries differ by more than rounding, measured by the largest of all."""
    if one.shape != two.shape:
        return False
    if not one.numel():
        return True
    largest = max(float(one.abs().max()), float(two.abs().max()))
    return bool(((one - two).abs() <= ROUNDED * largest).all())


def all_alike(points: Iterable[Sequence[tuple[Tensor, Tensor]]]) -> bool:
    """Whether all pairs are, at the first of some points and wherever else they are finite."""
    for at, pairs in enumerate(points):
        finite = all(bool(torch.isfinite(x).all()) for pair in pairs for x in pair)
        if (finite or not at) and not all(alike(one, two) for one, two in pairs):
            return False
    return True
