"""One operation between parameters: derived directions against the measured null space."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from symfind.count.rank import directions
from symfind.numerics.rank import spectral_rank
from symfind.ops import registry
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import Derivation, derive
from symfind.trace import Graph, trace
from symfind.verify import Call, Function, draw_like

FALSE = 1e-9  # a normalised derived direction that moves the output more than this is false
DRAWS = 6  # batches of inputs for one Jacobian, at least
POINTS = 6  # parameter points before a derivation counts as incomplete


class Net(nn.Module):
    """Named layers and parameters, and a forward pass written as a function of them."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *args: Tensor) -> Any:
        return self.run(self, *args)


@dataclass(frozen=True)
class Case:
    """A tiny model around some operations.

    `covers` names the registered operations that must appear in its trace, `aten.` left out;
    `gap` says why the derivation is known to miss directions, and `counts` how many are derived of
    how many that are measured, so that neither changes unseen; `rigid` names operations that the
    report must own up to.
    """

    name: str
    covers: str
    build: Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]
    train: bool = False
    gap: str = ""
    counts: tuple[int, int] = (0, 0)
    rigid: tuple[str, ...] = ()
    bounds: Mapping[str, int] = field(default_factory=dict)

    @property
    def operations(self) -> list[str]:
        """The covered operations as the registry spells them."""
        spaced = ("transformers.",)
        names = self.covers.split()
        return [name if name.startswith(spaced) else f"aten.{name}" for name in names]


@dataclass(frozen=True)
class Outcome:
    """What both derivations say about one case."""

    derivation: Derivation
    applied: set[str]  # names in the registry of the rules that were asked
    derived: int
    measured: int
    worst: float  # the largest change of the output along a derived direction


def applied_rules(graph: Graph) -> set[str]:
    """Registered names of the operations that parameters reach."""
    known = set(registry.lower.names())
    found = set()
    for op in graph.ops:
        if op.trainable:
            name = op.target if op.target in known else ".".join(op.target.split(".")[:2])
            found.add(name if name in known else op.target)
    return found


def examine(case: Case) -> Outcome:
    """Derive the symmetries of a case and measure its nullity."""
    torch.manual_seed(0)
    model, args = case.build()
    graph = trace(model, args, {}, train=case.train)
    derivation = derive(graph)
    function = Function(model, args, {}, train=case.train)
    sizes = {name: op_size(function, name) for name in function.names}
    rng = torch.Generator().manual_seed(0)
    derived = measured = -1
    worst = 0.0
    for _ in range(POINTS):
        theta = function.random_point(rng)
        found = directions(Point(theta), derivation.families, sizes)
        found = found / found.norm(dim=0).clamp(min=1e-300)
        count = len(graph.unread) and sum(sizes[n] for n in graph.unread)
        count += _rank(found)
        jacobian = _jacobian(function, theta, args, case, rng)
        scale = float(jacobian.norm(dim=0).max())
        if found.numel():
            worst = max(worst, float((jacobian @ found).norm(dim=0).max()) / max(scale, 1e-300))
        nullity = function.count - spectral_rank(jacobian).rank
        if measured < 0 or nullity < measured:
            measured = nullity
        derived = max(derived, count)
        if derived == measured or (derived, measured) == case.counts:
            break
    return Outcome(derivation, applied_rules(graph), derived, measured, worst)


def op_size(function: Function, name: str) -> int:
    """Number of entries of one parameter."""
    return int(torch.Size(function.shapes[name]).numel())


def _rank(found: Tensor) -> int:
    if not found.numel():
        return 0
    values = torch.linalg.svdvals(found)
    return int((values > 1e-8 * values[0]).sum())


def _jacobian(
    function: Function, theta: Mapping[str, Tensor], args: Any, case: Case, rng: torch.Generator
) -> Tensor:
    blocks: list[Tensor] = []
    while len(blocks) < DRAWS or sum(map(len, blocks)) < 3 * function.count:
        call = Call(draw_like(args, rng, case.bounds), {})
        blocks.append(function.jacobian(theta, call))
    return torch.cat(blocks)


def linear(a: int, b: int, bias: bool = True) -> nn.Linear:
    """Shorthand."""
    return nn.Linear(a, b, bias=bias)


def weight(*shape: int) -> nn.Parameter:
    """A bare parameter."""
    return nn.Parameter(torch.randn(*shape))


def between(
    run: Callable[[Tensor], Any], a: int = 4, b: int | None = None, *, bias: bool = True
) -> Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]:
    """A linear layer with `a` outputs, the operation, and a linear layer with `b` inputs."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        c = b or a
        net = Net(lambda m, x: m.r(run(m.w(x))), w=linear(a, a, bias), r=linear(c, c, bias))
        return net, (torch.randn(12, a),)

    return build


def images(
    run: Callable[[Tensor], Any], a: int = 2, b: int | None = None, *, size: int = 4, d: int = 2
) -> Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]:
    """Pointwise convolutions before and after an operation on images of `d` dimensions."""
    conv: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[d - 1]

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        net = Net(lambda m, x: m.r(run(m.w(x))), w=conv(a, a, 1), r=conv(b or a, b or a, 1))
        return net, (torch.randn(3, a, *([size] * d)),)

    return build


def sequences(
    run: Callable[[Tensor], Any], a: int = 4, b: int | None = None, *, length: int = 4
) -> Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]:
    """Linear layers before and after an operation on [batch, length, features]."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        net = Net(lambda m, x: m.r(run(m.w(x))), w=linear(a, a), r=linear(b or a, b or a))
        return net, (torch.randn(4, length, a),)

    return build


def pair(
    run: Callable[[Tensor, Tensor], Any], a: int = 3, b: int | None = None
) -> Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]:
    """Two linear layers of one input, an operation of both, and a linear layer."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        net = Net(
            lambda m, x: m.r(run(m.u(x), m.v(x))),
            u=linear(3, a), v=linear(3, a), r=linear(b or a, b or a),
        )  # fmt: skip
        return net, (torch.randn(12, 3),)

    return build


def of(run: Callable[..., Any], *shapes: tuple[int, ...], **parts: Callable[[], Any]) -> Callable:
    """A model from its forward pass, the shapes of its inputs, and makers of its parts."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        made = {name: make() for name, make in parts.items()}
        return Net(run, **made), tuple(torch.randn(shape) for shape in shapes)

    return build
