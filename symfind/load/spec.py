"""``load``: from a spec to a model with example inputs."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from symfind.errors import InputError, LoadError
from symfind.load.build import bare, build, check_model
from symfind.load.completed import needed_to_run
from symfind.load.derive import alternatives, derive
from symfind.load.files import attribute, import_file, import_module
from symfind.load.grammar import parse_inputs, parse_settings
from symfind.load.inputs import Inputs, as_inputs, check_fits, describe
from symfind.load.loaded import Loaded
from symfind.load.meta import isolated_randomness, with_values
from symfind.load.pairs import with_pairs
from symfind.load.recipe import Calls, Recipe, of_config, of_function, recording
from symfind.load.sizes import sizes_of
from symfind.load.suggest import hint
from symfind.load.timm_zoo import from_timm
from symfind.load.torchvision_zoo import from_torchvision
from symfind.load.transformers_zoo import from_transformers
from symfind.load.weights import match_weights, read_weights

_ZOOS: dict[str, Callable[[str, Mapping[str, Any]], nn.Module]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "transformers": from_transformers,
}


def load(
    spec: str,
    *,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    frozen: bool = False,
) -> Loaded:
    """Load what a spec names; nothing is ever downloaded.

    Args:
        spec: ``file.py[:attr]``, ``package.module:attr``, ``torchvision:NAME``, ``timm:NAME``,
            ``transformers:CLASS`` or ``transformers:path/config.json``.
        inputs: Texts of ``--input``; they replace every other source of example inputs.
        settings: ``--set`` as key to text (or value), for the factory, class or config.
        weights: A weight file whose tensors are matched to the model.
        seed: Seeds whatever the loaded code draws; the caller's random states are left alone.
        frozen: Whether the model may be without trainable parameters.

    Raises:
        LoadError: The spec, the settings or the weights do not lead to a model.
        InputError: The inputs are malformed, absent, or do not fit the model's ``forward``.
    """
    with isolated_randomness(seed), _own_device():
        generator = torch.Generator().manual_seed(seed)
        given = parse_inputs(inputs, generator) if inputs else None
        parsed = parse_settings(settings or {})
        # what a user's file prints must not mix with results on standard output
        with contextlib.redirect_stdout(sys.stderr):
            with recording() as calls:
                model, example, name, value = _resolve(spec, parsed)
            model = bare(model)
            check_model(model, spec, frozen)
            recipe = _recipe(spec, parsed, model, value, calls)
            example_inputs = _choose_inputs(spec, model, given, example, parsed, generator)
    check_fits(model, example_inputs)
    model = with_pairs(model)
    matched = match_weights(model, read_weights(weights)) if weights is not None else None
    sizes = sizes_of(model, parsed)
    loaded = Loaded(model, example_inputs, name, spec, sizes, matched, recipe)
    if spec.startswith("transformers:") and given is None and weights is None:
        loaded.otherwise = partial(_others, loaded, parsed, seed)
    return loaded


def _others(loaded: Loaded, settings: dict[str, Any], seed: int) -> Iterator[tuple[Loaded, str]]:
    """A model of transformers with what its config leaves open, then with other inputs."""
    open_ones = needed_to_run(loaded.model.config)
    if open_ones:
        with isolated_randomness(seed), _own_device(), contextlib.suppress(LoadError):
            tail, filled = loaded.spec.partition(":")[2], {**settings, **open_ones}
            model = with_pairs(from_transformers(tail, filled))
            recipe = _recipe(loaded.spec, filled, model, None, {})
            shown = ", ".join(f"{name}={value!r}" for name, value in open_ones.items())
            inputs = derive(model, filled) or loaded.inputs
            sizes = sizes_of(model, filled)
            other = Loaded(model, inputs, loaded.name, loaded.spec, sizes, None, recipe)
            yield other, f"its default config leaves open what it needs; assumed {shown}"
    for inputs in alternatives(loaded.model):
        shown = ", ".join(f"{name}={text}" for name, text in describe(inputs).items())
        yield (
            replace(loaded, inputs=inputs),
            f"it does not run on what its config says; given {shown}",
        )


def initialised(spec: str, settings: Mapping[str, Any], seed: int) -> nn.Module:
    """Build what a spec names once more, with the values that its own initialisation gives.

    Raises:
        LoadError: the spec or the settings do not lead to a model.
    """
    with (
        isolated_randomness(seed),
        _own_device(),
        with_values(),
        contextlib.redirect_stdout(sys.stderr),
    ):
        model, *_ = _resolve(spec, parse_settings(settings))
    return with_pairs(bare(model))


@contextlib.contextmanager
def _own_device() -> Iterator[None]:
    """Where tensors are made, and whether gradients are, is not for a file to say afterwards."""
    device, gradients = torch.get_default_device(), torch.is_grad_enabled()
    try:
        yield
    finally:
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_grad_enabled(gradients)


def _resolve(spec: str, settings: Mapping[str, Any]) -> tuple[nn.Module, Any, str, Any]:
    """The model, its example inputs, its name, and what a user's spec names."""
    head, colon, tail = spec.partition(":")
    if head in _ZOOS:
        if not tail:
            raise LoadError(f"{spec!r} names no model; write {head}:NAME")
        model = _ZOOS[head](tail, settings)
        name = type(model).__name__ if head == "transformers" else tail
        return model, None, name, None
    path, attr = split_file(spec)
    if path is not None:
        if not path.exists() and path.suffix != ".py" and (meant := hint(spec)):
            raise LoadError(f"{path}: no such file{meant}")
        module = import_file(path)
        assert module.__spec__ is not None and module.__spec__.origin is not None
        whole = Path(module.__spec__.origin)  # absolute: code of the file may have left its folder
        where = f"{path}:{attr}" if attr != "model" else f"{path}"
        value = attribute(module, attr, str(path))
        model, example = build(value, where, settings, whole)
    elif colon and tail:
        module = import_module(head)
        value = attribute(module, tail, head)
        model, example = build(value, spec, settings)
    else:
        raise LoadError(
            f"{spec!r} is neither a file nor a model spec nor a command; write file.py, "
            "file.py:ATTR, package.module:ATTR, torchvision:NAME, timm:NAME or "
            f"transformers:CLASS{hint(spec)}"
        )
    if example is None:
        example = getattr(module, "example_inputs", None)
    return model, example, type(bare(model)).__name__, value


def _recipe(
    spec: str, settings: Mapping[str, Any], model: nn.Module, value: Any, calls: Calls
) -> Recipe | None:
    """How to make the model again: its config, what the user's function takes, its constructor."""
    head, _, tail = spec.partition(":")
    if head == "transformers":
        return of_config(
            model.config, lambda changes: from_transformers(tail, {**settings, **changes})
        )
    called = callable(value) and not isinstance(value, nn.Module)
    own = of_function(value, settings) if called else None
    return own or (calls[id(model)][1] if id(model) in calls else None)


def names_zoo(spec: str) -> bool:
    """Whether a spec names a model of a zoo."""
    return spec.partition(":")[0] in _ZOOS


def split_file(spec: str) -> tuple[Path | None, str]:
    """The file and attribute of a spec that names a file, else ``None``."""
    if spec.endswith(".py") or Path(spec).exists():
        return Path(spec), "model"
    path, colon, attr = spec.rpartition(":")
    if colon and (path.endswith(".py") or "/" in path or "\\" in path or Path(path).is_file()):
        return Path(path), attr or "model"
    if not colon and ("/" in spec or "\\" in spec):
        return Path(spec), "model"
    return None, "model"


def _choose_inputs(
    spec: str,
    model: nn.Module,
    given: Inputs | None,
    example: Any,
    settings: Mapping[str, Any],
    generator: torch.Generator,
) -> Inputs:
    if given is not None:
        return given
    if example is not None:
        return as_inputs(example)
    derived = derive(model, settings, generator)
    if derived is None:
        raise InputError(
            f"{spec}: no example inputs, and none can be derived from the model; define "
            "example_inputs in the file, or give --input such as 'f32[8,3,224,224]'"
        )
    return derived
