"""Small generators written by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bond:
    """GL(n) between two linear maps; `wrong` makes the reader move the wrong way."""

    id: str
    writer: str
    reader: str
    size: int
    wrong: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.writer, self.reader)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        return torch.randn(self.size, self.size, generator=rng, dtype=torch.float64)

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        sign = 1.0 if self.wrong else -1.0
        return {self.writer: c @ theta[self.writer], self.reader: sign * theta[self.reader] @ c}

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        sign = 1.0 if self.wrong else -1.0
        group, other = torch.linalg.matrix_exp(t * c), torch.linalg.matrix_exp(sign * t * c)
        return {self.writer: group @ theta[self.writer], self.reader: theta[self.reader] @ other}


@dataclass(frozen=True)
class Shift:
    """Any constant added to a parameter that the output ignores."""

    id: str
    name: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.name,)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        return torch.randn((), generator=rng, dtype=torch.float64)

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        return {self.name: c * torch.ones_like(theta[self.name])}

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        return {self.name: theta[self.name] + t * self.direction(theta, c)[self.name]}


@dataclass(frozen=True)
class WrongFlow(Bond):
    """Right to first order, but its flow is not the exponential."""

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        return {n: theta[n] + t * d for n, d in self.direction(theta, c).items()}


@dataclass(frozen=True)
class Scales:
    """One factor on several tensors, each with an exponent: a symmetry or not."""

    id: str
    exponents: Mapping[str, float]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.exponents)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        return torch.randn(1, generator=rng, dtype=torch.float64)

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        return {n: e * c * theta[n] for n, e in self.exponents.items()}

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        return {n: torch.exp(t * e * c) * theta[n] for n, e in self.exponents.items()}
