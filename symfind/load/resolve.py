"""From what a caller of the Python API gives, a module or a spec, to a loaded model."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from symfind.errors import InputError
from symfind.load.build import bare, check_model
from symfind.load.inputs import as_inputs, check_fits
from symfind.load.loaded import Loaded
from symfind.load.pairs import with_pairs
from symfind.load.sizes import sizes_of
from symfind.load.spec import load


def resolve(
    model: nn.Module | str,
    example_inputs: Any = None,
    *,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    seed: int = 0,
    frozen: bool = False,
) -> Loaded:
    """Load a spec, or take a module with its example inputs.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        inputs: input specs that replace the example inputs.
        settings: keyword arguments for a factory, class or config.
        weights: a checkpoint whose names and shapes are checked against the model.
        seed: of random inputs.
        frozen: whether the model may be without trainable parameters.

    Raises:
        LoadError: the spec cannot be loaded, or it is no model.
        InputError: there are no example inputs, or they do not fit.
    """
    if isinstance(model, str):
        loaded = load(
            model, inputs=inputs, settings=settings or {}, weights=weights, seed=seed, frozen=frozen
        )
        if example_inputs is not None:
            loaded.inputs = as_inputs(example_inputs)
            check_fits(loaded.model, loaded.inputs)
        return loaded
    model = bare(model)
    name = type(model).__name__
    check_model(model, name, frozen)
    if example_inputs is None:
        raise InputError(
            f"{name} needs example inputs: pass example_inputs=, a tensor, a tuple or a dict"
        )
    given = as_inputs(example_inputs)
    check_fits(model, given)
    model = with_pairs(model)
    return Loaded(model, given, name, name, sizes_of(model))
