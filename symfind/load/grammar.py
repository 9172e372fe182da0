"""The grammar of ``--input`` and ``--set``."""

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.errors import InputError, LoadError
from symfind.load.inputs import DTYPES, Inputs

_INPUT = re.compile(
    r"""(?: (?P<name>[A-Za-z_]\w*) \s*=\s* )?
        (?P<dtype>[a-z]+\d*) \s*
        (?: < \s*(?P<bound>\d+)\s* > )? \s*
        \[ (?P<shape> [\d\s,]* ) \]""",
    re.VERBOSE,
)
_MOST = 2**33  # numbers of an input
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_GRAMMAR = (
    "write DTYPE[SIZE,…], NAME=DTYPE[SIZE,…] or i64<VOCAB>[SIZE,…], as in 'f32[8,3,224,224]' or "
    f"'input_ids=i64<50257>[1,128]'; dtypes are {', '.join(DTYPES)}"
)


def parse_input(text: str, generator: torch.Generator) -> tuple[str | None, Tensor, int | None]:
    """Parse one ``--input``.

    Args:
        text: ``f32[8,3,224,224]``, ``name=i64[1,128]`` or ``i64<50257>[1,128]``.
        generator: Draws the values: floats normal, booleans true, integers below the bound (below
            two where none is given: zero and one index any table).

    Returns:
        Keyword name or ``None``, the tensor, exclusive upper bound or ``None``.

    Raises:
        InputError: The text does not follow the grammar.
    """
    found = _INPUT.fullmatch(text.strip())
    if found is None:
        raise InputError(f"--input {text!r} is not understood: {_GRAMMAR}")
    dtype = DTYPES.get(found["dtype"])
    if dtype is None:
        raise InputError(f"--input {text!r}: unknown dtype {found['dtype']!r}; {_GRAMMAR}")
    sizes = [size.strip() for size in found["shape"].split(",")] if found["shape"].strip() else []
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise InputError(f"--input {text!r}: every size must be a positive integer; {_GRAMMAR}")
    shape = [int(size) for size in sizes]
    if math.prod(shape) > _MOST:
        raise InputError(f"--input {text!r}: {math.prod(shape):,} numbers fit in no memory")
    integral = not dtype.is_floating_point and not dtype.is_complex and dtype is not torch.bool
    if found["bound"] is None:
        return found["name"], _values(shape, dtype, 2 if integral else None, generator), None
    bound = int(found["bound"])
    if not integral:
        raise InputError(f"--input {text!r}: an upper bound needs an integer dtype such as i64")
    if not 1 <= bound <= torch.iinfo(dtype).max + 1:
        raise InputError(
            f"--input {text!r}: the bound must lie between 1 and {torch.iinfo(dtype).max + 1}, "
            f"so that every value below it is an {found['dtype']}"
        )
    return found["name"], _values(shape, dtype, bound, generator), bound


def parse_inputs(texts: Sequence[str], generator: torch.Generator) -> Inputs:
    """All ``--input`` options together, positional ones in their order.

    Raises:
        InputError: One does not follow the grammar, or a name is given twice.
    """
    args: list[Tensor] = []
    kwargs: dict[str, Any] = {}
    bounds: dict[str, int] = {}
    for text in texts:
        name, tensor, bound = parse_input(text, generator)
        if name in kwargs:
            raise InputError(f"--input {text!r}: {name!r} is given twice; give each keyword once")
        if bound is not None:
            bounds[name if name is not None else str(len(args))] = bound
        if name is None:
            args.append(tensor)
        else:
            kwargs[name] = tensor
    return Inputs(tuple(args), kwargs, bounds)


def parse_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values of ``--set`` as Python: literals where they are literals, else the text itself.

    Args:
        settings: Key to text, e.g. ``{"n_layer": "2", "hidden_act": "gelu"}``; values that are not
            text pass unchanged. ``true``, ``false`` and ``none`` are taken in lower case too, since
            the text ``"false"`` would count as true.

    Raises:
        LoadError: A key is not a (dotted) Python name.
    """
    parsed = {}
    for key, value in settings.items():
        if not all(part.isidentifier() for part in key.split(".")):
            raise LoadError(f"--set {key}={value}: {key!r} is not a name; write KEY=VALUE")
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                value = _WORDS.get(value.strip().lower(), value)
        parsed[key] = value
    return parsed


def _values(
    shape: list[int], dtype: torch.dtype, bound: int | None, generator: torch.Generator
) -> Tensor:
    if bound is not None:
        return torch.randint(bound, shape, generator=generator).to(dtype)
    if dtype is torch.bool:
        return torch.ones(shape, dtype=dtype)
    if dtype.is_complex:
        return torch.randn(shape, generator=generator, dtype=dtype)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
