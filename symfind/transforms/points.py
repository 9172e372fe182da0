"""Where a function is looked at: random inputs, as far as it is finite there, or those of data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.transforms.action import Action
from symfind.transforms.oracle import Oracle

_ROUNDING = 1e-12  # of the outputs: what changes less, over the size of the input, is constant
_DRAWS = 8  # in a row without enough finite samples
_FINITE = 0.1  # of random samples, below which they are drawn about the example


@dataclass
class Points:
    """Samples of the inputs, drawn one after the other.

    Attributes:
        oracle: the function.
        action: what moves.
        rng: of all draws.
        near: whether samples are drawn about the example, where others are outside the domain.
        bounded: how many samples were outside the domain of the function.
        drawn: how many were drawn.
    """

    oracle: Oracle
    action: Action
    rng: torch.Generator
    near: bool = False
    outside: int = 0
    drawn: int = 0
    _flat: list[str] = field(default_factory=list)

    def draw(self, count: int) -> list[Tensor]:
        """Fresh samples at which the function is finite.

        Raises:
            InputError: it is finite nowhere near its example either.
        """
        parts: list[list[Tensor]] = []
        missing = count
        for _ in range(_DRAWS):
            values = [self._value(example, missing) for example in self.oracle.example]
            with torch.no_grad():
                finite = torch.isfinite(self.oracle(values)).all(1)
            self.drawn, self.outside = self.drawn + missing, self.outside + int((~finite).sum())
            parts.append([value[finite] for value in values])
            missing -= int(finite.sum())
            if missing <= 0:
                return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]
            if not self.near and float(finite.double().mean()) < _FINITE:
                self.near = True
        raise InputError(
            f"{self.oracle.name} is not finite at inputs drawn about its example: give an example "
            "inside its domain"
        )

    def _value(self, example: Tensor, count: int) -> Tensor:
        """Normal values of several sizes, or values about the example."""
        shape = (count, *example.shape[1:])
        kind = torch.complex128 if example.is_complex() else torch.float64
        noise = torch.randn(shape, generator=self.rng, dtype=kind)
        if self.near:
            base = example[torch.randint(len(example), (count,), generator=self.rng)].to(kind)
            return base * (1.0 + 0.2 * noise) + 0.01 * base.abs().mean() * noise.flip(0)
        sizes = 0.5 * 6.0 ** torch.rand(count, generator=self.rng, dtype=torch.float64)
        return noise * sizes.reshape(-1, *[1] * (noise.ndim - 1))

    def __call__(self, count: int) -> tuple[Tensor, Tensor]:
        """Coordinates and gradients of fresh samples, [samples, items, n] each.

        Raises:
            InputError: the function does not change at any of them.
        """
        return self.gradients(self.draw(count))

    def gradients(self, values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Coordinates and gradients of given samples, [samples, items, n] each.

        Where the function changes by no more than rounding, the gradient is zero.

        Raises:
            InputError: it does not change at any of them.
        """
        scale, grads = self.oracle.gradients(values, self.rng)
        x, g = self.action.coordinates(values), self.action.coordinates(grads)
        g = torch.where(torch.isfinite(g).all(2).all(1)[:, None, None], g, 0.0)
        change = g.flatten(1).norm(dim=1) * x.flatten(1).norm(dim=1)
        g[change <= _ROUNDING * scale] = 0.0
        if not bool((g != 0).any()):
            what = ", ".join(place.name for place in self.action.places)
            raise InputError(
                f"{self.oracle.name} does not depend on {what}: its gradient vanishes at all "
                f"{len(g)} points that were drawn (it is constant, or they lie where no unit is "
                "active: give an example where it changes)"
            )
        return x, g
