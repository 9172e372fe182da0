"""Points at which every unit sees all pieces of its activation, and no scale is lost.

At most random points some units of a narrow network are always off or always on, a clip at six is
never reached, a weight that a constant multiplies does nothing, an exponential overflows; then more
is null than the architecture makes so. Any point bounds the generic nullity from above, hence
points may be chosen: layer by layer over inputs, weights are scaled, and biases moved.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.ops.facts import facts
from symfind.points.facts import (
    bends,
    bias,
    channel_dim,
    chooses,
    compares,
    kinks,
    parametric,
    switches,
    weight,
)
from symfind.points.manner import PLAIN, Manner
from symfind.points.moves import (
    Shift,
    centre_by_weight,
    cross,
    decorrelate,
    deviation,
    even,
    paths,
    rescale,
    shift_of,
    spread,
    turn,
)
from symfind.points.run import Run
from symfind.trace import Graph, Op

_FEW, _FEWER = 0.2, 0.1  # quantile, relative to the median, at which a unit switches, or two times
_DISTINCT = 1e-6  # of the spread of a channel: closer values are one
_MARGIN = 0.15  # of the range of a unit, that lies beyond
_BEYOND, _MOST_BEYOND = 0.6, 0.4  # of the distance of two kinks, and of the range at most, each way
_FAR = 2.0  # kinks that are further apart than this are out of reach of a wire of unit spread
_REACH = 0.65  # of the distance of two kinks: the deviation of a wire that crosses both
_ACROSS = 1.5  # of that distance: from the lowest tenth of a channel to its highest
_VANISHING, _EXPLODING = 0.1, 3.0  # of a wire
_FLAT, _STEEP = 1.5, 5.0  # deviation of what a smooth function reads,
_BENT = 3.0  # and what it is given otherwise
_AWAY = 1.0  # deviations, that the means of what a layer gives may be from zero
_OFF = 1.5  # deviations of a channel, from which on it hardly sees where a function bends
_FAR_OFF = 8  # operations between the scores of a router and the choice
_MOST = 60_000_000  # numbers that are kept at once
_BROKEN = (RuntimeError, NotImplementedError, ValueError, TypeError, KeyError, IndexError,
           AttributeError, ArithmeticError)  # fmt: skip


def enliven(
    graph: Graph,
    theta: Mapping[str, Tensor],
    inputs: Sequence[Mapping[str, Tensor]],
    rng: torch.Generator,
    manner: Manner = PLAIN,
) -> dict[str, Tensor]:
    """Move biases and scale weights until units live.

    Args:
        graph: what is run.
        theta: a random point, on the CPU.
        inputs: several draws, by the names of the graph's inputs.
        rng: the source of randomness.
        manner: at which quantile units are to switch.

    Returns:
        Another point; where an operation cannot be run by itself, changed up to there.
    """
    run = Run(graph, dict(theta), inputs)
    with torch.no_grad():
        for op in graph.ops:
            before = dict(run.theta)
            try:
                _visit(run, op, rng, manner.switch)
            except _BROKEN:
                return before
            if run.numbers > _MOST:
                break
    return run.theta


def _visit(run: Run, op: Op, rng: torch.Generator, switch: float) -> None:
    if switches(op):
        _straddle(run, op, rng, switch)
    elif bends(op):
        _bend(run, op, rng)
    elif chooses(op):
        _compete(run, op)
    run.visit(op)
    if weight(op) is None or not op.varies or not _measurable(run, op):
        return
    decorrelate(run, op)
    _level(run, op, rng)
    turn(run, op)
    if op.base == "batch_norm":
        even(run, op)
    elif not _VANISHING < spread(run, op) < _EXPLODING:
        rescale(run, op, 1.0, [op])


def _measurable(run: Run, op: Op) -> bool:
    value = run.values[id(op)][0]
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


def _level(run: Run, op: Op, rng: torch.Generator) -> None:
    """Let channels vary by more than they are away from zero.

    Of what hardly varies about a large mean, a norm behind it leaves the mean alone, and all that
    is computed from it is nearly one number for all inputs.
    """
    added = bias(op)
    if added is None or added.target != "parameter" or op.base in ("add", "sub", "batch_norm"):
        return
    dim = channel_dim(op)
    flat = run.channels(op, dim)
    value, mean, wide = run.theta[added.key], flat.mean(1), float(flat.var(1).mean().sqrt())
    far = float(mean.square().mean().sqrt())
    if value.numel() != len(flat) or not _DISTINCT * far < wide < far / _AWAY:
        return  # what does not vary at all would be zero
    drawn = torch.rand(len(flat), generator=rng, dtype=torch.float64)
    move = _AWAY * wide * (2 * drawn - 1) - mean
    run.change(added, value + move.reshape(value.shape), [op])


def _bend(run: Run, op: Op, rng: torch.Generator) -> None:
    """Let every unit of a smooth function see where it bends, and not far more."""
    wire, (place,) = op.args[0], facts(op).bends
    if not isinstance(wire, Op) or not _measurable(run, wire):
        return
    shift = shift_of(run, wire, rng)
    measure = deviation(shift.dim if shift else None)
    if not _FLAT < measure(run, wire) < _STEEP:
        chain = next((c for c in paths(wire) if weight(c[0]) is not None), None)
        if chain is not None:
            rescale(run, wire, _BENT, chain, measure)
            shift = shift_of(run, wire, rng)
    if shift is None:
        return
    flat = run.channels(wire, shift.dim)
    far = (flat.mean(1) - place).abs() > _OFF * flat.std(1)
    if bool(far.any()):
        _shift(
            run, shift, torch.where(far, _middle(flat, (place,), rng), flat.mean(1)) - flat.mean(1)
        )


def _compete(run: Run, op: Op) -> None:
    """Let each of those among which the largest are chosen be one of them somewhere.

    What a router reads may vary little about its mean, and then it would choose the same
    everywhere: no mean may favour an expert.
    """
    chain = [op.args[0]]
    while isinstance(chain[0], Op) and weight(chain[0]) is None:
        before = [x for x in chain[0].operands if x.varies]
        if len(before) != 1 or len(chain) == _FAR_OFF:
            return
        chain.insert(0, before[0])
    product = chain[0]
    if not isinstance(product, Op) or product.base != "linear" or not _measurable(run, product):
        return
    dim = len(product.shape or ()) - 1
    means = run.channels(product, dim).mean(1)
    centre_by_weight(run, product, means.mean() - means, dim, chain)


def _shift(run: Run, shift: Shift, move: Tensor) -> None:
    """Move every channel of a wire."""
    value = run.theta[shift.leaf.key]
    run.change(shift.leaf, value + (move / shift.rate).reshape(value.shape), shift.chain)


def _straddle(run: Run, op: Op, rng: torch.Generator, switch: float) -> None:
    """Give every unit of what an operation reads values beyond all of its kinks."""
    wire, places = op.args[0], kinks(op)
    if not isinstance(wire, Op) or not _measurable(run, wire):
        return
    shift = shift_of(run, wire, rng)
    if max(places) - min(places) > _FAR:
        measure = deviation(shift.dim if shift else None)
        for chain in paths(wire):
            if weight(chain[0]) is not None:
                rescale(run, wire, _REACH * (max(places) - min(places)), chain, measure)
                shift = shift_of(run, wire, rng)
                if shift is not None:
                    cross(run, wire, _ACROSS * (max(places) - min(places)), shift.dim, chain)
                break
    other = op.args[1] if len(op.args) > 1 and compares(op) else None
    if shift is None:
        _without_bias(run, wire, places, rng, switch)
        return
    flat = run.channels(wire, shift.dim)
    wanted = _middle(flat, places, rng, switch)
    if parametric(other):
        level = run.values[id(other)][0]
        wanted = wanted + (level if level.numel() in (1, len(flat)) else level.mean()).reshape(-1)
    _shift(run, shift, wanted - flat.mean(1))


def _middle(
    flat: Tensor, places: tuple[float, ...], rng: torch.Generator, switch: float = 0.5
) -> Tensor:
    """The mean that a channel is to have, so that some quantile of it lies between the kinks.

    Not at an end of it, where half of the values are one: it reaches beyond all of them.
    """
    sided = _FEW if len(places) == 1 else _FEWER
    sided, switch = min(sided, switch / 2), switch if len(places) == 1 else 0.5
    drawn = torch.rand(len(flat), generator=rng, dtype=torch.float64)
    order = flat.sort(1).values
    index = ((switch + sided * (2 * drawn - 1)) * (flat.shape[1] - 1)).long()
    low, high = order[:, 0], order[:, -1]
    level = _between(order, order.gather(1, index[:, None]))
    apart = torch.full_like(low, _BEYOND * (max(places) - min(places)))
    edge = torch.minimum(apart, _MOST_BEYOND * (high - low)).maximum(_MARGIN * (high - low))
    level = level.clamp(min=low + edge, max=high - edge)
    return (max(places) + min(places)) / 2 + flat.mean(1) - level


def _between(order: Tensor, value: Tensor) -> Tensor:
    """Half way from a value of each channel to its next: at a value itself rounding would decide.

    Args:
        order: sorted values, [channels, values].
        value: one of each, [channels, 1].
    """
    wide = _DISTINCT * (order[:, -1:] - order[:, :1])
    after = torch.where(order > value + wide, order, order[:, -1:]).amin(1, keepdim=True)
    return ((value + after) / 2)[:, 0]


def _without_bias(
    run: Run, wire: Op, places: tuple[float, ...], rng: torch.Generator, switch: float
) -> None:
    for chain in paths(wire):
        dim = len(wire.shape or ()) - 1 if chain[0].base == "linear" else 1
        if weight(chain[0]) is None or len(wire.shape or ()) <= dim:
            continue
        flat = run.channels(wire, dim)
        if float(flat.min()) < min(places) and float(flat.max()) > max(places):
            lonely = (flat.amin(1) >= min(places)) | (flat.amax(1) <= max(places))
            if not bool(lonely.any()):
                return
        centre_by_weight(run, wire, _middle(flat, places, rng, switch) - flat.mean(1), dim, chain)
        return
