"""What a derivative does not see: along some paths a function stays for a while, and then jumps.

Thresholds, rounding, an order, the largest k: moving what decides has derivative zero almost
everywhere, and changes the function all the same. A path is sampled, and where values change most
abruptly the place is narrowed down until nothing but a jump is left: what is continuous changes
less and less.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from symfind import budget
from symfind.errors import InputError
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.several import Several

Path = Callable[[Sequence[float]], list[Point]]  # points at times, the first of them near zero

SIZES = (0.3, 2.0)  # of paths, relative to what moves
_NODES = 16  # of each half of a path
_PLACES = 2  # of a path that are narrowed down
_NARROW = 2**26  # parts of a step, on one of which what is continuous changes by less
_PARTS = 16  # that a step is cut into at once, where that costs little more than two
_JUMP = 1e-6  # of the largest output
_INPUTS = 3  # draws


def drawn(
    draw: Callable[[torch.Generator], InputsLike], given: InputsLike, seed: int
) -> list[InputsLike]:
    """The given inputs and some more, on which jumps are looked for."""
    rng = torch.Generator().manual_seed(seed)
    return [given, *(draw(rng) for _ in range(_INPUTS))]


def jumps(several: Several, path: Path, inputs: Sequence[InputsLike]) -> bool:
    """Whether a function is discontinuous somewhere on a path.

    Args:
        several: evaluates it at several parameters.
        path: parameters by times; followed in both directions up to each of `SIZES`.
        inputs: on which it is evaluated.
    """
    for size in SIZES:
        times = [size * (i + 1) / _NODES for i in range(_NODES)]
        points = [*reversed(path([-t for t in times])), *path([0.0]), *path(times)]
        if any(_jumps(several, points, one) for one in inputs):
            return True
    return False


def _jumps(several: Several, points: Sequence[Point], inputs: InputsLike) -> bool:
    budget.check()
    try:
        values = several(points, inputs)
        least = _JUMP * float(values.abs().max())
        return any(
            _stays(several, points[i : i + 2], inputs, values[i : i + 2, j], j, least)
            for i, j in _abrupt(values, least)
        )
    except InputError:  # out of the domain of the function: nothing can be told
        return False


def _abrupt(values: Tensor, least: float) -> list[tuple[int, int]]:
    """Steps, and entries, where the change differs most from that of the step before or after."""
    change = values.diff(dim=0)
    bend = change.diff(dim=0).abs()
    abrupt = torch.minimum(change[1:].abs(), bend)
    abrupt = torch.cat([torch.minimum(change[:1].abs(), bend[:1]), abrupt])
    step, entry = abrupt.amax(1).topk(_PLACES).indices, abrupt.argmax(1)
    return [(i, int(entry[i])) for i in step.tolist() if float(abrupt[i].max()) > least]


def _stays(
    several: Several,
    ends: Sequence[Point],
    inputs: InputsLike,
    values: Tensor,
    entry: int,
    least: float,
) -> bool:
    """Whether the change of one entry between two points is left when they approach each other."""
    points, parts = list(ends), 1
    while parts < _NARROW:
        number = _PARTS if several.together else 2
        between = [_between(points, i / number) for i in range(1, number)]
        inner = several(between, inputs)[:, entry]
        values = torch.cat([values[:1], inner, values[1:]])
        points = [points[0], *between, points[1]]
        most = int(values.diff().abs().argmax())
        points, values, parts = points[most : most + 2], values[most : most + 2], parts * number
        if float(values.diff().abs()) <= least:
            return False
    return True


def _between(ends: Sequence[Point], part: float) -> Point:
    low, high = ends
    return {n: v if v is high[n] else v + part * (high[n] - v) for n, v in low.items()}


def line(theta: Point, function: Function, vector: Tensor) -> Path:
    """A straight line from a point, in unit time as long as what moves is large.

    Args:
        theta: where it starts.
        function: whose parameters they are.
        vector: its direction, [parameters].
    """
    vector = vector.to(function.device, torch.float64)
    moving = vector != 0
    size = float(function.flatten(theta)[moving].norm()) or 1.0
    direction = function.unflatten(vector * (size / float(vector.norm())))
    moved = {n: d for n, d in direction.items() if bool((d != 0).any())}

    def path(times: Sequence[float]) -> list[Point]:
        return [{**theta, **{n: theta[n] + t * d for n, d in moved.items()}} for t in times]

    return path


def jumping(
    function: Function, theta: Point, vectors: Tensor, inputs: Sequence[InputsLike], seed: int
) -> list[bool]:
    """Along which of some directions a function jumps.

    Random combinations of several are tried first, and only those that jump are taken apart.

    Args:
        function: of parameters.
        theta: where straight lines start.
        vectors: the directions, [parameters, number].
        inputs: on which it is evaluated.
        seed: of the combinations.
    """
    rng = torch.Generator().manual_seed(seed)
    several = Several(function)

    def parted(columns: Tensor) -> list[bool]:
        number = columns.shape[1]
        mix = torch.randn(number, generator=rng, dtype=torch.float64).to(columns)
        if not number or not jumps(several, line(theta, function, columns @ mix), inputs):
            return [False] * number
        if number == 1:
            return [True]
        half = number // 2
        return parted(columns[:, :half]) + parted(columns[:, half:])

    return parted(vectors)
