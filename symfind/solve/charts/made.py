"""Wires that no input reaches and functions of parameters make: coordinates as good as parameters.

Where one parameter makes any small change of such a wire w = ρ(θ₀, θ₁, …), and nothing else sees
that one, (w, θ₁, …) are coordinates in its place. In these the function is gone: w is a weight like
any other. Those of θ₁, … that nothing else reads may be anything while θ₀ makes up for them, and
the rest move as they did, θ₀ making up for what that does to w. So it is with rows of a table
behind a function or a norm, with weights kept positive, with queries that a learned latent or a
class token makes. Of a norm that takes off the mean only what sums to zero is free: the weight in
its place keeps the mean, which is then taken off.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    straightest,
    tangent,
)
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport import steps

STEPS = 4
NEWTON = 4  # steps, from a part of 1e-4 or less


@dataclass(frozen=True, eq=False)
class Made:
    """A wire that one parameter makes.

    Attributes:
        node: the wire.
        making: which parameter, and how.
        others: parameters, and wires in whose place there is one, that it depends on besides.
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

    def made_up(self, env: Environment, moves: Moves) -> Moves:
        """What the parameter does for changes of the wire, and of what it depends on besides."""
        own = [d for s, d in moves.items() if s.chart is self]
        moved = tangent(env, self.node, {s: d for s, d in moves.items() if s.chart is not self})
        change = [*own, *([] if moved is None else [-moved])]
        return self.lift(env, sum(change[1:], start=change[0])) if change else {}

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
    """Of all wires in which there is a function or a norm of parameters, the last that are made.

    What these are made of counts where something else reads it.
    """
    many = Counter(n.key for n in nodes if isinstance(n, p.Source))
    read = {n.offset for n in nodes if isinstance(n, p.Source) and n.offset is not None}
    for node in reversed(nodes):
        if isinstance(node, p.Output | p.Moved) or node in read:
            found = _made(node, many) if node.users and _worth(node) else None
            if found is None:
                read.update((*node.inputs, *node.silent))
            else:
                yield found


def _worth(node: Node) -> bool:
    if node.varies or node.fixed or isinstance(node, p.Source):
        return False
    return any(curved(n) or isinstance(n, p.Softmax) for n in ancestors([node]))


def _made(node: Node, many: Mapping[str, int]) -> Made | None:
    inside = {n for n in ancestors([node]) if not n.fixed}
    if not followed(node):
        return None
    sources = [n for n in inside if isinstance(n, p.Source)]
    if any(s.followers or s.offset is not None or s.orders or many[s.key] > 1 for s in sources):
        return None
    making = _making(node)
    alone = all(u in inside for n in inside if n is not node for u in n.users)
    alone &= not any(isinstance(n, p.Softmax) for n in inside)
    if making is None or (making.normed and not alone):
        return None  # what is made through a norm moves far where that hardly lets it
    return Made(node, making, tuple(s for s in sources if s is not making.source))


def _making(node: Node) -> Making | None:
    if not isinstance(node, p.Normalise):
        return straightest(node)
    inverse, below = inverse_slope(node), node.inputs[0]
    found = straightest(below) if inverse and len(below.users) == 1 else None
    return found.after(inverse, 1, True) if found and inverse else None


def made_up(charts: Sequence[Made]) -> list[Family]:
    """What nothing else reads, anything, and the parameters that make up for it."""
    free: dict[p.Source, list[Made]] = {}
    for chart in charts:
        for one in chart.others:
            if not one.users:
                free.setdefault(one, []).append(chart)
    unseen = [_unseen(c) for c in charts if _spare(c, None) > 0]
    return [*(_made_up(one, its) for one, its in free.items()), *unseen]


def _spare(chart: Made, sizes: Sizes | None) -> int:
    """How many changes of the one parameter make none."""
    one, made = (math.prod(extent(a, sizes) for a in n.axes)
                 for n in (chart.making.part, chart.node))  # fmt: skip
    return positive(one - made)


def _unseen(chart: Made) -> Family:
    """Changes of the one parameter, without what makes the change of the wire that they are."""
    source, part, back = chart.making.source, chart.making.part, chart.making.back
    within = None if part is source else steps.back(part, 0)

    def build(env: Environment, c: Tensor) -> Moves:
        shape = env.shape(part)
        whole = mixed(torch.cat([c, c.new_zeros(math.prod(shape) - len(c))])).reshape(shape)
        whole = whole if within is None else within(env, whole).reshape(env.shape(source))
        moved = tangent(env, chart.node, {source: whole})
        if moved is None:
            raise AssertionError("a wire depends on what it is made of")
        return {source: whole - back(env, moved)}

    return NullFamily(
        kind="reach", sources=(source,), width=lambda sizes: _spare(chart, sizes), build=build,
        loose=True, piecewise=True, steps=steps_of([chart]), settle=chart.keep,
    )  # fmt: skip


def _made_up(one: p.Source, charts: Sequence[Made]) -> Family:
    def width(sizes: Sizes | None) -> int:
        return math.prod(extent(a, sizes) for a in one.axes)

    def build(env: Environment, c: Tensor) -> Moves:
        moves = {one: c.reshape(env.shape(one))}
        return added(moves, *(chart.made_up(env, moves) for chart in charts))

    def keep(before: Environment, theta: dict[str, Tensor], c: Tensor, t: float) -> None:
        for chart in reversed(charts):  # what is made of others after these
            chart.keep(before, theta, c, t)

    return NullFamily(
        kind="parallel", sources=(one, *(chart.making.source for chart in charts)), width=width,
        build=build, loose=True, steps=steps_of(charts), settle=keep,
    )  # fmt: skip


def steps_of(charts: Sequence[Made]) -> int | None:
    """Of a flow that ends with wires made what they are: few where one step of Newton's does it."""
    return None if any(chart.making.bends for chart in charts) else STEPS


def added(*all_moves: Moves) -> Moves:
    """Changes of parameters, those of the same one added."""
    result: Moves = {}
    for moves in all_moves:
        for source, change in moves.items():
            result[source] = result[source] + change if source in result else change
    return result
