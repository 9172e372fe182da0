"""Whether two computations of random numbers come to the same, but for rounding."""

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
