"""Changes of parameters that shift or scale a wire, found by trial.

Which parameter it takes is read off the graph; that it does what is wanted, and how strongly, is
looked at: a bias may be multiplied by a constant on its way, and a weight computed from others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.points.facts import bias, by_channel, carried, leaves, weight
from symfind.points.run import Run
from symfind.trace import Op

_LONG = 12  # operations between what adds a bias and what switches
_TRIES = 12  # of a factor
_SMALL = 1e-6
_NEAR = 1.2  # of a factor, where a scale is as wanted
_ANSWER = 0.25  # power of a factor, with which a wire answers to it at least
_TENTH, _CHANGE = 0.1, 8.0  # of the values of a channel; a factor at most
_WIDE = 256  # channels, up to which what they read is decorrelated,
_EVEN = 1e-2  # down to this part of the largest variance


Measure = Callable[[Run, Op], float]


@dataclass(frozen=True)
class Shift:
    """A parameter that is added to a wire.

    Attributes:
        leaf: the parameter.
        chain: operations from where it is added to the wire, in order.
        dim: of the wire, along which its entries lie.
        rate: of the wire's change, relative to the parameter's.
    """

    leaf: Op
    chain: list[Op]
    dim: int
    rate: float


def paths(op: Op) -> list[list[Op]]:
    """What leads to a wire from the nearest operations that meet parameters, nearest first."""
    found: list[list[Op]] = []
    stack = [[op]]
    while stack:
        path = stack.pop(0)
        first = path[0]
        met = bias(first) is not None or weight(first) is not None
        if met:
            found.append(path)
        if len(path) >= _LONG:
            continue
        if carried(first) or first.base in ("add", "sub", "mul", "div"):
            before = [x for x in first.operands if x.varies]
            if not met or first.base in ("add", "sub"):
                stack += [[x, *path] for x in before[: 1 if carried(first) else None]]
    return found


def shift_of(run: Run, op: Op, rng: torch.Generator) -> Shift | None:
    """A parameter that shifts every channel of a wire, where there is one."""
    for chain in paths(op):
        added = bias(chain[0])
        for leaf in leaves(added) if added is not None else []:
            found = _tried(run, op, leaf, chain, rng)
            if found is not None:
                return found
    return None


def _tried(run: Run, op: Op, leaf: Op, chain: list[Op], rng: torch.Generator) -> Shift | None:
    before, size = run.values[id(op)][0], run.theta[leaf.key].numel()
    old = run.theta[leaf.key]
    probe = torch.rand(size, generator=rng, dtype=torch.float64) + 0.5
    change = run.trial(leaf, old + probe.reshape(old.shape), chain) - before
    for dim, n in enumerate(change.shape):
        if n != size:
            continue
        rates = change.movedim(dim, -1) / probe
        rate = float(rates.mean())
        if abs(rate) > _SMALL and float((rates - rate).abs().max()) < _SMALL * abs(rate):
            return Shift(leaf, chain, dim, rate)
    return None


def centre_by_weight(run: Run, op: Op, wanted: Tensor, dim: int, chain: list[Op]) -> None:
    """Move the mean of every channel by a change of the weights alone, along the mean input.

    Args:
        run: the values.
        op: the wire.
        wanted: by how much, [channels].
        dim: of the channels.
        chain: from the product to the wire.
    """
    product = chain[0]
    met = weight(product)
    if met is None or met.target != "parameter" or not isinstance(product.args[0], Op):
        return
    value, dense = run.theta[met.key], product.base == "linear"
    if not dense and not product.base.startswith("conv") or "transpose" in product.base:
        return
    mean = run.channels(product.args[0], (len(product.args[0].shape or ()) - 1) if dense else 1)
    mean = mean.mean(1)
    if value.shape[0] != len(wanted) or value.shape[1] != len(mean):
        return
    along = mean.reshape(1, -1, *[1] * (value.ndim - 2)).expand(1, *value.shape[1:])
    square = float(along.square().sum())
    if square > _SMALL:
        move = wanted.reshape(-1, *[1] * (value.ndim - 1)) * along / square
        run.change(met, value + move, chain)


def rescale(
    run: Run, op: Op, wanted: float, chain: list[Op], measure: Measure | None = None
) -> None:
    """Scale the parameters that a wire is multiplied with until its values spread so far.

    They are left as they were where the wire hardly answers: a weight that is a softmax or an
    exponential of its parameters would only be driven to where these do nothing.
    """
    measure = measure or spread
    met = weight(chain[0])
    if met is None:
        return
    added = bias(chain[0])
    own = [*leaves(met), *(leaves(added) if added is not None else [])]
    largest = [x for x in own if run.theta[x.key].numel()]
    old = {x.key: run.theta[x.key] for x in largest}
    first = now = measure(run, op)
    total = power = 1.0
    for _ in range(_TRIES):
        if wanted / _NEAR < now < wanted * _NEAR:
            break
        known = now if 0.0 < now < math.inf else 1e3 if now else _SMALL
        factor = min(max(wanted / known, 1e-3), 1e3) ** (1 / max(power, 1.0))
        total *= factor
        run.changes([(x, run.theta[x.key] * factor) for x in largest], chain)
        before, now = now, measure(run, op)
        power = _power(before, now, factor)
    if not wanted / 10 < now < wanted * 10 or _power(first, now, total) < _ANSWER:
        run.changes([(x, old[x.key]) for x in largest], chain)


def _power(before: float, after: float, factor: float) -> float:
    """The power of a factor by which a wire grew with it; one where that is not known."""
    if factor == 1.0 or not (0.0 < before < math.inf and 0.0 < after < math.inf):
        return 1.0
    return math.log(after / before) / math.log(factor)


def deviation(dim: int | None) -> Measure:
    """Root mean square of a wire without the means of its channels.

    Args:
        dim: of the channels; where it is not known, they lie last but in maps.
    """

    def measure(run: Run, op: Op) -> float:
        rank = len(op.shape or ())
        usual = rank - 1 if rank < 4 else 1
        return float(run.channels(op, usual if dim is None else dim).var(1).mean().sqrt())

    return measure


def cross(run: Run, op: Op, wanted: float, dim: int, chain: list[Op]) -> None:
    """Let every channel of a wire reach as far as wanted: from its lowest tenth to its highest.

    Outliers tell nothing of where most of its values are.
    """
    met = weight(chain[0])
    flat = run.channels(op, dim)
    if met is None or met.target != "parameter" or "transpose" in chain[0].base:
        return
    value = run.theta[met.key]
    if not value.ndim or value.shape[0] != len(flat):
        return
    order = flat.sort(1).values
    edge = int(_TENTH * (flat.shape[1] - 1))
    reach = order[:, -1 - edge] - order[:, edge]
    factor = (wanted / reach.clamp(min=_SMALL)).clamp(1 / _CHANGE, _CHANGE)
    run.change(met, value * factor.reshape(-1, *[1] * (value.ndim - 1)), chain)


def even(run: Run, op: Op) -> None:
    """Give every channel unit spread, where each has a gain of its own."""
    met = weight(op)
    if met is not None and met.target == "parameter":
        each = run.channels(op, 1).std(1).clamp(min=_SMALL)
        run.change(met, run.theta[met.key] / each, [op])


def spread(run: Run, op: Op) -> float:
    """Root mean square of a wire."""
    return float(run.flat(op).square().mean().sqrt())


def turn(run: Run, op: Op) -> None:
    """Make a weight negative that multiplies one rectified channel at a time.

    relu(w relu(x) + b) is relu(w x + b) where w > 0 > b: then the first kink is hidden.
    """
    met = weight(op)
    read = next((x for x in op.operands if x.varies), None)
    if met is None or met.target != "parameter" or read is None or not by_channel(op):
        return
    if float(run.flat(read).min()) == 0.0:
        run.change(met, -run.theta[met.key].abs(), [op])


def decorrelate(run: Run, op: Op) -> None:
    """Read what varies little as well: weights times the root of the inverse covariance.

    The layers of a deep narrow network become functions of fewer and fewer variables, as all that
    they read is nearly proportional; then units switch together.
    """
    met, read = weight(op), op.args[0]
    dense = op.base == "linear"
    if met is None or met.target != "parameter" or not isinstance(read, Op):
        return
    value = run.theta[met.key]
    if not dense and not (op.base.startswith("conv") and "transpose" not in op.base):
        return
    seen = run.channels(read, (len(read.shape or ()) - 1) if dense else 1)
    if value.shape[1] != len(seen) or not 1 < len(seen) <= _WIDE:
        return
    values, vectors = torch.linalg.eigh(torch.cov(seen))
    # of few samples, what varies least does so by chance
    floor = max(_EVEN, (len(seen) / seen.shape[1]) ** 2) * float(values[-1])
    if floor <= 0.0 or float(values[0]) > 10 * floor:
        return
    root = vectors @ (values.clamp(min=floor) / values.mean()).rsqrt().diag() @ vectors.T
    run.change(met, torch.einsum("oc...,cd->od...", value, root), [op])
