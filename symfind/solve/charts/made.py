"""Wires that no input reaches and functions of parameters make: coordinates as good as parameters.

Where one parameter makes any small change of such a wire w = ρ(θ₀, θ₁, …), and nothing else sees
it, (w, θ₁, …) are coordinates in its place. In these the function is gone: w is a weight like any
other, and θ₁, … are no longer read, so that each of them may be anything while θ₀ makes up for it.
So it is with rows of a table behind a function or a norm, with weights kept positive, with queries
that a learned latent makes. Of a norm that takes off the mean only what sums to zero is free: the
weight in its place keeps the mean, which is then taken off.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, positive
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.numerics.mixing import mixed
from symfind.solve.charts.making import (
    Making,
    curved,
    followed,
    free_value,
    inverse_slope,
    makings,
    tangent,
)
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import disjoint

NEWTON = 4  # steps, from a part of 1e-4 or less


@dataclass(frozen=True, eq=False)
class Made:
    """A wire that one parameter makes.

    Attributes:
        node: the wire.
        making: which parameter, and how.
        others: parameters that it depends on besides, and nothing else does.
    """

    node: Node
    making: Making
    others: tuple[p.Source, ...]

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """The parameter that moves."""
        return (self.making.source,)

    def value(self, env: Environment) -> Tensor:
        """The wire; with the mean that a norm takes off."""
        return free_value(env, self.node)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """What the parameter does for a change of the wire."""
        return {self.making.source: self.making.back(env, change)}

    def settled(self, before: Environment, theta: dict[str, Tensor], target: Tensor) -> Tensor:
        """The parameter that makes the wire what is given, by Newton's method from near there."""
        source, here = self.making.source, dict(theta)
        for _ in range(NEWTON):
            env = Environment(here, before.sizes, before.constants)
            step = self.making.back(env, target - self.value(env)).reshape(env.shape(source))
            here[source.key] = here[source.key] + env.restored(source, step)
        return here[source.key]

    def keep(self, before: Environment, theta: dict[str, Tensor], c: Tensor, t: float) -> None:
        """Make the wire what it was."""
        theta[self.making.source.key] = self.settled(before, theta, self.value(before))

    def defects(self, sizes: Sizes | None) -> int:
        """Every change can be made."""
        return 0

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """Nothing."""
        return change.reshape(-1)[:0]


def made_wires(nodes: Sequence[Node]) -> Iterator[Made]:
    """Of all wires in which there is a function or a norm of parameters, the last that are made."""
    done: set[Node] = set()
    for node in reversed(nodes):
        if node in done or node.varies or node.fixed or isinstance(node, p.Source):
            continue
        read = any(u.varies for u in node.users)
        if not curved(node) and not (read and any(curved(n) for n in ancestors([node]))):
            continue
        found = _made(node)
        if found is not None:
            done.update(ancestors([node]))
            yield found


def _made(node: Node) -> Made | None:
    inside = {n for n in ancestors([node]) if not n.fixed}
    if any(u not in inside for n in inside if n is not node and not _cut(n) for u in n.users):
        return None
    if not node.users or not all(followed(n) for n in inside):
        return None
    sources = [n for n in inside if isinstance(n, p.Source)]
    if any(s.followers or s.offset is not None or s.orders for s in sources):
        return None
    if len({s.key for s in sources}) < len(sources):
        return None
    making = _making(node)
    if making is None:
        return None
    others = tuple(s for s in sources if s is not making.source)
    return None if any(_cut(s) for s in others) else Made(node, making, others)


def _cut(node: Node) -> bool:
    """Whether a parameter is read in ranges, each of which is as good as a parameter."""
    return isinstance(node, p.Source) and len(node.users) > 1 and disjoint(node)


def _making(node: Node) -> Making | None:
    if not isinstance(node, p.Normalise):
        return next(makings(node), None)
    inverse, below = inverse_slope(node), node.inputs[0]
    found = next(makings(below), None) if inverse and len(below.users) == 1 else None
    return found.after(inverse) if found and inverse else None


def made_up(charts: Sequence[Made]) -> list[Family]:
    """What a wire depends on besides, anything, and the one parameter that makes up for it."""
    result: list[Family] = []
    for chart in charts:
        result += [_made_up(chart, one) for one in chart.others]
        if chart.making.part is chart.making.source and _spare(chart, None) > 0:
            result.append(_unseen(chart))
    return result


def _spare(chart: Made, sizes: Sizes | None) -> int:
    """How many changes of the one parameter make none."""
    one, made = (math.prod(extent(a, sizes) for a in n.axes)
                 for n in (chart.making.part, chart.node))  # fmt: skip
    return positive(one - made)


def _unseen(chart: Made) -> Family:
    """Changes of the one parameter, without what makes the change of the wire that they are."""
    source, back = chart.making.source, chart.making.back

    def build(env: Environment, c: Tensor) -> Moves:
        shape = env.shape(source)
        whole = mixed(torch.cat([c, c.new_zeros(math.prod(shape) - len(c))])).reshape(shape)
        moved = tangent(env, chart.node, {source: whole})
        if moved is None:
            raise AssertionError("a wire depends on what it is made of")
        return {source: whole - back(env, moved)}

    return NullFamily(
        kind="reach", sources=(source,), width=lambda sizes: _spare(chart, sizes), build=build,
        loose=True, piecewise=True, steps=None, settle=chart.keep,
    )  # fmt: skip


def _made_up(chart: Made, one: p.Source) -> Family:
    def width(sizes: Sizes | None) -> int:
        return math.prod(extent(a, sizes) for a in one.axes)

    def build(env: Environment, c: Tensor) -> Moves:
        change = c.reshape(env.shape(one))
        moved = tangent(env, chart.node, {one: change})
        if moved is None:
            raise AssertionError("a wire depends on what it is made of")
        return {one: change, chart.making.source: chart.making.back(env, -moved)}

    return NullFamily(
        kind="parallel", sources=(one, chart.making.source), width=width, build=build,
        loose=True, steps=None, settle=chart.keep,
    )  # fmt: skip
