"""A point in parameter space, where families are turned into changes of named tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.algebra.integrate import Field, followed, integrate
from symfind.graph import primitives as p
from symfind.graph.wires import ancestors
from symfind.solve.point.family import Family, bends, followers
from symfind.solve.point.values import Environment


class _Tangent(Environment):
    """Changes of wires for changes of parameters: constants do not change."""

    def _shifted(self, node: p.Source, value: Tensor, sign: float) -> Tensor:
        return value


def _read(node: p.Node) -> set[str]:
    """Names of the parameters that a wire which no input reaches depends on."""
    found: set[str] = set()
    for one in ancestors([node]):
        if isinstance(one, p.Moved):
            found.update(one.reads)
        elif isinstance(one, p.Source) and one.role == "parameter":
            found.add(one.key)
    return found


@dataclass(eq=False)
class Point:
    """Parameters at which families are evaluated, with their conversion from wires to names."""

    theta: Mapping[str, Tensor]
    sizes: Sizes | None = None
    constants: Mapping[str, Tensor] | None = None

    def environment(self) -> Environment:
        """Values at this point."""
        return Environment(self.theta, self.sizes, self.constants)

    def direction(
        self, family: Family, c: Tensor, env: Environment | None = None
    ) -> dict[str, Tensor]:
        """Changes of parameters by name: wires that carry an offset take its change along."""
        env = env or self.environment()
        moves = family.direction(env, c.to(env.like["device"]))
        plain = {s.key: env.restored(s, d) for s, d in moves.items() if s.offset is None}
        result = dict(plain)
        for source, change in moves.items():
            if source.offset is not None:
                result[source.key] = env.restored(source, change + self._drift(source, plain))
        for follower in followers(moves):
            result[follower.key] = env.restored(follower, self._drift(follower, plain))
        return result

    def _drift(self, source: p.Source, plain: Mapping[str, Tensor]) -> Tensor:
        """The change of an offset: it is linear in the one parameter that it depends on."""
        if source.offset is None:
            raise TypeError(f"{source.key} has no offset")
        changes = {
            key: plain[key] if key in plain else torch.zeros_like(self.theta[key])
            for key in _read(source.offset)
        }
        return _Tangent(changes, self.sizes, self.constants).value(source.offset)

    def flow(self, family: Family, c: Tensor, t: float) -> dict[str, Tensor]:
        """Parameters after time t."""
        if bends(family):
            field, steps = self._field(family, c), getattr(family, "steps", 4)
            return self._settled(family, c, t, integrate(field, self.theta, t, steps))
        env = self.environment()
        values = family.flow(env, c.to(env.like["device"]), t)
        result = {s.key: env.parameter(s, v) for s, v in values.items() if s.offset is None}
        after = Environment({**self.theta, **result}, self.sizes, self.constants)
        for source, value in values.items():
            if source.offset is not None:
                result[source.key] = after.parameter(source, value)
        for follower in followers(values):
            result[follower.key] = after.parameter(follower, env.value(follower))
        return result

    def way(self, family: Family, c: Tensor, t: float) -> tuple[dict[str, Tensor], float]:
        """The same up to where the field ends, and what part of the time that is."""
        if not bends(family) or getattr(family, "steps", 4) is not None:
            return self.flow(family, c, t), 1.0
        moved, part = followed(self._field(family, c), self.theta, t)
        return self._settled(family, c, t * part, moved), part

    def _field(self, family: Family, c: Tensor) -> Field:
        return lambda theta: Point(theta, self.sizes, self.constants).direction(family, c)

    def _settled(
        self, family: Family, c: Tensor, t: float, moved: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What was followed for a time, with wires made what they are then in closed form."""
        settle = getattr(family, "settle", None)
        if settle is None:
            return moved
        whole = {**self.theta, **moved}
        settle(self.environment(), whole, c, t)
        return {name: whole[name] for name in moved}
