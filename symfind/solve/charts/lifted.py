"""Families on weights that parameters make up, as fields on these parameters.

Where not every change of such a weight can be made, those elements remain whose changes can: the
kernel of a linear map on the algebra, which depends on the weights.
"""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, positive
from symfind.graph import primitives as p
from symfind.numerics.decompose import svd
from symfind.numerics.mixing import mixed
from symfind.solve.charts.made import Made, added, steps_of
from symfind.solve.charts.normed import Polar
from symfind.solve.charts.shares import Mixture, Share
from symfind.solve.charts.twice import Before
from symfind.solve.families.combined import DirectSum
from symfind.solve.families.family import MatrixFamily
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment

LARGEST = 40_000_000  # entries of the matrix of what cannot be made
FEW = 1_000_000  # where families that cannot be made one by one are looked at together
NOISE = 1e-10  # of its largest singular value


@dataclass(eq=False, kw_only=True)
class LiftedFamily(Family):
    """What a family does to weights, done by the parameters that make them up.

    Attributes:
        base: a family on the graph in which these weights are parameters.
        made: wires that a parameter makes, what the base moves being in the place of one, or what
            one depends on besides.
        loose: its fields change along their own flow.
        steps: of the flow: as many as it takes; a projection that turns with the weights bends it.
    """

    base: Family
    made: tuple[Made, ...] = ()
    loose: bool = True
    steps: int | None = None
    _known: MutableMapping[Environment, Tensor] = field(default_factory=WeakKeyDictionary)

    @property
    def charts(self) -> list[Polar | Share | Mixture | Made | Before]:
        """The weights that it moves."""
        return [s.chart for s in self.base.sources if s.chart is not None]

    def count(self, sizes: Sizes | None = None) -> int:
        """Elements of the base that can be made."""
        lost = sum(chart.defects(sizes) for chart in self.charts)
        return positive(self.base.count(sizes) - lost)

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """The base's changes, of parameters themselves or of what makes weights up."""
        moves = self.base.direction(env, self._kept(env, c))
        lifted = (
            {source: change} if source.chart is None else source.chart.lift(env, change)
            for source, change in moves.items() if not isinstance(source.chart, Made)
        )  # fmt: skip
        return added(*lifted, *(chart.made_up(env, moves) for chart in self.made))

    @property
    def closed(self) -> bool:
        """Whether where its flow leads is known: where the base's is, and polar weights follow."""
        charts = self.charts
        polar = bool(charts) and all(isinstance(c, Polar) and c.free is not None for c in charts)
        return polar and not self.made and not getattr(self.base, "loose", False)

    def flow(self, env: Environment, c: Tensor, t: float) -> Moves:
        """The wires after time t, where that is known.

        Raises:
            TypeError: it has to be followed.
        """
        if not self.closed:
            raise TypeError(f"a lifted {self.kind} whose flow has no closed form")
        parts: list[Moves] = []
        for source, value in self.base.flow(env, c, t).items():
            chart = source.chart
            parts.append(chart.settled(env, value) if isinstance(chart, Polar) else {source: value})
        return {source: value for part in parts for source, value in part.items()}

    def settle(self, before: Environment, theta: dict[str, Tensor], c: Tensor, t: float) -> None:
        """Make wires what the base's own flow makes them, where it is known."""
        base, charts = self.base, self.charts
        if getattr(base, "loose", False) or not all(isinstance(chart, Made) for chart in charts):
            return
        after, targets = base.flow(before, c.to(before.like["device"]), t), {}
        for source, value in after.items():
            if source.chart is None:
                theta[source.key] = before.parameter(source, value)
            else:
                targets[source.chart] = before.parameter(source, value)
        for made in reversed(self.made):  # what is made of others after these
            target = targets[made] if made in targets else made.value(before)
            theta[made.making.source.key] = made.settled(before, theta, target)

    def _kept(self, env: Environment, c: Tensor) -> Tensor:
        """Coefficients of the base whose changes can be made: a projection of the given ones."""
        missing = self.base.count(env.sizes) - self.count(env.sizes)
        if not missing:
            return c
        whole = mixed(torch.cat([c, c.new_zeros(missing)]))
        if env not in self._known:
            self._known[env] = self.normal(env)
        normal = self._known[env]
        return whole - normal @ (normal.T @ whole)

    def normal(self, env: Environment) -> Tensor:
        """Orthonormal coefficients to which all that can be made is orthogonal.

        Where calls are written down, zeros stand for the others: how many there are is no call.
        """
        q, seen = self.lost(env)
        return q * seen if recording() else q[:, seen]

    def lost(self, env: Environment) -> tuple[Tensor, Tensor]:
        """Orthonormal coefficients, and which of them cannot be made."""
        unit = torch.eye(self.base.count(env.sizes), **env.like)
        if recording():
            rows = torch.stack([self._defects(env, c) for c in unit])
        else:
            rows = torch.func.vmap(lambda c: self._defects(env, c), randomness="same")(unit)
        q, s, _ = svd(rows)
        return q, s > NOISE * s[0]

    def _defects(self, env: Environment, c: Tensor) -> Tensor:
        """What of an element cannot be made."""
        moves = self.base.direction(env, c)
        return torch.cat([s.chart.defect(env, d) for s, d in moves.items() if s.chart is not None
                          and s.chart.defects(env.sizes)])  # fmt: skip


def recording() -> bool:
    """Whether calls are written down, which those of vectorised maps cannot be."""
    return bool(torch._C._len_torch_function_stack())


def _conjugated(family: Family) -> bool:
    """Whether a change of basis passes a gain that is there in place of two norms."""
    if not isinstance(family, MatrixFamily):
        return False
    gains = {i for m in family.members for (i, _), _ in m.potential}
    return any(isinstance(getattr(family.nodes[i], "chart", None), Before) for i in gains)


def _exponential(chart: Polar | Share | Mixture | Made | Before) -> bool:
    """Whether a wire is the exponential of a parameter, and of that alone."""
    plain = isinstance(chart, Made) and not chart.others
    return plain and isinstance(chart.node, p.Pointwise) and chart.node.growth is not None


def lifted_families(
    families: Sequence[Family], others: Sequence[Family], made: Sequence[Made], limits: Limits
) -> list[Family]:
    """Of the families of a graph with such weights, those that move or read one, lifted.

    Args:
        families: of that graph.
        others: of the graph without them, in which the same may have been found.
        made: its wires that a parameter makes.
        limits: where it is noted what was not looked at.
    """
    result: list[Family] = []
    bound: dict[
        Polar | Share | Mixture | Made | Before, list[Family]
    ] = {}  # what cannot all be made, by weight
    known = {_looks(f) for f in others}
    for base in families:
        charts = [s.chart for s in base.sources if s.chart is not None]
        near = _near(base, made)
        moved = any(s.offset is not None or s.followers for s in base.sources)
        same = not (charts or near or _conjugated(base)) and _looks(base) in known
        if same or moved or (base.kind == "inert" and not near):
            continue
        if base.kind == "scaling" and charts and all(_exponential(chart) for chart in charts):
            continue  # found as a scaling that ends there
        lost = sum(chart.defects(None) for chart in charts)
        if lost * base.count() > LARGEST:
            limits.reached(charts[0].node, "weights of fixed norm: too large to be looked at")
            continue
        result.append(_lifted(base, made))
        for chart in charts:
            if chart.defects(None):
                bound.setdefault(chart, []).append(base)
    for parts in bound.values():
        together = DirectSum(
            kind=_kind(parts), sources=tuple(dict.fromkeys(s for f in parts for s in f.sources)),
            parts=tuple(parts),
        )  # fmt: skip
        charts = [s.chart for s in together.sources if s.chart is not None]
        few = sum(chart.defects(None) for chart in charts) * together.count() <= FEW
        if len(parts) > 1 and few:
            result.append(_lifted(together, made))
    return result


def _looks(family: Family) -> tuple[str, tuple[str, ...], int]:
    return family.kind, family.names, family.count()


def _near(base: Family, made: Sequence[Made]) -> list[Made]:
    """Wires that a parameter makes, in the place of which or below which something moves."""
    sources = set(base.sources)
    return [m for m in made
            if sources & {*m.sources, *m.others} or any(s.chart is m for s in sources)]  # fmt: skip


def _kind(parts: Sequence[Family]) -> str:
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else "gauge"


def _lifted(base: Family, made: Sequence[Made]) -> Family:
    near = _near(base, made)
    if not near and all(s.chart is None for s in base.sources) and not _conjugated(base):
        return base
    own = [one for s in base.sources for one in ((s,) if s.chart is None else s.chart.sources)]
    sources = dict.fromkeys((*own, *(m.making.source for m in near)))
    kind = "parallel" if base.kind == "inert" else base.kind
    closed = not getattr(base, "loose", False) and all(
        s.chart is None or isinstance(s.chart, Made) for s in base.sources
    )
    steps = steps_of(near) if closed else None  # where it leads is known
    return LiftedFamily(kind=kind, sources=tuple(sources), base=base, made=tuple(near),
                        steps=steps)  # fmt: skip
