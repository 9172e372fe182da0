"""Plain functions of tensors in a user's file, where no module is needed."""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch

from symfind.errors import InputError
from symfind.load.files import attribute, import_file, import_module
from symfind.load.grammar import parse_inputs, parse_settings
from symfind.load.inputs import Inputs, as_inputs
from symfind.load.meta import isolated_randomness
from symfind.load.spec import names_zoo, split_file


def load_function(
    spec: str,
    *,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> tuple[Callable[..., Any], Inputs] | None:
    """The function of tensors that a spec names; None where it names something else.

    A function that needs no argument, or only such as settings give, builds a model and is none.

    Raises:
        LoadError: the file or the attribute cannot be loaded.
        InputError: there are no example inputs.
    """
    if names_zoo(spec):
        return None
    generator = torch.Generator().manual_seed(seed)
    with isolated_randomness(seed), contextlib.redirect_stdout(sys.stderr):
        found = _attribute(spec)
        if found is None:
            return None
        module, value = found
        parsed = parse_settings(settings or {})
        if not _takes_tensors(value, parsed):
            return None
        given = parse_inputs(inputs, generator) if inputs else None
        example = given or getattr(module, "example_inputs", None)
    if example is None:
        raise InputError(
            f"{spec}: no example inputs; define example_inputs in the file, or give --input such "
            "as 'f64[4]'"
        )
    return functools.wraps(value)(functools.partial(value, **parsed)), as_inputs(example)


def _attribute(spec: str) -> tuple[ModuleType, Any] | None:
    path, name = split_file(spec)
    if path is not None:
        module = import_file(path)
        return module, attribute(module, name, str(path))
    head, colon, tail = spec.partition(":")
    if not (colon and tail):
        return None
    module = import_module(head)
    return module, attribute(module, tail, head)


def _takes_tensors(value: Any, settings: Mapping[str, Any]) -> bool:
    """Whether it is a function with arguments that no setting gives."""
    if not inspect.isfunction(value):
        return False
    parameters = inspect.signature(value).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    open_ = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    return any(name not in settings for name in open_)
