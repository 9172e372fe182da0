"""Example inputs: what they are, how they are described, redrawn and checked."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from symfind.budget import OutOfTime
from symfind.errors import InputError
from symfind.load.ranges import Range, observed

DTYPES: dict[str, torch.dtype] = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "c64": torch.complex64,
    "c128": torch.complex128,
    "u8": torch.uint8,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "bool": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Inputs:
    """Arguments of one call of a model.

    Attributes:
        args: Positional arguments: tensors, or nested tuples, lists and dicts of them.
        kwargs: Keyword arguments.
        bounds: For integer inputs, the exclusive upper bound of their values where it is known.
            Keys are the position as a string (``"0"``), or the keyword's name; a tensor nested in
            an argument continues with its path (``"0[1]"``).
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)


def leaves(inputs: Inputs) -> Iterator[tuple[str, Any]]:
    """Every leaf of the inputs with its key, positional ones first."""
    named = [(str(i), arg) for i, arg in enumerate(inputs.args)]
    for key, argument in named + list(inputs.kwargs.items()):
        for path, leaf in pytree.tree_flatten_with_path(argument)[0]:
            yield key + pytree.keystr(path), leaf


def map_leaves(inputs: Inputs, change: Callable[[str, Any], Any]) -> Inputs:
    """The same inputs with every leaf replaced by ``change(key, leaf)``."""

    def visit(key: str, argument: Any) -> Any:
        return pytree.tree_map_with_path(
            lambda path, leaf: change(key + pytree.keystr(path), leaf), argument
        )

    return Inputs(
        tuple(visit(str(i), arg) for i, arg in enumerate(inputs.args)),
        {name: visit(name, arg) for name, arg in inputs.kwargs.items()},
        dict(inputs.bounds),
    )


def spell(value: Any) -> str:
    """``f32[8,3]`` for a tensor, else Python's own spelling."""
    if not isinstance(value, Tensor):
        return repr(value)
    dtype = NAMES.get(value.dtype, str(value.dtype).removeprefix("torch."))
    return f"{dtype}[{','.join(str(n) for n in value.shape)}]"


def describe(inputs: Inputs, model: nn.Module | None = None) -> dict[str, str]:
    """Spell each input, e.g. ``{"input_ids": "i64[1,1024]"}``.

    Args:
        inputs: What to describe.
        model: Names positional inputs by the parameters of its ``forward``; without it they are
            numbered.

    Returns:
        Input name to dtype and shape, in the order of the call.
    """
    names = _positional_names(model) if model is not None else []
    described = {}
    for key, leaf in leaves(inputs):
        digits = len(key) - len(key.lstrip("0123456789"))
        if digits and int(key[:digits]) < len(names):
            key = names[int(key[:digits])] + key[digits:]
        described[key] = spell(leaf)
    return described


def draw(
    inputs: Inputs,
    generator: torch.Generator,
    batch: int | None = None,
    *,
    ranges: Mapping[str, Range] | None = None,
    dtype: torch.dtype | None = None,
) -> Inputs:
    """Fresh random inputs of the same shapes.

    Floats are standard normal. Integers are uniform over their whole range; where none is known, it
    is what the example shows, column by column. Masks (booleans, and unbounded integers whose name
    says ``mask``) are kept as they are: a random one could hide everything.

    Args:
        inputs: The example.
        generator: A CPU generator, the only source of randomness.
        batch: New size of the batch axis: the first axis of every tensor whose first axis is as
            long as that of the first tensor.
        ranges: Of integers, by the keys of the leaves; they override ``inputs.bounds``.
        dtype: Floating type of the floats (``torch.float64`` for measurements); else as given.

    Returns:
        New inputs on the CPU.
    """
    known = {key: Range.below(bound) for key, bound in inputs.bounds.items()} | dict(ranges or {})
    tensors = [leaf for _, leaf in leaves(inputs) if isinstance(leaf, Tensor) and leaf.ndim]
    common = tensors[0].shape[0] if tensors else 0

    def fresh(key: str, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        shape = list(leaf.shape)
        rebatched = batch is not None and leaf.ndim > 0 and shape[0] == common
        if rebatched:
            assert batch is not None
            shape[0] = batch
        if leaf.is_complex():
            kind = torch.complex128 if dtype is torch.float64 else leaf.dtype
            return torch.randn(shape, generator=generator, dtype=kind)
        if leaf.is_floating_point():
            # drawn in float64 so that the values do not depend on the precision asked for
            values = torch.randn(shape, generator=generator, dtype=torch.float64)
            return values.to(dtype or leaf.dtype)
        keep = leaf.dtype is torch.bool or (key not in known and "mask" in key)
        if keep and rebatched:
            return leaf[torch.arange(shape[0]) % common] if common else leaf
        if keep:
            return leaf
        return (known.get(key) or observed(leaf)).draw(shape, generator).to(leaf.dtype)

    return map_leaves(inputs, fresh)


def as_inputs(example: Any) -> Inputs:
    """Inputs from what a file offers as ``example_inputs``.

    Args:
        example: A tensor, a tuple (or list) of positional inputs, a dict of keyword inputs, a
            function without arguments that returns one of these, or ``Inputs``.

    Raises:
        InputError: It is none of these, or holds no tensor.
    """
    if callable(example) and not isinstance(example, Tensor):
        try:
            example = example()
        except (KeyboardInterrupt, OutOfTime):
            raise
        except BaseException as error:
            raise InputError(
                f"the function that gives the example inputs raised {type(error).__name__}: {error}"
            ) from error
    match example:
        case Inputs():
            inputs = example
        case Tensor():
            inputs = Inputs((example,))
        case tuple() | list():
            inputs = Inputs(tuple(example))
        case Mapping() if all(isinstance(key, str) for key in example):
            inputs = Inputs((), dict(example))
        case _:
            raise InputError(
                f"example inputs are a {type(example).__name__}; they must be a tensor, a tuple of "
                "positional inputs, a dict of keyword inputs, or a function that returns one of "
                "these"
            )
    if not any(isinstance(leaf, Tensor) for _, leaf in leaves(inputs)):
        raise InputError("example inputs hold no tensor; give at least one")
    for key, leaf in leaves(inputs):
        if isinstance(leaf, Tensor):
            _check_plain(key, leaf)
    return map_leaves(inputs, lambda _, leaf: _ordinary(leaf))


def _ordinary(leaf: Any) -> Any:
    """Values where there are none (meta), and what autograd may keep of inference tensors."""
    if not isinstance(leaf, Tensor):
        return leaf
    if leaf.is_meta:
        rng = torch.Generator().manual_seed(0)
        values = torch.randn(leaf.shape, generator=rng, dtype=torch.float64, device="cpu")
        return values.to(leaf.dtype)
    return leaf.clone() if leaf.is_inference() else leaf


def _check_plain(key: str, leaf: Tensor) -> None:
    kinds = {
        "nested": leaf.is_nested,
        "sparse": leaf.layout is not torch.strided,
        "quantised": leaf.is_quantized,
        "empty": not leaf.is_nested and leaf.numel() == 0,
        "valueless (meta)": leaf.is_meta and not leaf.is_floating_point(),
    }
    kind = next((name for name, holds in kinds.items() if holds), None)
    if kind is not None:
        raise InputError(f"example input {key!r} is {kind}; give a dense one with entries")


def check_fits(model: nn.Module, inputs: Inputs) -> None:
    """Make sure that the model's ``forward`` accepts this call.

    Raises:
        InputError: It does not; the message says which argument, what is expected and what was
            given.
    """
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*inputs.args, **inputs.kwargs)
    except TypeError as error:
        given = ", ".join(
            [spell(arg) for arg in inputs.args]
            + [f"{name}={spell(arg)}" for name, arg in inputs.kwargs.items()]
        )
        raise InputError(
            f"inputs do not fit {type(model).__name__}.forward: {error}.\n"
            f"expected: forward({', '.join(_spelled_parameters(signature))})\n"
            f"given:    forward({given})"
        ) from None


def _spelled_parameters(signature: inspect.Signature) -> list[str]:
    shown = []
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    for parameter in signature.parameters.values():
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(stars.get(parameter.kind.name, "") + parameter.name + default)
    return shown


def _positional_names(model: nn.Module) -> list[str]:
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in kinds]
