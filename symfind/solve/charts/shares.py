"""Weights as shares, w = p / ℓ(p) for a linear form ℓ of p: as free as any, but for ℓ(w) = 1.

So are weights divided by their sum, and by the singular value that two fixed vectors take for the
largest, σ = uᵀ W v. What keeps the form, ℓ(δw) = 0, is made by δp = ℓ(p) δw. (Miyato et al. 2018,
for spectral normalisation.)
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.solve.charts.making import followed, tangent
from symfind.solve.point.family import Moves
from symfind.solve.point.values import Environment


@dataclass(frozen=True, eq=False)
class Share:
    """A weight divided by a linear form of it.

    Attributes:
        node: the weight.
        whole: what is divided, of the shape of the weight.
        form: what it is divided by: one number, or one for every value of some indices.
    """

    node: Node
    whole: p.Source
    form: Node

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """The parameter that it is made of."""
        return (self.whole,)

    def value(self, env: Environment) -> Tensor:
        """The weight."""
        return env.value(self.whole) / env.value(self.form)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """What of the parameter makes a change that keeps the form."""
        return {self.whole: env.value(self.form) * change}

    def defects(self, sizes: Sizes | None) -> int:
        """How many numbers of a change cannot be made."""
        return math.prod(extent(a, sizes) for a in self.form.axes)

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """These numbers: the form of the change."""
        found = tangent(env, self.form, {self.whole: change})
        if found is None:
            raise AssertionError("a form of what it is a form of")
        return found.reshape(-1)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A softmax of a parameter: weights that sum to one, w = softmax(a).

    Of changes those can be made that keep the sum, by δa = δw / w.

    Attributes:
        node: the weights.
        whole: the parameter.
    """

    node: p.Softmax
    whole: p.Source

    @property
    def sources(self) -> tuple[p.Source, ...]:
        """The parameter that it is made of."""
        return (self.whole,)

    def value(self, env: Environment) -> Tensor:
        """The weights."""
        return env.value(self.node)

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """What of the parameter makes a change that keeps the sum."""
        return {self.whole: change / self.value(env)}

    def defects(self, sizes: Sizes | None) -> int:
        """How many numbers of a change cannot be made."""
        axes = [a for d, a in enumerate(self.node.axes) if d not in self.node.dims]
        return math.prod(extent(a, sizes) for a in axes)

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """These numbers: the sums of the change."""
        return change.sum(self.node.dims).reshape(-1)


def mixtures(nodes: Sequence[Node]) -> Iterator[Mixture]:
    """All softmaxes of parameters that nothing else sees."""
    for node in nodes:
        if isinstance(node, p.Softmax) and not node.varies and not node.fixed and node.users:
            (whole,) = node.inputs
            plain = isinstance(whole, p.Source) and whole.role == "parameter" and not whole.orders
            if plain and whole.users == [node] and _alone(node, whole):
                yield Mixture(node, whole)  # type: ignore[arg-type]


def shares(nodes: Sequence[Node]) -> Iterator[Share]:
    """All weights that are such shares, of parameters that nothing else sees."""
    for node in nodes:
        product = isinstance(node, p.Contract) and len(node.inputs) == 2 and not node.windows
        if product and not node.varies and not node.fixed and node.users:
            for whole, other in (node.inputs, node.inputs[::-1]):
                form = _form(whole, other)
                if form is not None and whole.shape == node.shape and _alone(node, whole):
                    yield Share(node, whole, form)  # type: ignore[arg-type]
                    break


def _form(whole: Node, other: Node) -> Node | None:
    """The linear form of a parameter by which it is divided, None where it is no such thing."""
    if not isinstance(whole, p.Source) or whole.role != "parameter" or whole.orders:
        return None
    if not isinstance(other, p.Pointwise) or other.degree != -1 or other.slope is not None:
        return None
    form = other.inputs[0]
    lead = len(whole.axes) - len(form.axes)
    below = [whole.shape[d + lead] for d in range(len(form.axes))] if lead >= 0 else []
    fits = lead >= 0 and all(n in (1, m) for n, m in zip(form.shape, below, strict=True))
    return form if fits and _linear(form, whole) and followed(form) else None


def _linear(form: Node, whole: p.Source) -> bool:
    """Whether a wire is linear in one parameter, and made of nothing else that is not fixed."""
    moving = [n for n in ancestors([form]) if not n.fixed]
    return all(n is whole or _passes(n) for n in moving)


def _passes(node: Node) -> bool:
    match node:
        case p.Movement() | p.Mix():
            return True
        case p.Contract():
            return sum(not x.fixed for x in node.inputs) == 1
        case p.Add():
            return all(not x.fixed for x in node.inputs)
        case p.Pointwise():
            return node.slope is not None and math.isfinite(node.slope)
    return False


def _alone(node: Node, whole: Node) -> bool:
    """Whether nothing but a weight sees what it is made of."""
    inside = {n for n in ancestors([node]) if not n.fixed}
    plain = isinstance(whole, p.Source) and whole.offset is None and not whole.followers
    return plain and all(u in inside for n in inside if n is not node for u in n.users)
