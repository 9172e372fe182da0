"""A norm of a norm: with a gain γ between them, one norm of a wire with another gain.

Where r² = mean x² + ε and s² = mean (γ x / r)² + ε′,

    γ x / (r s) = (γ / α) · α x / √(mean (α x)² + ε ε′)     with α² = γ² + ε′.

With a gain g behind both, (α, β = g γ / α) are coordinates in the place of (γ, g), and in these
there is one norm with a gain before it and one behind. So it is with the last norm of a stream in
which norms stand after the branches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.maps import read


@dataclass(frozen=True, eq=False)
class Twice:
    """Two norms in a row, each with a gain behind it that nothing else reads."""

    first: p.Normalise
    between: p.Source
    second: p.Normalise
    behind: p.Source
    node: p.Contract  # with the last gain

    def ratio(self, env: Environment) -> Tensor:
        """α / γ."""
        return (1 + self.second.eps / env.value(self.between).square()).sqrt()


@dataclass(frozen=True, eq=False)
class Before:
    """The gain before the one norm that there is in place of two: α."""

    twice: Twice

    @property
    def node(self) -> Node:
        """Where the gain is."""
        return self.twice.first

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """What makes it, and makes up for it behind the norm."""
        return (self.twice.between, self.twice.behind)

    def value(self, env: Environment) -> Tensor:
        """α with the sign of γ."""
        return self.twice.ratio(env) * env.value(self.twice.between)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """δγ = (α / γ) δα, and g follows so that g γ / α stays."""
        between, behind = self.sources
        ratio, gain = self.twice.ratio(env), env.value(between)
        rate = change / gain * (1 / ratio - ratio)
        return {between: ratio * change, behind: env.value(behind) * rate}

    def defects(self, sizes: Sizes | None) -> int:
        """Every change can be made."""
        return 0

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """Nothing."""
        return change.reshape(-1)[:0]


@dataclass(frozen=True, eq=False)
class After(Before):
    """The gain behind it: β."""

    @property
    def node(self) -> Node:
        """Where the gain is."""
        return self.twice.node

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """What makes it."""
        return (self.twice.behind,)

    def value(self, env: Environment) -> Tensor:
        """g γ / α."""
        return env.value(self.twice.behind) / self.twice.ratio(env)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """δg = (α / γ) δβ."""
        return {self.twice.behind: self.twice.ratio(env) * change}


def norms_of_norms(nodes: list[Node]) -> Iterator[Twice]:
    """All such pairs, none that begins within another."""
    done: set[Node] = set()
    for first in nodes:
        if not isinstance(first, p.Normalise) or first in done or not _plain(first):
            continue
        inner = _gained(first)
        second = inner[0].users[0] if inner and len(inner[0].users) == 1 else None
        if not isinstance(second, p.Normalise) or not _plain(second) or not second.eps:
            continue
        outer = _gained(second) if second.dims == first.dims else None
        if inner and outer and inner[1] is not outer[1]:
            done.add(second)
            yield Twice(first, inner[1], second, outer[1], outer[0])


def _plain(norm: p.Normalise) -> bool:
    alone = len(norm.dims) == 1 and norm.inputs[0].axes[norm.dims[0]].size > 1
    return norm.exact and norm.varies and not norm.centred and alone


def _gained(norm: p.Normalise) -> tuple[p.Contract, p.Source] | None:
    """The product of a norm with a parameter along it that nothing else reads."""
    user = norm.users[0] if len(norm.users) == 1 else None
    if not isinstance(user, p.Contract) or len(user.inputs) != 2 or user.windows:
        return None
    at = user.inputs.index(norm)
    gain, rank = user.inputs[1 - at], len(norm.axes)
    aligned = user.out == tuple(range(rank)) == user.labels[at]
    if not isinstance(gain, p.Source) or gain.role != "parameter" or len(gain.users) != 1:
        return None
    bound = gain.offset is not None or gain.followers or gain.origin is not None or gain.orders
    if bound or not aligned or user.labels[1 - at] != norm.dims:
        return None
    return user, gain


def take_up_norms(lowered: Lowered) -> Lowered:
    """A graph with one norm in the place of two, its gains knowing what makes them up."""
    nodes, parameters = list(lowered.nodes), dict(lowered.parameters)
    for k, twice in enumerate(norms_of_norms(lowered.nodes)):
        before = _gain(f"before {k}", twice.between, Before(twice))
        after = _gain(f"after {k}", twice.behind, After(twice))
        at = nodes.index(twice.node)
        nodes[at : at + 1] = _in_place(twice, before, after)
        for old in (twice.between, twice.behind):
            parameters.pop(old.key, None)
        parameters |= {before.key: [before], after.key: [after]}
    return replace(lowered, nodes=read(nodes), parameters=parameters)


def _gain(key: str, old: p.Source, chart: Before) -> p.Source:
    return p.Source((), list(old.axes), op=old.op, role="parameter", key=key, chart=chart)


def _in_place(twice: Twice, before: p.Source, after: p.Source) -> list[Node]:
    """A gain, a norm and a gain."""
    first, node = twice.first, twice.node
    (x,) = first.inputs
    every = tuple(range(len(x.axes)))
    for z in node.inputs:
        z.users = []
    x.users = [u for u in x.users if u is not first]
    labels = (every, first.dims)
    scaled = p.Contract((x, before), list(x.axes), op=first.op, labels=labels, out=every)
    norm = p.Normalise((scaled,), list(x.axes), op=first.op, dims=first.dims,
                       eps=first.eps * twice.second.eps, exact=True)  # fmt: skip
    made = p.Contract((norm, after), list(node.axes), op=node.op, labels=labels, out=every,
                      result_of=node.result_of)  # fmt: skip
    made.users = node.users
    for user in made.users:
        user.inputs = tuple(made if z is node else z for z in user.inputs)
    return [before, after, scaled, norm, made]
