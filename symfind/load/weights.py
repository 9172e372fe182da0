"""Reading a given point: a weight file, matched to the parameters of a model."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import LoadError
from symfind.load.pairs import part_of


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a torch file with ``weights_only=True``.

    Args:
        path: The file. A torch file holds a mapping from names to tensors, or one under the key
            ``state_dict`` or ``model``.

    Returns:
        Name to CPU tensor.

    Raises:
        LoadError: The file is missing, cannot be read without running code from it, or holds
            something other than named tensors.
    """
    file = Path(path)
    if not _is_file(file):
        what = "a folder, not a file" if _is_folder(file) else "no such file"
        raise LoadError(f"--weights {path}: {what}")
    if file.suffix == ".safetensors":
        return _some(_read_safetensors(file), path)
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise LoadError(
            f"--weights {path}: it holds more than tensors, and symfind runs no code from a "
            "weight file; save model.state_dict() instead"
        ) from error
    except Exception as error:
        raise LoadError(f"--weights {path}: torch cannot read it: {_first_line(error)}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise LoadError(
            f"--weights {path}: it holds a {type(content).__name__}, not named tensors; "
            "save model.state_dict()"
        )
    return _some({str(k): v for k, v in content.items() if isinstance(v, Tensor)}, path)


def _some(tensors: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    if not tensors:
        raise LoadError(f"--weights {path}: it holds no tensors; save model.state_dict()")
    return tensors


def match_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors for the parameters and buffers of a model, under the model's own names.

    A parameter that is shared is found under any of its names; prefixes that wrappers add
    (``module.``, ``_orig_mod.``) are dropped. Tensors that the model does not have are left out.

    Args:
        model: The model, on any device.
        weights: Name to tensor, as read.

    Returns:
        Name to tensor for every parameter, under its first name, and for every buffer that is
        there.

    Raises:
        LoadError: A parameter is missing, or has another shape.
    """
    given = {
        key.removeprefix("module.").removeprefix("_orig_mod."): t for key, t in weights.items()
    }
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    matched, missing = {}, []
    for name, parameter in model.named_parameters():
        found = next((alias for alias in names[id(parameter)] if alias in given), None)
        whole, part = (None if found else part_of(model, name)) or ("", "")
        if whole in given:
            found, given[name] = name, getattr(given[whole].to(torch.complex128), part)
        elif found is None:
            missing.append(name)
            continue
        _check_shape(name, parameter, given[found])
        matched[name] = _real(name, given[found], parameter)
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise LoadError(
            f"the weight file lacks {shown}; it has e.g. {', '.join(sorted(given)[:3])}. "
            "Is it the file of this model?"
        )
    for name, buffer in model.named_buffers():
        if name in given:
            _check_shape(name, buffer, given[name])
            matched[name] = _plain(name, given[name])
    return matched


def _real(name: str, value: Tensor, parameter: Tensor) -> Tensor:
    """The values of a parameter as numbers of its own kind."""
    value = _plain(name, value)
    if value.is_complex() and not parameter.is_complex():
        raise LoadError(
            f"the weight file has complex numbers for {name}, which is real in the model; is it "
            "the file of this model?"
        )
    return value.double() if not (value.is_floating_point() or value.is_complex()) else value


def _plain(name: str, value: Tensor) -> Tensor:
    """A dense tensor with values.

    Raises:
        LoadError: it has none.
    """
    if value.is_meta:
        raise LoadError(f"the weight file has {name} without values (meta device); save real ones")
    try:
        value = value.detach()
        value = value.dequantize() if value.is_quantized else value
        value = value.to_dense() if value.layout is not torch.strided else value
        if value.element_size() == 1 and value.is_floating_point():
            value = value.float()  # eighths of a float64: arithmetic on them is not defined
    except Exception as error:
        raise LoadError(
            f"the weight file has {name} as a {value.layout} tensor, which cannot be made dense "
            f"({_first_line(error)}); save a plain tensor"
        ) from error
    return value


def _check_shape(name: str, expected: Tensor, given: Tensor) -> None:
    if given.is_nested:
        raise LoadError(f"the weight file has {name} as a nested tensor; save a plain one")
    if expected.shape != given.shape:
        raise LoadError(
            f"the weight file has {name} with shape {tuple(given.shape)}, the model wants "
            f"{tuple(expected.shape)}; is it the file of this model, with these settings?"
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no system takes
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise LoadError(
            f"--weights {file}: safetensors is not installed; pip install 'symfind[zoo]'"
        ) from error
    try:
        return dict(load_file(file, device="cpu"))
    except Exception as error:
        raise LoadError(
            f"--weights {file}: not a safetensors file: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
