"""Weights in polar coordinates, W = g v / |v|: as free as any weight, but for its norm without g.

With n = v / |v| over some dimensions, a change δW of the weight is made by

    δg = n·δW,    δv = (|v| / g) (δW − δg n),

exactly where g has an entry for every norm. Where there is no such g, only what keeps the norm can
be made: n·δW = 0. (Salimans and Kingma 2016, for weight normalisation.)
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment


@dataclass(frozen=True, eq=False)
class Polar:
    """A weight as a gain times a direction.

    Attributes:
        node: the weight.
        v: what is divided by its norm, of the shape of the weight.
        dims: dimensions over which the norm is taken.
        gains: entrywise factors, each a parameter seen through views, that broadcast to the weight.
        free: the gain that has an entry for every norm, if any has.
    """

    node: Node
    v: p.Source
    dims: tuple[int, ...]
    gains: tuple[tuple[Node, p.Source], ...]
    free: p.Source | None

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """The parameters that make it up."""
        return (self.v, *(source for _, source in self.gains))

    def norm(self, env: Environment) -> Tensor:
        """The length of v, with dimensions kept."""
        return torch.linalg.vector_norm(env.value(self.v), dim=self.dims, keepdim=True)

    def gain(self, env: Environment) -> Tensor:
        """The product of all gains, broadcast to the weight."""
        values = [_aligned(env.value(wire), len(self.node.axes)) for wire, _ in self.gains]
        return functools.reduce(torch.mul, values, torch.ones((), **env.like))

    def value(self, env: Environment) -> Tensor:
        """The weight."""
        return self.gain(env) * env.value(self.v) / self.norm(env)

    def along(self, env: Environment, change: Tensor) -> Tensor:
        """n·δ over the dimensions of the norm, which are kept."""
        n = env.value(self.v) / self.norm(env)
        return (n * change).sum(self.dims, keepdim=True)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """What of the parameters makes a change of the weight, as far as anything does."""
        norm, gain = self.norm(env), self.gain(env)
        change = change / gain  # of the direction, and of the logarithm of its length
        radial = self.along(env, change)
        n = env.value(self.v) / norm
        moves: Moves = {self.v: norm * (change - radial * n)}
        if self.free is not None:
            value = env.value(self.free)
            moves[self.free] = value * radial.reshape(value.shape)
        return moves

    def settled(self, env: Environment, weight: Tensor) -> Moves:
        """The parameters that make another weight, with v as long as it was; it needs a free gain.

        The flows of lifted fields lead there: they leave the length of v and all other gains alone.
        """
        if self.free is None:
            raise TypeError("no gain is free to make a length")
        norm, value = self.norm(env), env.value(self.free)
        whole = weight / self.gain(env)
        length = torch.linalg.vector_norm(whole, dim=self.dims, keepdim=True)
        return {self.v: norm * whole / length, self.free: value * length.reshape(value.shape)}

    def defects(self, sizes: Sizes | None) -> int:
        """How many numbers of a change cannot be made."""
        if self.free is not None:
            return 0
        axes = [a for d, a in enumerate(self.node.axes) if d not in self.dims]
        return math.prod(extent(a, sizes) for a in axes)

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """These numbers."""
        return self.along(env, change / self.gain(env)).reshape(-1)


def _aligned(value: Tensor, rank: int) -> Tensor:
    return value.reshape([1] * (rank - value.dim()) + list(value.shape))


def polar_weights(nodes: list[Node]) -> Iterator[Polar]:
    """All weights that are made up so, and by parameters that nothing else sees."""
    for node in nodes:
        product = isinstance(node, p.Contract) and not node.varies and not node.fixed
        if product and node.users and not any(_multiplies(node, u) for u in node.users):
            found = _polar(node)
            if found is not None:
                yield found


def _multiplies(node: Node, user: Node) -> bool:
    """Whether a reader is part of the same product."""
    return isinstance(user, p.Contract) and not user.varies


def _polar(node: Node) -> Polar | None:
    inside: set[Node] = {node}
    plain: list[tuple[Node, p.Source]] = []
    norms: list[tuple[p.Source, tuple[int, ...]]] = []
    for leaf in list(_factors(node, node, inside)):
        source, norm = (
            (None, None) if leaf is None else (_source(leaf, inside), _norm(leaf, inside))
        )
        if norm is not None:
            norms.append(norm)
        elif leaf is not None and source is not None:
            plain.append((leaf, source))
        else:
            return None
    if len(norms) != 1 or len({s for _, s in plain}) != len(plain):
        return None
    ((v, dims),) = norms
    own = [wire for wire, source in plain if source is v]
    gains = tuple((wire, source) for wire, source in plain if source is not v)
    if own != [v] or v.shape != node.shape or _seen(inside, (v, *(s for _, s in gains))):
        return None
    shape = tuple(1 if d in dims else n for d, n in enumerate(node.shape))
    free = [s for wire, s in gains if _shape(wire, len(shape)) == shape]
    return Polar(node, v, dims, gains, free[0] if free else None)


def _shape(wire: Node, rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(wire.shape)) + wire.shape


def _factors(node: Node, top: Node, inside: set[Node]) -> Iterator[Node | None]:
    """The entrywise factors of a product, each aligned with it; None where one is not."""
    if not isinstance(node, p.Contract):
        yield node
        return
    square = len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]
    aligned = node.out == tuple(range(len(node.out))) and not node.windows
    if square or not aligned or len(node.axes) != len(top.axes):
        yield None
        return
    for x, names in zip(node.inputs, node.labels, strict=True):
        lead = len(node.out) - len(names)
        places = [d for d, a in enumerate(x.axes) if a.size > 1]
        if any(names[d] != d + lead for d in places):
            yield None
            return
        inside.add(x)
        whole = isinstance(x, p.Contract) and x.inputs[0] is not x.inputs[-1]
        yield from _factors(x, top, inside) if whole else iter([x])


def _source(wire: Node, inside: set[Node]) -> p.Source | None:
    """The parameter that a wire shows in another shape."""
    while isinstance(wire, p.View):
        inside.add(wire)
        wire = wire.inputs[0]
    inside.add(wire)
    plain = isinstance(wire, p.Source) and wire.role == "parameter" and wire.offset is None
    return wire if plain and isinstance(wire, p.Source) and wire.origin is None else None


def _norm(wire: Node, inside: set[Node]) -> tuple[p.Source, tuple[int, ...]] | None:
    """v and dimensions where a wire is one over its length over these, kept with size one."""
    degree, chain = 1.0, [wire]
    while isinstance(chain[-1], p.Pointwise | p.View):
        node = chain[-1]
        if isinstance(node, p.Pointwise):
            if node.degree is None or (node.slope is not None and node.slope != 1):
                return None
            degree *= node.degree
        chain.append(node.inputs[0])
    total = chain[-1]
    square = isinstance(total, p.Contract) and len(total.inputs) == 2
    if not square or not isinstance(total, p.Contract) or total.inputs[0] is not total.inputs[1]:
        return None
    v = total.inputs[0]
    if degree != -0.5 or total.labels[0] != total.labels[1] or not isinstance(v, p.Source):
        return None
    dims = tuple(d for d, n in enumerate(total.labels[0]) if n not in total.out)
    shape = tuple(1 if d in dims else n for d, n in enumerate(v.shape))
    kept = tuple(n for n in total.labels[0] if n in total.out)
    if wire.shape != shape or total.out != kept or v.role != "parameter":
        return None
    inside.update(chain)
    return v, dims


def _seen(inside: set[Node], sources: tuple[p.Source, ...]) -> bool:
    """Whether anything but the weight depends on its parameters, or moves with them."""
    if any(s.followers or s.offset is not None or s.origin is not None for s in sources):
        return True
    top = [n for n in inside if any(u not in inside for u in n.users)]
    return len(top) > 1
