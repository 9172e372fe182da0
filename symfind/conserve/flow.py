"""Gradient flow of a random loss, and how much a quantity changes along it.

A conserved h is known through its gradient field ξ. Its change between two points is the integral
of ξ along any path between them; taking the straight one, where the flow took another, tests both
that ξ·∇L = 0 and that ξ is a gradient.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symfind.conserve.fields import Fields, Theta
from symfind.verify import Function
from symfind.verify.function import Call

NODES = 10  # of Gauss-Legendre quadrature: exact for fields that are polynomials of degree 19
TRAVEL = 0.5  # how far the flow would go at its first speed, in norms of the parameters
TOLERANCE = 1e-11
MOST_GRADIENTS = 600
CONTROLS = 8  # random quadratics
STILL = 1e-9  # relative distance below which a tensor did not move


@dataclass(frozen=True, eq=False)
class Path:
    """Where a gradient flow started and ended (on the CPU), and how many gradients that took."""

    start: Theta
    end: Theta
    evaluations: int

    @property
    def moved(self) -> float:
        """Distance between the two points, in norms of the first."""
        change = sum(float((self.end[n] - v).square().sum()) for n, v in self.start.items())
        size = sum(float(v.square().sum()) for v in self.start.values())
        return math.sqrt(change / size) if size else 0.0


def random_loss(
    function: Function, theta: Theta, calls: Sequence[Call], rng: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """A smooth loss of the outputs: weighted distances √(1 + (y − t)²) to random targets.

    It knows nothing of the network, and it is convex with bounded slope, so that the flow is tame.
    """
    with torch.no_grad():
        outputs = _outputs(function, theta, calls)
    noise = torch.randn((2, len(outputs)), generator=rng, dtype=torch.float64).to(outputs)
    spread = float(outputs.std()) if len(outputs) > 1 else 1.0
    targets = outputs.mean() + (spread if spread > 0 else 1.0) * noise[0]
    weights = noise[1].abs() + 0.1

    def loss(values: Tensor) -> Tensor:
        return (weights * (1.0 + (values - targets).square()).sqrt()).mean()

    return loss


def gradient_flow(
    function: Function, theta: Theta, calls: Sequence[Call], loss: Callable[[Tensor], Tensor]
) -> Path:
    """Integrate θ' = −∇L(θ) in float64 by an explicit method of order eight (DOP853).

    Time is scaled once so that the flow goes about as far for every model. Where the loss has
    kinks that the flow crosses over and over, steps become short; it then ends early.

    Raises:
        ArithmeticError: a step fails.
    """
    from scipy.integrate import DOP853

    def slope(flat: Tensor) -> Tensor:
        with torch.enable_grad(), function.scope():
            leaf = flat.detach().requires_grad_()
            point = function.unflatten(leaf)
            values = torch.cat([function.evaluate(point, call) for call in calls])
            (gradient,) = torch.autograd.grad(loss(values), leaf)
        return -gradient

    start = function.flatten(theta)
    first = float(slope(start).norm())
    speed = TRAVEL * float(start.norm()) / first if first > 0 else 0.0

    def field(_: float, y: np.ndarray) -> np.ndarray:
        return (speed * slope(torch.from_numpy(y).to(start))).cpu().numpy()

    solver = DOP853(
        field, 0.0, start.cpu().numpy(), 1.0, rtol=TOLERANCE, atol=TOLERANCE * float(start.std())
    )
    while solver.status == "running" and solver.nfev < MOST_GRADIENTS:
        message = solver.step()
    if solver.status == "failed":
        raise ArithmeticError(f"the gradient flow was not integrated: {message}")
    end = function.unflatten(torch.from_numpy(solver.y))
    return Path({n: v.cpu() for n, v in theta.items()}, end, int(solver.nfev))


def control(names: Sequence[str], path: Path, rng: torch.Generator) -> float | None:
    """Relative change of random quadratics Σ d_i θ_i² on some tensors: the median of several.

    Measured as a law is: over the norm of the gradient times the distance travelled. None where
    the tensors do not move at all, for then everything is conserved.
    """
    whole = travelled(path, list(path.start))
    if travelled(path, names) <= STILL * whole:
        return None
    found = []
    for _ in range(CONTROLS):
        value = size = 0.0
        for n in names:
            a, b = path.start[n], path.end[n]
            d = torch.randn(a.shape, generator=rng, dtype=torch.float64).to(a)
            value += float((d * (b.square() - a.square())).sum()) / 2
            size += float((d * a).square().sum())
        found.append(abs(value) / (math.sqrt(size) * reference(path, names)))
    return float(np.median(found))


def travelled(path: Path, names: Sequence[str]) -> float:
    """Distance travelled on some tensors."""
    return math.sqrt(sum(float((path.end[n] - path.start[n]).square().sum()) for n in names))


def reference(path: Path, names: Sequence[str]) -> float:
    """Distance travelled on some tensors, but not less than a thousandth of that on all."""
    return max(travelled(path, names), 1e-3 * travelled(path, list(path.start)), 1e-300)


def _outputs(function: Function, theta: Theta, calls: Sequence[Call]) -> Tensor:
    with function.scope():
        return torch.cat([function.evaluate(theta, call) for call in calls])


def relative_drift(spaces: Mapping[int, Fields], basis: Mapping[int, Tensor], path: Path) -> float:
    """Largest relative change along a path among combinations of the fields of some spaces.

    Args:
        spaces: by any key.
        basis: for the same keys, coefficients [count, laws].
        path: of a gradient flow.
    """
    value: Tensor | None = None
    names: dict[str, None] = {}
    gradients: dict[str, Tensor] = {}
    step = {n: path.end[n] - path.start[n] for n in path.start}
    for key, fields in spaces.items():
        z = basis[key]
        part = integral(fields, path.start, step) @ z
        value = part if value is None else value + part
        for name, block in fields.gradients(path.start).items():
            gradients[name] = gradients.get(name, torch.zeros(())) + block @ z
        names.update(dict.fromkeys(fields.names))
    assert value is not None
    square = sum((g.square().sum(0) for g in gradients.values()), torch.zeros(()))
    size = square.sqrt() * reference(path, list(names))
    return float((value.abs() / size).nan_to_num(0.0).max()) if value.numel() else 0.0


def integral(fields: Fields, start: Theta, step: Theta) -> Tensor:
    """Line integrals of the fields of all coefficients from `start` along `step`: [count]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    directions = {n: s[None] for n, s in step.items()}
    total = torch.zeros(fields.count, dtype=torch.float64)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        here = {n: v + float(node) * step[n] for n, v in start.items()}
        total = total + float(weight) * fields.pairing(here, directions)[0]
    return total
