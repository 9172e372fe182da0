"""A rule on trial: what it declares, against what solves the local equation of its operation.

The operation stands between trained linear layers with biases, which can express every affine
change of basis on its wires. So the null space of the Jacobian of this little network is the
solution space of the operation's local invariance equation, beside what the layers have among
themselves; both derivations count these alike. The rule is *sound* where no derived direction
moves the output, and *exact* where all that is measured is derived.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from symfind.count.rank import directions
from symfind.errors import InputError
from symfind.numerics.rank import spectral_rank
from symfind.ops.own import Own
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Call, Function, draw_like

FALSE = 1e-9  # a normalised derived direction that moves the output more than this is false
BATCH = 12
POINTS = 4  # at most, until derived and measured agree

Status = Literal["exact", "incomplete", "false", "unused", "untried"]


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        target: the operation.
        origin: the module that holds the rule.
        status: `exact`; `incomplete`: directions are missed; `false`: a derived direction moves
            the output; `unused`: the operation does not occur in its example, or its rule does
            not take the arguments; `untried`: there is no example.
        derived: dimension of what is derived.
        measured: dimension of what is null.
        worst: the largest change of the output along a derived direction of unit length, relative
            to the largest along a parameter.
    """

    target: str
    origin: str
    status: Status
    derived: int | None = None
    measured: int | None = None
    worst: float | None = None


class Between(nn.Module):
    """Operands written by linear layers, an operation, a linear layer that reads the result."""

    def __init__(self, call: Callable[..., Any], operands: int, width: int) -> None:
        """Set the sizes; the reader is made by `fit`."""
        super().__init__()
        self.call = call
        self.write = nn.ModuleList(nn.Linear(width, width) for _ in range(operands))
        self.read = nn.Linear(width, width)

    def fit(self, width: int) -> None:
        """Set the width of what is read."""
        self.read = nn.Linear(width, width)

    def between(self, *xs: Tensor) -> Tensor:
        """What the operation makes of its operands."""
        return self.call(*(write(x) for write, x in zip(self.write, xs, strict=True)))  # type: ignore[no-any-return]

    def forward(self, *xs: Tensor) -> Tensor:
        """See the class."""
        return self.read(self.between(*xs))  # type: ignore[no-any-return]


def tried(own: Own, seed: int = 0) -> Trial:
    """Hold one rule against the measured null space.

    Raises:
        InputError: the example cannot be called, or gives no tensor of floats with features.
    """
    if own.example is None:
        return Trial(own.target, own.origin, "untried")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, inputs = _network(own)
        graph = trace(model, inputs, {}, train=False)
        applied = [op for op in graph.ops if op.trainable and _is(op.target, own.target)]
        derivation = derive(graph)
        gaps = {op.name for op, _ in derivation.lowered.gaps}
        if not applied or all(op.name in gaps for op in applied):
            return Trial(own.target, own.origin, "unused")
        return _measured(own, model, inputs, derivation.families, seed)


def _network(own: Own) -> tuple[Between, tuple[Tensor, ...]]:
    assert own.example is not None
    call, shape = own.example.call, own.example.shape
    count = _operands(call)
    model = Between(call, count, shape[-1])
    inputs = tuple(torch.randn(BATCH, *shape) for _ in range(count))
    try:
        result = model.between(*inputs)
        model.fit(result.shape[-1])
        model(*inputs)
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"the example of {own.target} fails on {count} tensors {[BATCH, *shape]} ({what}); it "
            "takes tensors [batch, *shape] and gives one tensor with features last"
        ) from error
    return model, inputs


def _operands(call: Callable[..., Any]) -> int:
    """How many tensors an example takes: those parameters without a default, one if unknown."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters) or 1


def _is(target: str, name: str) -> bool:
    return target == name or ".".join(target.split(".")[:2]) == name


def _measured(
    own: Own, model: nn.Module, inputs: tuple[Tensor, ...], families: Any, seed: int
) -> Trial:
    function = Function(model, inputs, {}, train=False)
    sizes = {name: int(torch.Size(function.shapes[name]).numel()) for name in function.names}
    rng = torch.Generator().manual_seed(seed)
    derived, measured, worst = 0, function.count, 0.0
    for _ in range(POINTS):
        theta = function.random_point(rng)
        found = directions(Point(theta), families, sizes)
        found = found / found.norm(dim=0).clamp(min=1e-300)
        jacobian = _jacobian(function, theta, inputs, rng)
        scale = max(float(jacobian.norm(dim=0).max()), 1e-300)
        if found.numel():
            worst = max(worst, float((jacobian @ found).norm(dim=0).max()) / scale)
        measured = min(measured, function.count - spectral_rank(jacobian).rank)
        derived = max(derived, spectral_rank(found).rank if found.numel() else 0)
        if derived == measured:
            break
    status: Status = "exact" if derived == measured else "incomplete"
    if worst > FALSE or derived > measured:
        status = "false"
    return Trial(own.target, own.origin, status, derived, measured, worst)


def _jacobian(
    function: Function, theta: Any, inputs: tuple[Tensor, ...], rng: torch.Generator
) -> Tensor:
    """Rows over enough draws of the inputs for the rank over all inputs."""
    blocks: list[Tensor] = []
    while len(blocks) < 6 or sum(map(len, blocks)) < 3 * function.count:
        blocks.append(function.jacobian(theta, Call(draw_like(inputs, rng, {}), {})))
    return torch.cat(blocks)
