"""A checkpoint moved along its orbit to where something else than its function is better.

The loss is the same everywhere on an orbit, its derivatives are not: for a linear action
∇L(gθ) = g⁻ᵀ∇L(θ) and H(gθ) = g⁻ᵀHg⁻¹ (Zhao, Dehmamy, Walters, Yu, Symmetry teleportation for
accelerated optimization, 2022).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.orbit.gauge import least_norm
from symfind.orbit.group import State
from symfind.orbit.learn import Knob, knobs, turned
from symfind.orbit.objective import Objective
from symfind.orbit.walk import Walk

Goal = Literal["grad-norm", "sharpness", "trace", "norm"]
GOALS: tuple[Goal, ...] = ("grad-norm", "sharpness", "trace", "norm")
_PROBES = 4  # of the trace of a Hessian
_KRYLOV = 20  # dimensions in which the largest eigenvalue is looked for
_ENDS = 1e-12  # of what H makes of these, below which nothing new comes of it
_INNER = 20  # evaluations of L-BFGS in a round


def teleport(
    walk: Walk,
    goal: Goal,
    objective: Objective | None,
    steps: int,
    radius: float | None = None,
    maximise: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    seed: int = 0,
) -> tuple[float, float]:
    """Lower (or raise) a quantity along all flows that are exact.

    Args:
        walk: the checkpoint that moves.
        goal: squared norm of the gradient, largest eigenvalue or trace of the Hessian of the loss,
            or squared norm of the weights.
        objective: the loss; not needed for the norm.
        steps: rounds of L-BFGS.
        radius: bound on the norm of all coefficients together.
        maximise: raise it instead.
        tell: called with a line now and then.
        seed: of probes.

    Returns:
        The quantity before and after.

    Raises:
        InputError: there is no data, or what is to be raised has no bound.
    """
    if goal != "norm" and objective is None:
        raise InputError(f"{goal} is of a loss: give data")
    if maximise and radius is None:
        raise InputError("along scales and gl(n) this grows without bound: give a radius")
    measure = _measure(walk, goal, objective, seed)
    before = _number(measure(walk.state))
    if goal == "norm" and not maximise and radius is None:
        state, done = dict(walk.state), list(walk.steps)
        least_norm(walk)
        if not _number(measure(walk.state)) < before:
            walk.state, walk.steps = state, done
        return before, _number(measure(walk.state))
    found = knobs(walk.group)
    if found:
        _optimise(walk, found, measure, steps, radius, maximise, tell)
    return before, _number(measure(walk.state))


def _optimise(
    walk: Walk,
    found: list[Knob],
    measure: Callable[[State], Tensor],
    steps: int,
    radius: float | None,
    maximise: bool,
    tell: Callable[[str], None],
) -> None:
    sign = -1.0 if maximise else 1.0
    best = sign * _number(measure(walk.state))
    solver = torch.optim.LBFGS([k.c for k in found], max_iter=_INNER, history_size=20,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def value() -> Tensor:
        solver.zero_grad()
        loss = sign * measure(turned(walk.group, walk.state, bounded(found, radius)))
        loss = torch.log(loss) if _number(loss) > 0 else loss  # of any size alike
        loss.backward()
        return loss

    for i in range(steps):
        tell(f"teleporting: round {i + 1} of {steps}")
        kept = [k.c.detach().clone() for k in found]
        solver.step(value)
        with torch.no_grad():
            now = _number(sign * measure(turned(walk.group, walk.state, bounded(found, radius))))
            if not now < best:
                for knob, c in zip(found, kept, strict=True):
                    knob.c.copy_(c)
                break
            best = now
    with torch.no_grad():
        for knob in bounded(found, radius):
            walk.do(Knob(knob.site, knob.c.detach()).step(walk.group))


def _number(value: Tensor) -> float:
    return float(value.detach())


def bounded(found: list[Knob], radius: float | None) -> list[Knob]:
    """The same coefficients, scaled into a ball."""
    if radius is None:
        return found
    size = torch.cat([k.c for k in found]).norm()
    scale = (radius / size.clamp_min(1e-300)).clamp(max=1.0)
    return [Knob(k.site, scale * k.c) for k in found]


def _measure(
    walk: Walk, goal: Goal, objective: Objective | None, seed: int
) -> Callable[[State], Tensor]:
    names = list(walk.group.shapes)
    if goal == "norm" or objective is None:
        return lambda state: sum(
            (state[n].square().sum() for n in names), torch.zeros((), dtype=torch.float64)
        )

    def slopes(state: State) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [state[n] if state[n].requires_grad else state[n].detach().requires_grad_()
                  for n in names]  # fmt: skip
        point = {**state, **dict(zip(names, leaves, strict=True))}
        with torch.enable_grad():
            loss = objective(point)
            found = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        return leaves, [
            torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)
        ]

    def squared(state: State) -> Tensor:
        return torch.stack([g.square().sum() for g in slopes(state)[1]]).sum()

    def trace(state: State) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        leaves, first = slopes(state)
        total = torch.zeros((), dtype=torch.float64)
        for _ in range(_PROBES):
            v = [torch.randint(2, x.shape, generator=rng).double() * 2 - 1 for x in leaves]
            total = total + _curve(leaves, first, v)
        return total / _PROBES

    def sharpness(state: State) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        leaves, first = slopes(state)
        start = [torch.randn(x.shape, generator=rng, dtype=torch.float64) for x in leaves]
        return _curve(leaves, first, _top(leaves, first, start))

    return {"grad-norm": squared, "trace": trace, "sharpness": sharpness}[goal]


def _top(leaves: list[Tensor], first: list[Tensor], start: list[Tensor]) -> list[Tensor]:
    """A unit vector near the eigenvector of the largest eigenvalue of H, by Lanczos' iteration.

    Not that of the largest size, which the power method finds.
    """
    sizes = [x.numel() for x in leaves]
    v = torch.cat([x.flatten() for x in start])
    basis, image = v.new_zeros(len(v), 0), v.new_zeros(len(v), 0)
    for _ in range(min(_KRYLOV, len(v))):
        v = v - basis @ (basis.T @ v)
        v = v - basis @ (basis.T @ v)
        if not float(v.norm()) > _ENDS * float(image.norm()):
            break
        v = v / v.norm()
        parts = [p.view_as(x) for p, x in zip(v.split(sizes), leaves, strict=True)]
        basis = torch.cat([basis, v[:, None]], 1)
        v = torch.cat([h.detach().flatten() for h in _hessian(leaves, first, parts)])
        image = torch.cat([image, v[:, None]], 1)
    ritz = basis.T @ image
    top = basis @ torch.linalg.eigh((ritz + ritz.T) / 2).eigenvectors[:, -1]
    return [p.view_as(x) for p, x in zip(top.split(sizes), leaves, strict=True)]


def _hessian(leaves: list[Tensor], first: list[Tensor], v: list[Tensor]) -> list[Tensor]:
    """H v, differentiable."""
    with torch.enable_grad():
        along = torch.stack([(g * x).sum() for g, x in zip(first, v, strict=True)]).sum()
        found = torch.autograd.grad(along, leaves, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if h is None else h for h, x in zip(found, leaves, strict=True)]


def _curve(leaves: list[Tensor], first: list[Tensor], v: list[Tensor]) -> Tensor:
    """vᵀ H v."""
    h = _hessian(leaves, first, v)
    return torch.stack([(x * y).sum() for x, y in zip(h, v, strict=True)]).sum()
