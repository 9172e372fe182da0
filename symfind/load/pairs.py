"""Complex parameters as pairs of real ones, for whose continuous changes is asked."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from symfind.errors import LoadError

_PARTS = {"original0": "real", "original1": "imag"}


class AsComplex(nn.Module):
    """Real and imaginary parts as complex numbers."""

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """The complex tensor of its parts, all of one shape."""
        return torch.complex(real, imaginary)

    def right_inverse(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of a complex tensor."""
        return value.detach().real.clone(), value.detach().imag.clone()


def with_pairs(model: nn.Module) -> nn.Module:
    """A copy of a model that computes its complex parameters from pairs of real ones.

    A model without trainable complex parameters comes back as it is.

    Raises:
        LoadError: the model has such parameters and cannot be copied.
    """
    if not any(p.is_complex() and p.requires_grad for p in model.parameters()):
        return model
    try:
        model = copy.deepcopy(model)
    except Exception as error:
        raise LoadError(
            f"{type(model).__name__} has complex parameters and cannot be copied "
            f"({type(error).__name__}: {error}): keep their real and imaginary parts instead"
        ) from error
    first: dict[int, Any] = {}
    for module in list(model.modules()):
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.is_complex() and parameter.requires_grad:
                _paired(module, name, parameter, first)
    return model


def part_of(model: nn.Module, name: str) -> tuple[str, str] | None:
    """The complex tensor of a checkpoint that a parameter is a part of, and which part."""
    owner, mark, rest = name.partition("parametrizations.")
    leaf, _, last = rest.partition(".")
    if not mark or last not in _PARTS:
        return None
    parametrised: Any = dict(model.named_modules())[f"{owner}parametrizations"]
    whole = isinstance(parametrised[leaf][0], AsComplex)
    return (owner + leaf, _PARTS[last]) if whole else None


def _paired(module: nn.Module, name: str, parameter: nn.Parameter, first: dict[int, Any]) -> None:
    parametrize.register_parametrization(module, name, AsComplex(), unsafe=True)
    parametrised: Any = module.parametrizations
    parts = parametrised[name]
    kept = first.setdefault(id(parameter), (parts.original0, parts.original1))
    parts.original0, parts.original1 = kept  # what was shared still is
