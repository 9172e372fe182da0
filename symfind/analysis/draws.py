"""Inputs over their full domain, as far as the model takes them.

A model may check what it is given: an assertion on the largest index, on positive values, on rows
that are sorted. What it refuses is not drawn: then integers are those of the examples in other
combinations, or some of the inputs stay as they are, and in the end the examples are all there is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.load import Inputs
from symfind.load.inputs import draw, leaves, map_leaves
from symfind.load.ranges import Range, resampled
from symfind.verify import Function

Draw = Callable[[torch.Generator], Inputs]
_TRIED = 2  # draws that a model must take


def accepted(inputs: Inputs, ranges: Mapping[str, Range], function: Function) -> Draw:
    """The widest of the ways to draw that the model takes."""
    ways = [_full(inputs, ranges)]
    if any(is_integer(leaf) for _, leaf in leaves(inputs)):
        ways.append(_recombined(inputs))
    theta = function.random_point(torch.Generator().manual_seed(0))
    for way in ways:
        if _takes(function, theta, way):
            return way
    free: frozenset[str] = frozenset()
    for key, leaf in leaves(inputs):
        if is_float(leaf) or is_integer(leaf):
            more = free | {key}
            free = more if _takes(function, theta, partly(ways[0], inputs, more)) else free
    return partly(ways[0], inputs, free)


def together(
    inputs: Inputs, ranges: Mapping[str, Range], count: int, function: Function
) -> Draw | None:
    """Draws so many examples at once, where the model takes them."""

    def fresh(rng: torch.Generator) -> Inputs:
        return draw(inputs, rng, count, ranges=ranges, dtype=torch.float64)

    theta = function.random_point(torch.Generator().manual_seed(0))
    return fresh if _takes(function, theta, fresh) else None


def partly(way: Draw, inputs: Inputs, free: frozenset[str]) -> Draw:
    """Draws some of the inputs, by their keys, and leaves the others as they are."""
    given = dict(leaves(inputs))

    def fresh(rng: torch.Generator) -> Inputs:
        return map_leaves(way(rng), lambda key, leaf: leaf if key in free else given[key])

    return fresh if free else lambda rng: inputs


def drawn(inputs: Inputs, way: Draw) -> frozenset[str]:
    """The inputs that a way of drawing changes, by their keys."""
    new = dict(leaves(way(torch.Generator().manual_seed(2))))
    return frozenset(
        key for key, leaf in leaves(inputs)
        if not isinstance(leaf, Tensor) or not torch.equal(leaf.to(new[key]), new[key])
    )  # fmt: skip


def _takes(function: Function, theta: Mapping[str, Tensor], way: Draw) -> bool:
    rng = torch.Generator().manual_seed(1)
    try:
        for _ in range(_TRIED):
            function(theta, way(rng))
    except InputError:
        return True  # not finite: that is for the measurement to say
    except Exception:  # whatever a model raises at inputs that it does not want
        return False
    return True


def _full(inputs: Inputs, ranges: Mapping[str, Range]) -> Draw:
    def fresh(rng: torch.Generator) -> Inputs:
        scale = _scale(rng)
        return map_leaves(
            draw(inputs, rng, ranges=ranges, dtype=torch.float64),
            lambda _, leaf: leaf * scale if is_float(leaf) else leaf,
        )

    return fresh


def _recombined(inputs: Inputs) -> Draw:
    def fresh(rng: torch.Generator) -> Inputs:
        scale = _scale(rng)

        def change(_: str, leaf: Any) -> Any:
            if is_float(leaf):
                return scale * torch.randn(leaf.shape, generator=rng, dtype=torch.float64)
            return resampled(leaf, list(leaf.shape), rng) if is_integer(leaf) else leaf

        return map_leaves(inputs, change)

    return fresh


def _scale(rng: torch.Generator) -> float:
    # Of several sizes, so that units that are rarely active are reached as well.
    return float(0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64))


def is_float(leaf: Any) -> bool:
    """Whether a leaf of inputs is a tensor of real numbers."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def is_integer(leaf: Any) -> bool:
    """Whether a leaf of inputs is a tensor of integers that are no truth values."""
    real = isinstance(leaf, Tensor) and not leaf.is_complex()
    return real and not leaf.is_floating_point() and leaf.dtype is not torch.bool
