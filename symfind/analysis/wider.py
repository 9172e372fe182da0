"""Inputs beyond those given: what is null on these alone shows there.

Real numbers of other sizes and means, and of every magnitude, as kinks and limits lie far out;
integers over whole tables, and the same ones again and again; numbers that the model tells from
others; other masks, more and longer inputs. Not every model can be evaluated on all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from symfind.analysis.draws import Draw, is_float, is_integer
from symfind.analysis.marks import kinds, marked
from symfind.load import Inputs
from symfind.load.inputs import draw, leaves, map_leaves
from symfind.load.ranges import Range

T = TypeVar("T")

_ROWS = 12  # of every number that the model tells from others
_NUMBERS = 20_000  # in inputs of these, where they are wide
_POWERS = (1, 2, 4)  # of ten: what overflows on the largest may be evaluated on smaller ones


def wider(
    start: Inputs, ranges: Mapping[str, Range], marks: tuple[float, ...] = ()
) -> dict[str, Draw]:
    """What draws inputs beyond the given ones, by what is different about them.

    Args:
        start: the given ones.
        ranges: of integers, over whole tables.
        marks: numbers that the model tells from others.
    """
    first = next((x for _, x in leaves(start) if isinstance(x, Tensor) and x.ndim), None)
    batch = 2 * first.shape[0] + 1 if first is not None else 1
    given = [x for _, x in leaves(start) if isinstance(x, Tensor)]
    width = 1 + sum(x.numel() // max(1, x.shape[0]) for x in given if x.ndim)

    def values(rng: torch.Generator, size: int | None = None) -> Inputs:
        shift, scale = torch.randn(2, generator=rng, dtype=torch.float64).tolist()
        return map_leaves(
            draw(start, rng, batch=size, ranges=ranges, dtype=torch.float64),
            lambda _, leaf: 3.0 * scale * leaf + 3.0 * shift if is_float(leaf) else leaf,
        )

    def larger(rng: torch.Generator, power: int) -> Inputs:
        return map_leaves(values(rng, batch), lambda _, leaf: far(leaf, power, rng))

    def again(rng: torch.Generator) -> Inputs:
        return map_leaves(values(rng, batch), lambda _, leaf: _repeated(leaf, rng))

    def special(numbers: tuple[float, ...], alone: bool) -> Draw:
        size = max(batch, min(_ROWS * len(numbers), _NUMBERS // width))
        return lambda rng: map_leaves(
            values(rng, size), lambda _, leaf: marked(leaf, numbers, rng, alone)
        )

    def masks(rng: torch.Generator) -> Inputs:
        return map_leaves(values(rng), lambda _, leaf: _flipped(leaf, rng))

    def longer(rng: torch.Generator) -> Inputs:
        size = first.shape[1] if first is not None and first.ndim > 1 else -1
        return map_leaves(values(rng), lambda _, leaf: _lengthened(leaf, size))

    found: dict[str, Draw] = {}
    found[_differing([x.dtype for x in given])] = values
    found["a larger batch"] = lambda rng: values(rng, batch)  # before all that are larger as well
    if any(map(is_float, given)):
        found |= magnitudes(larger)
    if any(is_integer(x) and x.ndim > 1 for x in given):
        found["integers that occur again and again"] = again
    for words, numbers in kinds(marks).items():
        found[words] = special(numbers, alone=False)
        found[f"rows of {words}"] = special(numbers, alone=True)
    if any(x.dtype == torch.bool for x in given):
        found["other masks"] = masks
    if first is not None and first.ndim > 1:
        found["longer inputs"] = longer
    return found


def magnitudes(
    larger: Callable[[torch.Generator, int], T],
) -> dict[str, Callable[[torch.Generator], T]]:
    """What draws inputs of several magnitudes, by words for it; from what does for one of them."""

    def of(power: int) -> Callable[[torch.Generator], T]:
        return lambda rng: larger(rng, power)

    return {f"values up to {10**k:,} times as large": of(k) for k in _POWERS}


def far(leaf: Any, power: int, rng: torch.Generator) -> Any:
    """Real numbers times powers of ten, each another, and half of the first axis times one alike.

    Limits and kinks may lie anywhere: what is cut off at a hundred is never reached by numbers
    about one.
    """
    if not is_float(leaf):
        return leaf
    powers = torch.rand(leaf.shape, generator=rng, dtype=torch.float64)
    if leaf.ndim:
        rows = torch.rand(leaf.shape[0], generator=rng, dtype=torch.float64)
        rows = rows.reshape(-1, *[1] * (leaf.ndim - 1)).expand(leaf.shape)
        alike = torch.arange(leaf.shape[0]).reshape(-1, *[1] * (leaf.ndim - 1)) % 2 == 0
        powers = torch.where(alike, rows, powers)
    return leaf * 10.0 ** (power * powers)


def _differing(kinds: Sequence[torch.dtype]) -> str:
    """What is different about inputs that are drawn wider, by what there is to draw."""
    real = "values of other size and mean" * any(k.is_floating_point for k in kinds)
    whole = "integers over whole tables" * any(
        not k.is_floating_point and k != torch.bool for k in kinds
    )
    return ", and ".join(words for words in (real, whole) if words) or "other values"


def _repeated(leaf: Any, rng: torch.Generator) -> Any:
    """Every other row of one integer alone, and the rest of two."""
    if not is_integer(leaf) or leaf.ndim < 2:
        return leaf
    first, second = leaf[:, :1].expand_as(leaf), leaf.flip(0)[:, :1].expand_as(leaf)
    mixed = torch.where(torch.rand(leaf.shape, generator=rng) < 0.5, first, second)
    alone = torch.arange(len(leaf)).reshape(-1, *[1] * (leaf.ndim - 1)) % 2 == 0
    return torch.where(alone, first, mixed)


def _flipped(leaf: Any, rng: torch.Generator) -> Any:
    if not isinstance(leaf, Tensor) or leaf.dtype != torch.bool:
        return leaf
    return torch.rand(leaf.shape, generator=rng) < 0.5


def _lengthened(leaf: Any, size: int) -> Any:
    """The same values and again some of them, along the second axis where it has this size."""
    if not isinstance(leaf, Tensor) or leaf.ndim < 2 or leaf.shape[1] != size:
        return leaf
    # values are all random, so that those that come again are as good as others elsewhere
    more = leaf.flip(0).roll(1, 1)[:, : max(1, size // 2)]
    return torch.cat([leaf, more], 1)
