"""Operations that copy, rearrange, or add up entries: run as torch has them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.exact.rules.registry import rule
from symfind.exact.tape import Tape, Value
from symfind.trace.graph import Op
from symfind.trace.kernels import run

# Whatever their other arguments, each result is a sum of entries of the floating operands.
MOVES = {
    "alias", "broadcast_tensors", "cat", "channel_shuffle", "chunk", "col2im",
    "cumsum", "diag", "diag_embed", "diagonal", "diagonal_scatter", "embedding", "expand", "flip",
    "gather", "hstack", "im2col", "index", "index_copy", "index_put", "index_select",
    "masked_select", "meshgrid", "narrow", "permute", "pixel_shuffle", "pixel_unshuffle",
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "repeat", "repeat_interleave",
    "replication_pad1d", "replication_pad2d", "replication_pad3d", "roll", "rot90", "select",
    "select_scatter", "slice", "slice_scatter", "split", "split_with_sizes", "squeeze", "stack",
    "sum", "take_along_dim", "tile", "trace", "transpose", "tril", "triu", "unbind", "unfold",
    "unsqueeze", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "view",
    "vstack", "scatter_add",
}  # fmt: skip
_NOT = {"aten.view.dtype"}  # reads bits, not numbers


def moves(target: str) -> bool:
    """Whether an operation, by its full name, is one of `MOVES`."""
    return target not in _NOT and target.removeprefix("aten.").partition(".")[0] in MOVES


def moved(tape: Tape, op: Op, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Run an operation of `MOVES` by itself on everything that it moves."""
    values: list[Value] = []
    template = (_holes(tape, args, values), _holes(tape, kwargs, values))

    def function(*tensors: Tensor) -> Any:
        filled_args, filled_kwargs = _filled(template, tensors)
        return run(op, filled_args, filled_kwargs, torch.device("cpu"))

    return tape.linear(function, *values)


class _Hole(int):
    """The place of a value, by its number."""


def _holes(tape: Tape, tree: Any, values: list[Value]) -> Any:
    if isinstance(tree, Tensor) and tree.is_floating_point():
        tree = tape.lift(tree)
    if isinstance(tree, Value):
        values.append(tree)
        return _Hole(len(values) - 1)
    if isinstance(tree, (tuple, list)):
        return type(tree)(_holes(tape, item, values) for item in tree)
    if isinstance(tree, dict):
        return {key: _holes(tape, item, values) for key, item in tree.items()}
    return tree


def _filled(tree: Any, tensors: Sequence[Tensor]) -> Any:
    if isinstance(tree, _Hole):
        return tensors[tree]
    if isinstance(tree, (tuple, list)):
        return type(tree)(_filled(item, tensors) for item in tree)
    if isinstance(tree, dict):
        return {key: _filled(item, tensors) for key, item in tree.items()}
    return tree


@rule("where")
def where(t: Tape, mask: Tensor, x: Any = 1.0, y: Any = 0.0) -> Value:
    """One or the other, by a mask."""
    return t.choose(mask, t.lift(x), t.lift(y))


@rule("masked_fill")
def masked_fill(t: Tape, x: Value, mask: Tensor, value: Any) -> Value:
    """A constant where the mask is."""
    return t.choose(mask, t.lift(value), x)


@rule("scatter", "scatter.src", "scatter.value")
def scatter(t: Tape, x: Any, dim: int, index: Tensor, source: Any) -> Value:
    """Some entries replaced."""
    if not isinstance(source, (Value, Tensor)):
        source = torch.full(index.shape, float(source), dtype=torch.float64)
    return t.linear(lambda a, b: a.scatter(dim, index, b), t.lift(x), t.lift(source))


@rule("index_add")
def index_add(t: Tape, x: Any, dim: int, index: Tensor, source: Any, *, alpha: Any = 1) -> Value:
    """Rows added to some rows."""
    source = t.scale(t.lift(source), alpha)
    return t.linear(lambda a, b: a.index_add(dim, index, b), t.lift(x), source)


@rule("pad", "constant_pad_nd")
def pad(
    t: Tape, x: Value, sizes: Sequence[int], mode: Any = "constant", value: Any = None
) -> Value:
    """Constants, or copies, at the ends."""
    if not isinstance(mode, str):  # constant_pad_nd(x, sizes, value)
        mode, value = "constant", mode
    sizes = list(sizes)
    padded = t.linear(lambda a: torch.nn.functional.pad(a, sizes, mode), x)
    if mode != "constant" or not value:
        return padded
    filled = torch.nn.functional.pad(torch.zeros(x.shape), sizes, mode, float(value))
    return t.add(padded, t.lift(filled))


@rule("diff")
def diff(t: Tape, x: Value, n: int = 1, dim: int = -1, *_: None) -> Value:
    """Differences of neighbours."""
    for _i in range(n):
        length = x.shape[dim]
        late = t.linear(lambda a, m=length: a.narrow(dim, 1, m - 1), x)
        early = t.linear(lambda a, m=length: a.narrow(dim, 0, m - 1), x)
        x = t.add(late, t.scale(early, -1))
    return x
