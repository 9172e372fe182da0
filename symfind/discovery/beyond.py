"""Symmetries beyond known ones: a bounded look at what a measurement leaves unexplained."""

import math
from collections.abc import Callable

from symfind.discovery.check import Basis, checked
from symfind.discovery.dictionary import Shape
from symfind.discovery.explore import MOST_FIELDS, Exploration
from symfind.discovery.samples import Samples
from symfind.verify import Function, Nullity
from symfind.verify.nullity import Draw

MOST_PARAMETERS = 1000  # that are looked at without being asked
_FEW_FIELDS, _FEW_IN_ALL = 1000, 10_000  # of one equation, and of all of them
_FEW_FLOWS = 60  # that are followed, of what they give


def beyond(
    function: Function,
    measured: Nullity,
    draw: Draw,
    seed: int,
    more: bool,
    tell: Callable[[str], None],
) -> tuple[Basis, bool] | None:
    """Look for vector fields that give what is null beyond known directions.

    The effort is bounded by numbers of fields, not by time, so that the answer is always the same.

    Args:
        function: the model.
        measured: with the known directions and those beyond.
        draw: draws inputs.
        seed: of points and inputs.
        more: whether to look as far as `discover` does.
        tell: called with a line on what is being done.

    Returns:
        Generators that add to the known directions, each of which stands at fresh points and along
        its flow, and whether all was looked at. None where the model is too large.
    """
    if function.count > MOST_PARAMETERS and not more:
        return None
    samples = Samples(function, draw, seed + 1)
    return explored(function, measured, samples, seed, more, tell)


def explored(
    function: Function,
    measured: Nullity,
    samples: Samples,
    seed: int,
    more: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Basis, bool]:
    """As `beyond`, with samples of the function, whatever its size."""
    assert measured.theta is not None and measured.directions is not None
    shapes = [Shape(name, function.shapes[name]) for name in function.names]
    most, total = (MOST_FIELDS, math.inf) if more else (_FEW_FIELDS, _FEW_IN_ALL)
    exploration = Exploration(shapes, samples, measured, most, tell, total)
    exploration.run()
    tell("checking generators")
    flows = math.inf if more else _FEW_FLOWS
    basis = checked(exploration.found, samples, seed, measured.theta, measured.directions, flows)
    assert measured.beyond is not None
    complete = basis.dimension == measured.beyond.shape[1]
    stopped = exploration.stopped or exploration.left_out or not basis.whole
    return basis, complete or not stopped
