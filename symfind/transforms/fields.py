"""Polynomial vector fields on R^n: their monomials, values, flows and brackets' matrices."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_STEPS, _MOST = 50, 800  # of Runge and Kutta
_SETTLED = 1e-9  # change by half the step, which is 16 times what is left of the error


@dataclass(frozen=True)
class Dictionary:
    """All fields whose components are polynomials: linear, affine, or of degree two.

    Attributes:
        size: n.
        constant: whether there is a constant term.
        degree: one or two.
    """

    size: int
    constant: bool
    degree: int

    @cached_property
    def monomials(self) -> list[tuple[int, ...]]:
        """Which coordinates are multiplied: those of degree one, zero, two."""
        one = [(i,) for i in range(self.size)]
        none: list[tuple[int, ...]] = [()] if self.constant else []
        pairs = itertools.combinations_with_replacement(range(self.size), 2)
        return [*one, *none, *(pairs if self.degree > 1 else ())]

    @property
    def count(self) -> int:
        """Dimension of the space of fields: n times the number of monomials."""
        return self.size * len(self.monomials)

    @property
    def words(self) -> str:
        """What is in it."""
        if self.degree > 1:
            return "polynomial fields of degree 2"
        return "affine fields" if self.constant else "linear fields"

    def features(self, x: Tensor) -> Tensor:
        """Monomials of points [..., n], as [..., monomials]."""
        parts = [x]
        if self.constant:
            parts.append(torch.ones_like(x[..., :1]))
        if self.degree > 1:
            i, j = torch.triu_indices(self.size, self.size)
            parts.append(x[..., i] * x[..., j])
        return torch.cat(parts, -1)

    def field(self, coefficients: Tensor, x: Tensor) -> Tensor:
        """The field with coefficients [n, monomials] at points [..., n]."""
        return self.features(x) @ coefficients.T

    def flow(self, coefficients: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """Points [samples, items, n] after a time for each sample, [samples].

        Exactly for affine fields, else by Runge and Kutta.
        """
        if self.degree == 1:
            matrix = self.matrices(coefficients[None])[0]
            moved = torch.matrix_exp(t[:, None, None] * matrix)
            n = self.size
            shift = moved[:, None, :n, n] if self.constant else 0.0
            return x @ moved[:, :n, :n].mT + shift
        return self._integrated(coefficients, x, t[:, None, None])

    def _integrated(self, coefficients: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """By the method of Runge and Kutta; NaN where half the step gives something else."""
        steps, before = _STEPS, torch.full_like(x, torch.nan)
        after = self._steps(coefficients, x, t, steps)
        while steps < _MOST and not bool(self._settled(before, after).all()):
            steps *= 2
            before, after = after, self._steps(coefficients, x, t, steps)
        settled = self._settled(before, after)
        return torch.where(settled[:, None, None], after, torch.nan)

    @staticmethod
    def _settled(before: Tensor, after: Tensor) -> Tensor:
        change = (after - before).flatten(1).norm(dim=1)
        return change <= _SETTLED * after.flatten(1).norm(dim=1)

    def _steps(self, coefficients: Tensor, x: Tensor, t: Tensor, steps: int) -> Tensor:
        h = t / steps
        for _ in range(steps):
            a = self.field(coefficients, x)
            b = self.field(coefficients, x + h / 2 * a)
            c = self.field(coefficients, x + h / 2 * b)
            d = self.field(coefficients, x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        return x

    def matrices(self, coefficients: Tensor) -> Tensor:
        """How affine fields [k, n, monomials] act on x, or on (x, 1) where there are constants."""
        n, k = self.size, len(coefficients)
        if not self.constant:
            return coefficients[:, :, :n]
        result = coefficients.new_zeros(k, n + 1, n + 1)
        result[:, :n] = coefficients[:, :, : n + 1]
        return result

    def pulled_back(self, seen: Tensor) -> Tensor:
        """How monomials of Uᵀx are combinations of those of x, [monomials, monomials of x].

        Args:
            seen: orthonormal columns U, [n, self.size].
        """
        n = len(seen)
        whole = Dictionary(n, self.constant, self.degree)
        result = seen.new_zeros(len(self.monomials), len(whole.monomials))
        result[: self.size, :n] = seen.T
        if self.constant:
            result[self.size, n] = 1.0
        if self.degree > 1:
            (a, b), (i, j) = torch.triu_indices(self.size, self.size), torch.triu_indices(n, n)
            a, b = a[:, None], b[:, None]
            crossed = torch.where(i == j, 0.0, seen[j, a] * seen[i, b])
            result[self.size + 1 :, n + 1 :] = seen[i, a] * seen[j, b] + crossed
        return result

    def term(self, monomial: tuple[int, ...]) -> str:
        """A monomial as text."""
        if len(monomial) == 2 and monomial[0] == monomial[1]:
            return f"x{monomial[0]}^2"
        return " ".join(f"x{i}" for i in monomial)
