"""Vector fields of symmetries, and how far they are from being gradients.

A field ξ with components ξ_i is a gradient, on a ball, exactly when its exterior derivative
ω_ij = ∂_i ξ_j − ∂_j ξ_i vanishes (Poincaré). Fields of one generator are linear in its coefficients
c, so each pair of directions v, w gives one linear equation ω(v, w) = 0 on c.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from symfind.algebra.axes import Sizes
from symfind.count.rank import columns
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

STEP = 1e-5  # of the central difference that checks a derivative
DIFFERS = 1e-5  # relative difference above which the derivative is not to be trusted

Theta = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Fields:
    """The vector fields of one family of generators.

    Attributes:
        family: what acts.
        sizes: of the atomic indices, None for the model's own.
        constants: values of buffers by name.
    """

    family: Family
    sizes: Sizes | None = None
    constants: Mapping[str, Tensor] | None = None

    @property
    def count(self) -> int:
        """Number of coefficients."""
        return self.family.count(self.sizes)

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors that move."""
        return self.family.names

    def point(self, theta: Theta) -> Point:
        """A point in parameter space, as families see it."""
        return Point(theta, self.sizes, self.constants)

    def at(self, theta: Theta, c: Tensor) -> dict[str, Tensor]:
        """The field of coefficients `c`, shape [count]: changes by name."""
        return self.point(theta).direction(self.family, c)

    def gradients(self, theta: Theta) -> dict[str, Tensor]:
        """The fields of all coefficients: one matrix [entries of the tensor, count] per tensor."""
        return columns(self.point(theta), self.family)

    def pairing(self, theta: Theta, directions: Mapping[str, Tensor]) -> Tensor:
        """Inner products with directions, given by name with a leading index: [k, count]."""
        with torch.enable_grad():
            c = self._unknowns(theta)
            return _transposed(self.at(theta, c), directions, c)

    def variation(self, theta: Theta, along: Theta, directions: Mapping[str, Tensor]) -> Tensor:
        """Inner products of directions with the derivative of the fields along one: [k, count]."""
        with torch.enable_grad():
            c = self._unknowns(theta)
            return _transposed(self._derivative(theta, along, c), directions, c)

    def differentiable(self, theta: Theta, along: Theta, rng: torch.Generator) -> bool:
        """Whether the derivative that `variation` uses agrees with a difference quotient."""
        c = torch.randn(self.count, generator=rng, dtype=torch.float64)
        derivative = self._derivative(theta, along, c)
        ahead, behind = (
            self.at({n: v + s * STEP * along[n] for n, v in theta.items()}, c) for s in (1.0, -1.0)
        )
        here = self.at(theta, c)
        worst, size = 0.0, 0.0
        for name, value in derivative.items():
            if not bool(value.isfinite().all()):
                return False  # a basis chosen by a singular value decomposition, degenerate here
            quotient = (ahead[name] - behind[name]) / (2 * STEP)
            worst = max(worst, float((quotient - value).abs().max()))
            size = max(size, float(quotient.abs().max()), float(here[name].abs().max()))
        return worst <= DIFFERS * size

    def _derivative(self, theta: Theta, along: Theta, c: Tensor) -> dict[str, Tensor]:
        with forward_ad.dual_level():
            dual = {n: forward_ad.make_dual(v, along[n]) for n, v in theta.items()}
            result = {}
            for name, change in self.at(dual, c).items():
                value, tangent = forward_ad.unpack_dual(change)
                result[name] = torch.zeros_like(value) if tangent is None else tangent
        return result

    def _unknowns(self, theta: Theta) -> Tensor:
        like = next(iter(theta.values()))
        return torch.zeros(self.count, dtype=like.dtype, device=like.device, requires_grad=True)


def curl(fields: Fields, theta: Theta, directions: Mapping[str, Tensor]) -> Tensor:
    """ω(v, w) for every pair of directions: shape [pairs, count], linear in the coefficients.

    Args:
        fields: of one family.
        theta: a point, all tensors by name.
        directions: by name, with a leading index over the directions.
    """
    number = len(next(iter(directions.values())))
    each = [
        fields.variation(theta, {n: d[k] for n, d in directions.items()}, directions)
        for k in range(number)
    ]
    table = torch.stack(each)  # [along, paired with, count]
    i, j = torch.triu_indices(number, number, 1)
    return table[i, j] - table[j, i]


def random_directions(
    theta: Theta, names: Sequence[str], number: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """Normal directions over all tensors, by name with a leading index."""
    return {
        n: torch.randn((number, *theta[n].shape), generator=rng, dtype=torch.float64).to(theta[n])
        for n in names
    }


def _transposed(field: Mapping[str, Tensor], directions: Mapping[str, Tensor], c: Tensor) -> Tensor:
    number = len(next(iter(directions.values())))
    paired = c.new_zeros(number)
    for name, change in field.items():
        paired = paired + directions[name].flatten(1) @ change.reshape(-1)
    if not paired.requires_grad:
        return c.new_zeros(number, len(c))
    eye = torch.eye(number, dtype=c.dtype, device=c.device)
    (rows,) = torch.autograd.grad(paired, c, eye, is_grads_batched=True, allow_unused=True)
    return c.new_zeros(number, len(c)) if rows is None else rows.detach()
