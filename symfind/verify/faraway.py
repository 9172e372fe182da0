"""Whether a symmetry holds where parameters are large: there a bound or a threshold shows.

Far out some functions are nothing but rounding (a sine of 1e20), and along a true symmetry they
change as much as along a false one. A change therefore tells only where it is more than that under
a change of all parameters by a billionth of themselves.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind import budget
from symfind.algebra.generator import Generator
from symfind.errors import InputError
from symfind.verify.elements import norm, unit
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.sampling import random_direction

SIZES = (1e3, 1e8, 1e18, 1e28)  # of what moves; bounds further out stand for an infinity
_BROKEN = 1e-6  # of what a random change as large does
_FLOOR = 1e-3  # or of this part of the output
_BLURRED = 1e-9  # of parameters, by which they are as good as the same
_CLEAR = 10.0  # times what that does


def holds_far(
    function: Function,
    generator: Generator,
    theta: Point,
    inputs: Sequence[InputsLike],
    rng: torch.Generator,
) -> bool:
    """Whether the outputs stay when what moves is large; true as well where nothing can be told.

    Args:
        function: of parameters.
        generator: followed by about the size of what it moves.
        theta: a generic point.
        inputs: on which the function is evaluated.
        rng: of elements, and of the changes that they are compared with.
    """
    for size in SIZES:
        budget.check()
        place = {n: v * size if n in generator.parameters else v for n, v in theta.items()}
        c = generator.coefficients(rng)
        scale = unit(generator.direction(place, c), place)
        if not scale or not math.isfinite(scale):
            continue
        moved = generator.flow(place, c * scale, 1.0)
        if any(not _stays(function, place, moved, one, rng) for one in inputs):
            return False
    return True


def _stays(
    function: Function,
    place: Point,
    moved: Mapping[str, Tensor],
    inputs: InputsLike,
    rng: torch.Generator,
) -> bool:
    there = {**place, **moved}
    shaken = {
        **place,
        **{n: place[n] + random_direction(v.shape, rng, norm([v - place[n]]))
           for n, v in moved.items()},
    }  # fmt: skip
    try:
        value, after, other = (function(p, inputs) for p in (place, there, shaken))
        along = float((after - value).norm())
        floor = max(float((other - value).norm()), _FLOOR * float(value.norm()))
        if along <= _BROKEN * floor:
            return True
        blurred = (
            function(_blurred(p, rng), inputs) - v for p, v in ((place, value), (there, after))
        )
        return along <= _CLEAR * max(float(b.norm()) for b in blurred)
    except InputError:  # out of the domain of the function
        return True


def _blurred(theta: Point, rng: torch.Generator) -> dict[str, Tensor]:
    def factor(v: Tensor) -> Tensor:
        drawn = torch.randn(v.shape, generator=rng, dtype=torch.float64)
        return 1 + _BLURRED * drawn.to(v.device)

    return {n: v * factor(v) for n, v in theta.items()}
