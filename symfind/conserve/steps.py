"""What becomes of conserved quantities under discrete steps: exact for quadratic and linear ones.

With ξ = ∇h and ξ·∇L = 0, a step θ ← θ − η v with v ← μ v + ∇L + λ θ changes a quadratic
h = ½ θᵀAθ by −η vᵀAθ + η² h(v), and vᵀAθ follows from the steps before. Without momentum
h ← (1 − ηλ)² h + η² h(∇L). Adam divides by squares of its own: it has no such law.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from symfind.conserve.fields import Theta
from symfind.conserve.model import Drift, Law
from symfind.errors import InputError
from symfind.verify import Function
from symfind.verify.function import Call

_NUMBER = 500  # of steps
_EXPECTED = "sgd:lr=0.1,momentum=0.9,wd=0.01, or adam:lr=0.001"


@dataclass(frozen=True)
class Steps:
    """An optimiser.

    Attributes:
        kind: `sgd` or `adam`.
        rate: η.
        momentum: μ.
        decay: λ, in the gradient.
    """

    kind: Literal["sgd", "adam"]
    rate: float
    momentum: float = 0.0
    decay: float = 0.0


def parse_steps(text: str) -> Steps:
    """An optimiser of a text such as `sgd:lr=0.1,momentum=0.9,wd=0.01`.

    Raises:
        InputError: it is none.
    """
    kind, _, rest = text.partition(":")
    values = {"lr": 0.0, "momentum": 0.0, "wd": 0.0}
    for part in filter(None, rest.split(",")):
        name, _, number = part.partition("=")
        try:
            values[name.strip()] = {n: float for n in values}[name.strip()](number)
        except (KeyError, ValueError):
            raise InputError(f"--steps {text!r}: {part!r} is not understood; {_EXPECTED}") from None
    if kind not in ("sgd", "adam") or not 0 < values["lr"] < float("inf"):
        raise InputError(f"--steps {text!r}: no optimiser with a rate; {_EXPECTED}")
    if not 0 <= values["momentum"] < 1 or values["wd"] < 0:
        raise InputError(f"--steps {text!r}: momentum is below one, and decay not negative")
    return Steps(kind, values["lr"], values["momentum"], values["wd"])  # type: ignore[arg-type]


class Laws(Protocol):
    """Quantities that are known by their gradients."""

    @property
    def law(self) -> Law: ...  # noqa: D102

    def gradients(self, theta: Theta) -> dict[str, Tensor]:
        """One matrix [entries, functions] per tensor."""
        ...


class _Watch:
    """One law: its values along the steps, and what they are predicted to be."""

    def __init__(self, laws: Laws, theta: Theta) -> None:
        self.laws = laws
        self.half = 0.5 if laws.law.form == "quadratic" else 1.0
        self.start = self.predicted = self.value(theta)
        self.along = torch.zeros_like(self.start)  # vᵀAθ
        self.largest = self.start.abs().max()
        self.error = 0.0

    def _paired(self, at: Theta, v: Theta) -> Tensor:
        return sum(
            (v[n].reshape(-1) @ g for n, g in self.laws.gradients(at).items()), torch.zeros(())
        )

    def value(self, theta: Theta) -> Tensor:
        return self.half * self._paired(theta, theta)

    def step(self, v: Theta, after: Theta, how: Steps) -> None:
        # ∇h·∇L = 0, so that only what came before and the decay are left of vᵀAθ
        degree = 1.0 / self.half
        along = how.momentum * self.along + how.decay * degree * self.predicted
        self.predicted = self.predicted - how.rate * along
        if self.half == 0.5:
            square = self.value(v)
            self.predicted = self.predicted + how.rate**2 * square
            along = along - how.rate * 2 * square
        self.along = along
        measured = self.value(after)
        self.largest = torch.maximum(self.largest, measured.abs().max())
        self.error = max(self.error, float((measured - self.predicted).abs().max()))
        self.end = measured


def drifts(
    found: Sequence[Laws],
    function: Function,
    theta: Theta,
    calls: Sequence[Call],
    loss: Callable[[Tensor], Tensor],
    how: Steps,
    number: int = _NUMBER,
) -> tuple[Drift, ...]:
    """Follow every law that is linear or quadratic along discrete steps.

    Args:
        found: the laws.
        function: the model.
        theta: where steps begin.
        calls: inputs.
        loss: of the outputs.
        how: the optimiser.
        number: of steps.
    """
    watched = [_Watch(one, theta) for one in found if one.law.form != "general"]
    here = {n: v.clone() for n, v in theta.items()}
    velocity = {n: torch.zeros_like(v) for n, v in here.items()}
    adam = torch.optim.Adam(list(here.values()), how.rate, weight_decay=how.decay)
    for _ in range(number):
        slope = _slope(function, here, calls, loss)
        if how.kind == "adam":
            for name, value in here.items():
                value.grad = slope[name]
            adam.step()
        else:
            for name, value in here.items():
                velocity[name] = how.momentum * velocity[name] + slope[name] + how.decay * value
            here = {n: v - how.rate * velocity[n] for n, v in here.items()}
        for watch in watched:
            watch.step(velocity, here, how)
    return tuple(_drift(watch, how, number) for watch in watched)


def _drift(watch: _Watch, how: Steps, number: int) -> Drift:
    size = float(watch.largest) or 1.0
    law, exact = watch.laws.law, how.kind == "sgd"
    moved = float((watch.end - watch.start).abs().max()) / size
    predicted = float((watch.predicted - watch.start).abs().max()) / size if exact else None
    error = watch.error / size if exact else None
    return Drift(law.factor, law.text, number, moved, predicted, error)


def _slope(
    function: Function, theta: Theta, calls: Sequence[Call], loss: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    with torch.enable_grad(), function.scope():
        leaves = {n: v.detach().requires_grad_() for n, v in theta.items()}
        values = torch.cat([function.evaluate(leaves, call) for call in calls])
        found = torch.autograd.grad(loss(values), list(leaves.values()), allow_unused=True)
    return {
        n: torch.zeros_like(v) if g is None else g
        for (n, v), g in zip(theta.items(), found, strict=True)
    }
