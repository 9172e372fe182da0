"""Local vector fields as monomials: one tensor moves by a product of tensors and unit vectors.

A block of fields is an Einstein sum. `δT[x,b] = T[x,a]` with `a` and `b` fixed is right
multiplication of T by the matrix unit E_ab; `δT[x,b] = 1` with both fixed is a translation;
`δb[x] = W[x,k]` shifts a bias by a column of a weight. Letters that are fixed are the *free* ones:
there is one field for each of their values, and a coefficient for each field.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from symfind.numerics.decompose import svd

Form = Literal["value", "reciprocal", "kernel", "precision"]
Theta = Mapping[str, Tensor]

_KERNEL = 1e-10  # relative singular value of a direction that a matrix does not see


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that carry an index: all but the ones."""
    return tuple(n for n in shape if n > 1)


@dataclass(frozen=True)
class Source:
    """A tensor that fields are made of: a parameter, or a smooth function of one.

    Attributes:
        name: of the parameter.
        form: its value; its entrywise reciprocal; the orthogonal projector [n, n] onto what it
            does not see along `axis`: with M the unfolding [n, rest], `I - M M^+`; or the precision
            [n], the reciprocal of the sum of its squares along all axes but `axis` (along all, if
            that is negative).
        axis: of the tensor without axes of size one.
    """

    name: str
    form: Form = "value"
    axis: int = 0

    def value(self, theta: Theta) -> Tensor:
        """The tensor at a point, without axes of size one."""
        tensor = theta[self.name].squeeze()
        if self.form == "reciprocal":
            return tensor.reciprocal()
        if self.form == "precision":
            squares = tensor.square()
            kept = squares.movedim(self.axis, 0).flatten(1) if self.axis >= 0 else squares.flatten()
            return kept.sum(-1).reciprocal()
        if self.form == "kernel":
            matrix = tensor.movedim(self.axis, 0).flatten(1)
            u, s, _ = svd(matrix)
            u = u[:, s > _KERNEL * s[0]]
            return torch.eye(len(u), dtype=u.dtype, device=u.device) - u @ u.T
        return tensor


@dataclass(frozen=True)
class Monomial:
    """A block of vector fields that move one tensor.

    Attributes:
        target: the parameter that moves.
        letters: of its axes (those of size one left out).
        factors: tensors and their letters; a letter that is not free is summed over.
        free: the letters that are fixed, in the order of the coefficients.
        sizes: of the free letters.
        text: how it acts, with `{}` where the coefficients go.
    """

    target: str
    letters: str
    factors: tuple[tuple[Source, str], ...]
    free: str
    sizes: tuple[int, ...]
    text: str

    @property
    def count(self) -> int:
        """The number of fields."""
        return math.prod(self.sizes)

    @property
    def degree(self) -> int | None:
        """In the parameters where that is 0 or 1; None where the fields are not affine."""
        if any(source.form != "value" for source, _ in self.factors) or len(self.factors) > 1:
            return None
        return len(self.factors)

    def pull(self, rows: Tensor, theta: Theta) -> Tensor:
        """Covectors on the target, [rows, *squeezed shape], on all fields: [rows, count]."""
        inner = ",".join(["Z" + self.letters, *(letters for _, letters in self.factors)])
        operands = [source.value(theta) for source, _ in self.factors]
        return torch.einsum(f"{inner}->Z{self.free}", rows, *operands).reshape(len(rows), -1)

    def push(self, coefficients: Tensor, theta: Theta) -> Tensor:
        """The combination of the fields at a point, in the shape of the target."""
        inner = ",".join([self.free, *(letters for _, letters in self.factors)])
        operands = [source.value(theta) for source, _ in self.factors]
        seen = set(inner)
        lost = [letter for letter in self.letters if letter not in seen]
        assert not lost, f"letters {lost} of {self.target} are neither free nor in a factor"
        change = torch.einsum(f"{inner}->{self.letters}", coefficients, *operands)
        return change.reshape(theta[self.target].shape)
