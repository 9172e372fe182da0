"""Two checkpoints modulo the whole group: one is moved along its orbit to where the other is near.

Data-free: both to a common gauge, then coordinate descent over what is compact or discrete
(permutations by assignment as in Ainsworth et al., Git Re-Basin, 2023; rotations by Procrustes;
signs), then along translations. Learned: the barrier itself is lowered along the same flows
(generalised linear mode connectivity, Theus et al., 2025).
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from symfind.orbit.checkpoint import distance
from symfind.orbit.descent import descend, gap, slide
from symfind.orbit.element import Element
from symfind.orbit.gauge import common_gauge
from symfind.orbit.group import Group, State
from symfind.orbit.learn import learned
from symfind.orbit.objective import Objective, barrier, losses_along
from symfind.orbit.steps import Flip, Permute, Step
from symfind.orbit.unknowns import Metric, Order, entries_alike, tensors_alike
from symfind.orbit.walk import Walk

_SAME = 1e-12  # distance, relative, of what needs no other start
_AS_NEAR = 1e-9  # of a squared distance, by which no walk is nearer than one before it
_STARTS = 4  # of the descent: held by what is fixed, from where it is, and in other orders

Tell = Callable[[str], None]
Measure = Callable[[Group, State], Metric]


@dataclass(frozen=True)
class Way:
    """One way to align: how near it comes, and the losses between.

    Attributes:
        name: vanilla, permutations, whole group, learned.
        distance: of the trained tensors, relative to the size of the first.
        losses: at eleven points of the segment; empty without data.
        barrier: the largest excess over the straight line; None without data.
    """

    name: str
    distance: float
    losses: tuple[float, ...] = ()

    @property
    def barrier(self) -> float | None:
        """The largest excess of the loss over the straight line."""
        return barrier(self.losses) if self.losses else None


@dataclass(frozen=True)
class Aligned:
    """States of an alignment.

    Attributes:
        a: the first checkpoint, in the gauge where both were compared.
        b: the second one, moved.
        of_a: the element that led the first there.
        of_b: the element that led the second there.
        ways: from nothing to the best.
        shares: of the squared distance in the common gauge, by kind, that was taken away.
        notes: what had no unique form.
        plain: the nearest that permutations lead the second to, in the gauge as it is.
        unrest: the part of the weights that either was still moved by when the sweeps towards
            the common gauge ended; zero where both had come to rest.
    """

    a: dict[str, Tensor] = field(repr=False)
    b: dict[str, Tensor] = field(repr=False)
    of_a: Element
    of_b: Element
    ways: tuple[Way, ...]
    shares: dict[str, float]
    notes: tuple[str, ...]
    plain: Element
    unrest: float = 0.0


def align_states(
    group: Group,
    a: State,
    b: State,
    objective: Objective | None = None,
    lowered: Objective | None = None,
    steps: int = 0,
    only_permutations: bool = False,
    tell: Tell = lambda text: None,
    seed: int = 0,
) -> Aligned:
    """Align two states.

    Args:
        group: of their model.
        a: stays on its orbit.
        b: is moved.
        objective: measures barriers.
        lowered: what the learned alignment lowers, and what chooses between two metrics.
        steps: of the learned alignment.
        only_permutations: nothing but permutations of hidden indices, in the gauge as it is.
        tell: called with a line on what is being done.
        seed: of the order of the descent, and of the learning.
    """
    way = functools.partial(way_between, group, objective)
    tell("permutations")
    plain = _best(Walk(group, b), a, entries_alike, [Order], seed)
    ways = [way("vanilla", a, b), way("permutations only", a, plain.state)]
    if only_permutations:
        return Aligned(dict(a), plain.state, Element(group), plain.element, tuple(ways),
                       {"permutation": 1.0}, (), plain.element)  # fmt: skip
    tell("common gauge")
    first, second = Walk(group, a), Walk(group, b)
    common_gauge(first)
    common_gauge(second)
    tell("descent over the whole group")
    before, led = gap(second, first.state), len(second.steps)
    found = _nearest(second, first.state, lowered, seed)
    ways.append(way("whole group", first.state, found.state))
    shares = _shares(group, first.state, b, found, led, before)
    if lowered and steps:
        _learned(found, first.state, lowered, steps, tell, seed)
        ways.append(way("learned", first.state, found.state))
    notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
    return Aligned(first.state, found.state, first.element, found.element, tuple(ways), shares,
                   notes, plain.element, max(first.unrest, second.unrest))  # fmt: skip


def _near(gauged: Walk, target: State, alike: Measure, seed: int) -> Walk:
    """From a common gauge over the whole group to the nearest point that is found."""
    found = _best(gauged, target, alike, [], seed)
    slide(found, target)
    return found


def _nearest(gauged: Walk, target: State, lowered: Objective | None, seed: int) -> Walk:
    """Of what is nearest in two metrics, that of the lower barrier; without data, the nearer one.

    Long vectors of biases hold rotations of a stream better than their size tells, and permutations
    worse: which of both matters, data says. Without data, the one helps the other out of places
    where its descent ends early.
    """
    plain = _near(gauged, target, entries_alike, seed)
    if gap(plain, target) <= _SAME**2 * Walk(gauged.group, target).norm():
        return plain
    found = [plain, _near(gauged, target, tensors_alike, seed)]
    if lowered is None:
        return min(found, key=lambda w: gap(w, target))
    return min(found, key=lambda w: barrier(losses_along(lowered, target, w.state)))


def _learned(
    walk: Walk, target: State, objective: Objective, steps: int, tell: Tell, seed: int
) -> None:
    """Lower the barrier, unless it was lower where this began."""
    state, done = dict(walk.state), list(walk.steps)
    before = barrier(losses_along(objective, target, walk.state))
    learned(walk, target, objective, steps, tell, seed)
    if not barrier(losses_along(objective, target, walk.state)) < before:
        walk.state, walk.steps = state, done


def way_between(
    group: Group, objective: Objective | None, name: str, one: State, two: State
) -> Way:
    """Distance and losses of the segment between two states."""
    along = losses_along(objective, one, two) if objective else ()
    return Way(name, distance(one, two, list(group.shapes)), tuple(along))


def _best(start: Walk, target: State, alike: Measure, only: Sequence[type], seed: int) -> Walk:
    """The nearest of several descents, and the first of those that lead as near."""
    walks, metric = [], alike(start.group, target)
    least = _SAME**2 * Walk(start.group, target).norm()
    for k in range(_STARTS):
        walk = start.copy()
        descend(walk, target, metric, only, seed + k, anchored=k % 2 == 0)
        walks.append((gap(walk, target, metric), walk))
        if gap(walk, target) <= least:
            break
    nearest = min(far for far, _ in walks)
    return next(walk for far, walk in walks if far <= nearest * (1 + _AS_NEAR))


def _shares(
    group: Group, target: State, start: State, walk: Walk, led: int, before: float
) -> dict[str, float]:
    """Of the squared distance between the gauges, what steps of each kind took away."""
    again = Walk(group, start)
    for step in walk.steps[:led]:
        again.do(step)
    shares: dict[str, float] = {}
    now = gap(again, target)
    for step in walk.steps[led:]:
        again.do(step)
        after = gap(again, target)
        kind = kind_of(group, step)
        shares[kind] = shares.get(kind, 0.0) + (now - after) / (before or 1.0)
        now = after
    return shares


def kind_of(group: Group, step: Step) -> str:
    """What sort of step it is, as in a report."""
    if isinstance(step, Permute):
        return "permutation"
    return "sign" if isinstance(step, Flip) else group.sites[step.site].kind
