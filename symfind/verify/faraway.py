"""Whether a symmetry holds where parameters are large: there a bound or a threshold shows.

Far out some functions are nothing but rounding (a sine of 1e20), and along a true symmetry they
change as much as along a false one. A change therefore tells only where it is more than that under
a change of all parameters by a billionth of themselves, and than what following a flow there and
back leaves.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from symfind import budget
from symfind.algebra.generator import Generator
from symfind.errors import InputError
from symfind.verify.elements import norm, unit
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.sampling import random_direction

_TIMES = (1.0, -1.0)  # of flows; along longer ones what integration leaves would be a change
SIZES = (1e3, 1e8, 1e18, 1e28)  # of what moves; bounds further out stand for an infinity
_BROKEN = 1e-6  # of what a random change as large does
_FLOOR = 1e-3  # or of this part of the output
_BLURRED = 1e-9  # of parameters, by which they are as good as the same
_CLEAR = 10.0  # times what that does
_TRIES = 8  # of such changes: rounding may be the same by chance


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
    for size, sign in itertools.product(SIZES, (1.0, -1.0)):
        budget.check()
        far = sign * size
        place = {n: v * far if n in generator.parameters else v for n, v in theta.items()}
        c = generator.coefficients(rng)
        scale = unit(generator.direction(place, c), place)
        if not scale or not math.isfinite(scale):
            continue
        for time in _TIMES:
            there = {**place, **generator.flow(place, c * scale, time)}
            back = partial(generator.flow, there, c * scale, -time)
            if any(not _stays(function, place, there, one, rng, back) for one in inputs):
                return False
    return _scales_far(function, generator, theta, inputs, rng)


def _scales_far(
    function: Function,
    generator: Generator,
    theta: Point,
    inputs: Sequence[InputsLike],
    rng: torch.Generator,
) -> bool:
    """Whether the outputs stay where a scaling leads from a point to far larger and smaller ones.

    It changes no sign, and from large to large it crosses no threshold; true as well for what is
    no scaling.
    """
    for sign in (1.0, -1.0):
        budget.check()
        place = {n: sign * v if n in generator.parameters else v for n, v in theta.items()}
        rates = _rates(generator, place, generator.coefficients(rng))
        if rates is None:
            return True
        for size, way in itertools.product(SIZES, (1.0, -1.0)):
            moved = {n: place[n] * (way * math.log(size) * r).exp() for n, r in rates.items()}
            there = {**place, **moved}
            back: partial[dict[str, Tensor]] = partial(dict, place)
            if any(not _stays(function, place, there, one, rng, back) for one in inputs):
                return False
    return True


def _rates(generator: Generator, place: Point, c: Tensor) -> dict[str, Tensor] | None:
    """By what a scaling multiplies each entry, as logarithms of at most one; None for no scaling.

    Its field is a multiple of every entry, and the same multiple along its flow.
    """
    field = generator.direction(place, c)
    rates = {n: torch.where(place[n] == 0, 0.0, d / place[n]) for n, d in field.items()}
    top = max((float(r.abs().max()) for r in rates.values() if r.numel()), default=0.0)
    if not 0.0 < top < math.inf or any(bool(d[place[n] == 0].any()) for n, d in field.items()):
        return None
    rates = {n: r / top for n, r in rates.items()}
    later = {**place, **{n: place[n] * r.exp() for n, r in rates.items()}}
    again = generator.direction(later, c)
    same = all(torch.allclose(d / top, rates[n] * later[n], atol=0.0) for n, d in again.items())
    return rates if same else None


def _stays(
    function: Function,
    place: Point,
    there: Point,
    inputs: InputsLike,
    rng: torch.Generator,
    back: Callable[[], Mapping[str, Tensor]],
) -> bool:
    """Whether the outputs at both are the same, but for rounding and what a way back leaves."""
    shaken = {
        n: v if there[n] is v else v + random_direction(v.shape, rng, norm([there[n] - v]))
        for n, v in place.items()
    }
    try:
        value, after, other = (function(p, inputs) for p in (place, there, shaken))
        along = float((after - value).norm())
        if not math.isfinite(along):
            return True
        floor = max(float((other - value).norm()), _FLOOR * float(value.norm()))
        if along <= _BROKEN * floor:
            return True
        again = {**there, **back()}
        if along <= _CLEAR * float((function(again, inputs) - value).norm()):
            return True
        return any(
            along <= _CLEAR * float((function(_blurred(p, rng), inputs) - v).norm())
            for _ in range(_TRIES) for p, v in ((place, value), (there, after))
        )  # fmt: skip
    except InputError:  # out of the domain of the function
        return True


def _blurred(theta: Point, rng: torch.Generator) -> dict[str, Tensor]:
    def factor(v: Tensor) -> Tensor:
        drawn = torch.randn(v.shape, generator=rng, dtype=torch.float64)
        return 1 + _BLURRED * drawn.to(v.device)

    return {n: v * factor(v) for n, v in theta.items()}
