"""What is said of values that are NaN or infinite."""

from collections.abc import Mapping

import torch
from torch import Tensor

from symfind.errors import InputError

_HUGE = 1e30  # weights of which a few products leave double precision; no drawn one is so large


def finite(value: Tensor, what: str, theta: Mapping[str, Tensor] | None = None) -> Tensor:
    """The value, or a message that says what is not finite, and what may be at fault.

    Args:
        value: any tensor.
        what: its name.
        theta: the point at which the model was evaluated.

    Raises:
        InputError: it holds NaN or infinite numbers.
    """
    if value.numel() and not bool(torch.isfinite(torch.stack(torch.aminmax(value))).all()):
        bad = "NaN" if bool(value.isnan().any()) else "Inf"
        raise InputError(f"{what} has {bad} {_fault(theta or {})}")
    return value


def _fault(theta: Mapping[str, Tensor]) -> str:
    sizes = {n: float(t.detach().abs().max()) for n, t in theta.items() if t.numel()}
    name = max(sizes, key=lambda n: sizes[n], default="")
    if sizes.get(name, 0.0) > _HUGE:
        return (
            f"where weights are huge: {name} reaches {sizes[name]:.0e}, and products of such "
            "numbers leave double precision"
        )
    return (
        "at the weights that were tried: check the domain of the inputs (--input) and divisions, "
        "logarithms and masks in the model"
    )
