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
from symfind.solve.charts.made import Made
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
        loose: its fields change along their own flow.
        steps: of the flow: as many as it takes; a projection that turns with the weights bends it.
    """

    base: Family
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
        moves: Moves = {}
        for source, change in self.base.direction(env, self._kept(env, c)).items():
            lifted = {source: change} if source.chart is None else source.chart.lift(env, change)
            for one, its in lifted.items():
                moves[one] = moves[one] + its if one in moves else its
        return moves

    def settle(self, before: Environment, theta: dict[str, Tensor], c: Tensor, t: float) -> None:
        """Make wires what the base's own flow makes them, where it is known."""
        base, charts = self.base, self.charts
        if getattr(base, "loose", False) or not all(isinstance(chart, Made) for chart in charts):
            return
        for source, value in base.flow(before, c.to(before.like["device"]), t).items():
            if isinstance(source.chart, Made):
                made = source.chart
                target = before.parameter(source, value)
                theta[made.making.source.key] = made.settled(before, theta, target)
            else:
                theta[source.key] = before.parameter(source, value)

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


def lifted_families(families: Sequence[Family], limits: Limits) -> list[Family]:
    """Of the families of a graph with such weights, those that move one, lifted."""
    result: list[Family] = []
    bound: dict[
        Polar | Share | Mixture | Made | Before, list[Family]
    ] = {}  # what cannot all be made, by weight
    for base in families:
        charts = [s.chart for s in base.sources if s.chart is not None]
        moved = any(s.offset is not None or s.followers for s in base.sources)
        if not (charts or _conjugated(base)) or moved or base.kind == "inert":
            continue
        if base.kind == "scaling" and all(_exponential(chart) for chart in charts):
            continue  # found as a scaling that ends there
        lost = sum(chart.defects(None) for chart in charts)
        if lost * base.count() > LARGEST:
            limits.reached(charts[0].node, "weights of fixed norm: too large to be looked at")
            continue
        result.append(_lifted(base))
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
            result.append(_lifted(together))
    return result


def _kind(parts: Sequence[Family]) -> str:
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else "gauge"


def _lifted(base: Family) -> LiftedFamily:
    sources = dict.fromkeys(
        one for s in base.sources for one in ((s,) if s.chart is None else s.chart.sources)
    )
    return LiftedFamily(kind=base.kind, sources=tuple(sources), base=base)
