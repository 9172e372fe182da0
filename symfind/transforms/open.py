"""From what a caller gives, a module, a spec or a function, to a function of its inputs."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.load.functions import load_function
from symfind.load.inputs import Inputs, as_inputs, describe, leaves
from symfind.load.loaded import Loaded
from symfind.load.outputs import results
from symfind.load.resolve import resolve
from symfind.trace.blame import place
from symfind.transforms.oracle import Evaluate, Oracle, opened
from symfind.verify.isolation import isolated
from symfind.verify.placed import placed
from symfind.verify.precision import double_precision, widen
from symfind.verify.sampling import Law

Called = Callable[..., Any]


def open_function(
    f: nn.Module | str | Called,
    x: Any = None,
    *,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    output: str = "raw",
    train: bool = False,
    seed: int = 0,
) -> tuple[Oracle, Called, Loaded | None]:
    """The function in float64, what it evaluates, and the loaded model where it is one.

    Raises:
        LoadError: a spec cannot be loaded.
        InputError: the inputs do not fit, or hold no real numbers, or the function fails on them.
    """
    if isinstance(f, str):
        found = load_function(f, inputs=inputs, settings=settings, seed=seed)
        f, x = (found[0], found[1] if x is None else x) if found else (f, x)
    if not isinstance(f, nn.Module | str):
        return _of_function(f, x, output), f, None
    loaded = resolve(
        f, x, inputs=inputs, settings=settings, weights=weights, seed=seed, frozen=True
    )
    values = weights_of(loaded, seed)

    evaluate = evaluator(loaded.model, values, train, output)
    names = _names(loaded.inputs, loaded.model)
    return _opened(evaluate, loaded.inputs, names, loaded.name), loaded.model, loaded


def evaluator(
    model: nn.Module, values: Mapping[str, Tensor], train: bool = False, output: str = "raw"
) -> Evaluate:
    """A model at some weights, in float64, which is left as it was."""

    def evaluate(call: Inputs) -> list[Tensor]:
        with _quiet(), isolated(model, train=train), double_precision(), placed(model, values):
            return _results(model(*call.args, **call.kwargs), output)

    return evaluate


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of a function that is called many times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def weights_of(loaded: Loaded, seed: int = 0) -> dict[str, Tensor]:
    """Parameters and buffers in float64: those given, the model's own, or drawn where it has none.

    Raises:
        InputError: a buffer has no value.
    """
    rng = torch.Generator().manual_seed(seed)
    values: dict[str, Tensor] = {}
    for name, parameter in loaded.model.named_parameters():
        given = (loaded.weights or {}).get(name)
        if given is None and parameter.is_meta:
            values[name] = Law.of(loaded.model, name).draw(rng)
        else:
            values[name] = widen((parameter if given is None else given).detach().cpu())
    for name, buffer in loaded.model.named_buffers():
        given = (loaded.weights or {}).get(name)
        if given is None and buffer.is_meta:
            raise InputError(f"buffer {name} has no value: give --weights, or build it on the CPU")
        values[name] = widen((buffer if given is None else given).detach().cpu())
    return values


def drawn(loaded: Loaded) -> bool:
    """Whether there are no weights but random ones."""
    return loaded.weights is None and any(p.is_meta for p in loaded.model.parameters())


def _of_function(f: Called, x: Any, output: str) -> Oracle:
    name = getattr(f, "__name__", type(f).__name__)
    if x is None:
        raise InputError(f"{name} needs an example input: pass x=, a tensor, a tuple or a dict")
    given = as_inputs(x)

    def evaluate(call: Inputs) -> list[Tensor]:
        with _quiet(), double_precision():
            return _results(f(*call.args, **call.kwargs), output)

    try:
        parameters = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        parameters = []
    return _opened(evaluate, given, _names(given, None, parameters), name)


def _opened(evaluate: Evaluate, given: Inputs, names: dict[str, str], name: str) -> Oracle:
    try:
        return opened(evaluate, given, names, name)
    except InputError:
        raise
    except Exception as error:
        at = place(error)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name} fails on its example inputs: {type(error).__name__}: {reason}"
            + (f" at {at!r}" if at else "")
        ) from error


def _results(value: Any, output: str) -> list[Tensor]:
    """All floating outputs, complex ones as pairs of real numbers."""
    found = [tensor for _, tensor in results(value)]
    if not found:
        what = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"the function returns no floating-point tensor, but {what}")
    real = [torch.view_as_real(t) if t.is_complex() else t for t in found]
    return [t.log_softmax(-1) if output == "softmax" and t.ndim else t.double() for t in real]


def _names(
    given: Inputs, model: nn.Module | None, parameters: Sequence[str] = ()
) -> dict[str, str]:
    keys = [key for key, _ in leaves(given)]
    if model is not None:
        return dict(zip(keys, describe(given, model), strict=True))
    known = {str(i): name for i, name in enumerate(parameters)}
    return {key: known.get(key, key) for key in keys}
