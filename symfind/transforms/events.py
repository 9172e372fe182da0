"""Data from a file or from arrays: inputs x, and targets y for a function to be fitted to."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symfind.errors import InputError

LEAST = 200  # samples


@dataclass(frozen=True)
class Events:
    """Samples.

    Attributes:
        x: inputs, [samples, ...], float64.
        y: targets, [samples, outputs], float64; None where none were given.
        name: where they come from.
    """

    x: Tensor
    y: Tensor | None
    name: str


def read_events(path: str) -> Events:
    """From an npz file with x, and y where a function is to be fitted.

    Raises:
        InputError: it cannot be read, or does not hold such arrays.
    """
    try:
        held = np.load(path, allow_pickle=False)
        single = isinstance(held, np.ndarray)
        arrays = {} if single else {key: held[key] for key in held.files if key in ("x", "y")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} holds no arrays ({error}): write it with numpy.savez(F, x=x, y=y)"
        ) from error
    found = "one without a name" if single else ", ".join(held.files) or "none"
    if "x" not in arrays:
        raise InputError(f"{path} has no array x, but {found}: write numpy.savez(F, x=x, y=y)")
    return events(arrays["x"], arrays.get("y"), Path(path).name)


def events(x: Any, y: Any = None, name: str = "data") -> Events:
    """Samples from arrays or tensors.

    Raises:
        InputError: they are no finite real numbers, or x and y do not fit together.
    """
    inputs = _real(x, f"x of {name}", whole=False)
    if inputs.ndim < 2:
        raise InputError(
            f"x of {name} has shape {list(inputs.shape)}: expected [samples, coordinates], or "
            "[samples, items, coordinates]"
        )
    if len(inputs) < LEAST:
        raise InputError(f"{name} has {len(inputs)} samples: give {LEAST} or more")
    if y is None:
        return Events(inputs, None, name)
    targets = _real(y, f"y of {name}", whole=True)
    if targets.ndim == 0 or len(targets) != len(inputs):
        raise InputError(
            f"x and y of {name} have shapes {list(inputs.shape)} and {list(targets.shape)}: their "
            "first axes must number the same samples"
        )
    targets = targets.reshape(len(targets), -1)
    if float((targets - targets[0]).abs().max()) == 0.0:
        raise InputError(f"y of {name} is constant: every transformation leaves it unchanged")
    return Events(inputs, targets, name)


def _real(values: Any, what: str, whole: bool) -> Tensor:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    kinds = "fiub" if whole else "f"
    if array.dtype.kind not in kinds:
        integer = array.dtype.kind in "iub"
        why = (
            "no continuous transformation acts on integers" if integer
            else "real numbers are expected"
        )  # fmt: skip
        raise InputError(f"{what} holds {array.dtype}: {why}")
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(f"{what} holds infinities or NaN")
    return tensor
