"""Averaged weights on disk."""

import os
import tempfile
from pathlib import Path

import torch

from symfind.errors import InputError, OutputError
from symfind.transforms.reports import Equivariance


def keep(found: Equivariance, path: str) -> None:
    """Write the averaged weights for `torch.load`, whole or not at all.

    Raises:
        InputError: there are none.
        OutputError: the file cannot be written.
    """
    if found.symmetrised is None:
        raise InputError(
            f"there are no averaged weights of {found.function}: "
            + (found.reason or "it has no parameters, or the group has too many elements")
        )
    target = Path(path).resolve()
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".symfind.")
        os.close(handle)
        torch.save({name: value.clone() for name, value in found.weights.items()}, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
