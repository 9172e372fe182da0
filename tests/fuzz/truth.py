"""What is true of a network, measured without anything of what is tested.

Dense Jacobians in float64 by reverse mode, at several points with many inputs, the rank by the
largest gap. A point counts where all is finite, and neither vanishes nor explodes.
"""

import copy
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.fuzz.network import Network
from tests.fuzz.written import Written

Theta = Mapping[str, Tensor]
SCALES = (0.7, 1.0, 0.5, 1.4, 0.3, 0.85)
NOISE, SIGNAL = 1e-12, 1e-9  # singular values that are zero, and that are not, over the largest
LARGEST = 1e5  # of outputs and derivatives
_TOGETHER = 8  # inputs, of which derivatives are taken at once


@dataclass(frozen=True)
class Measured:
    """The Jacobian at one point, columns in the order of the parameters.

    Attributes:
        theta: the point.
        x: the inputs.
        jacobian: shape [outputs, parameters].
        nullity: parameters minus rank; the smallest that it can be, where that is not clear.
        clear: whether there is a gap in the spectrum.
    """

    theta: Theta
    x: Tensor
    jacobian: Tensor
    nullity: int
    clear: bool


class Truth:
    """A network as a function of its parameters, in float64."""

    def __init__(self, model: Network | Written) -> None:
        self.model = model
        # a copy, as shared modules keep what a functional call puts in them
        self._own = copy.deepcopy(model).double()
        self.names = [name for name, _ in model.named_parameters()]
        self.sizes = {name: w.numel() for name, w in model.named_parameters()}
        self.count = sum(self.sizes.values())
        self.rng = torch.Generator().manual_seed(model.seed)
        self.buffers = {n: b.double() if b.is_floating_point() else b
                        for n, b in model.named_buffers()}  # fmt: skip

    def __call__(self, theta: Theta, x: Tensor) -> Tensor:
        """All outputs, one after the other for every input: shape [inputs, outputs]."""
        result = functional_call(self._own, {**self.buffers, **theta}, (x,))
        parts = result if isinstance(result, tuple) else (result,)
        return torch.cat([part.flatten(1) for part in parts], 1)

    def inputs(self, times: int = 1) -> Tensor:
        """Enough inputs for a full rank, with spread."""
        x = self.model.example(2, self.rng)
        with torch.no_grad():
            width = self.model(x)
        width = sum(w[0].numel() for w in (width if isinstance(width, tuple) else (width,)))
        x = self.model.example(times * max(24, 4 * self.count // width + 8), self.rng)
        if not x.is_floating_point():
            return x
        spread = torch.rand(len(x), *[1] * (x.dim() - 1), generator=self.rng) * 2 + 0.2
        return x.double() * spread

    def point(self, scale: float, spread: float) -> dict[str, Tensor]:
        """Random parameters, tensors of sizes about a scale, by up to a factor."""
        point = {}
        for name, w in self.model.named_parameters():
            own = scale * spread ** (2 * float(torch.rand(1, generator=self.rng)) - 1)
            point[name] = own * torch.randn(w.shape, generator=self.rng, dtype=torch.float64)
        return point

    def measure(self, tries: int = 12, spread: float = 1.5, times: int = 1) -> Iterator[Measured]:
        """Points at which all is finite."""
        for _, scale in zip(range(tries), itertools.cycle(SCALES), strict=False):
            theta, x = self.point(scale, spread), self.inputs(times)
            jacobian = self.jacobian(theta, x)
            if jacobian is None:
                continue
            values = spectrum(jacobian)
            clear = not bool(((values > NOISE) & (values < SIGNAL)).any())
            nullity = self.count - int((values > NOISE).sum())
            yield Measured(theta, x, jacobian, nullity, clear)

    def nullity_at(self, theta: Theta, draws: int = 6) -> int:
        """At one point, over inputs of sizes up to six: rows of any size count alike."""
        rows = torch.zeros(0, self.count, dtype=torch.float64)
        for _ in range(draws):
            x = self.model.example(120, self.rng)
            if x.is_floating_point():
                shape = (len(x), *[1] * (x.dim() - 1))
                x = x.double() * (0.3 + 5 * torch.rand(shape, generator=self.rng))
            found = self.jacobian(theta, x, largest=1e12)
            if found is not None:
                sizes = found.norm(dim=1, keepdim=True)
                rows = torch.cat([rows, (found / sizes.clamp(min=1e-300))[sizes[:, 0] > 0]])
        if not len(rows):
            return self.count
        sizes = rows.norm(dim=0)
        values = torch.linalg.svdvals(rows / sizes.clamp(min=1e-2 * float(sizes.max())))
        clear = not bool(((values > NOISE * values[0]) & (values < SIGNAL * values[0])).any())
        return self.count - int((values > NOISE * values[0]).sum()) if clear else self.count

    def jacobian(self, theta: Theta, x: Tensor, largest: float = LARGEST) -> Tensor | None:
        """Derivatives of all outputs; None where something is not finite or too large."""
        rows = [self._rows(theta, some, largest) for some in x.split(_TOGETHER)]
        whole = [one for one in rows if one is not None]
        return torch.cat(whole) if len(whole) == len(rows) else None

    def _rows(self, theta: Theta, x: Tensor, largest: float) -> Tensor | None:
        leaves = {n: t.clone().requires_grad_() for n, t in theta.items()}
        with sdpa_kernel(SDPBackend.MATH):  # the fused ones pass for random under `vmap`
            value = self(leaves, x).reshape(-1)
        if not bool(torch.isfinite(value).all()) or float(value.detach().abs().max()) > largest:
            return None
        if not value.requires_grad:
            return value.new_zeros(len(value), self.count)
        held = [leaves[n] for n in self.names]
        unit = torch.eye(len(value), dtype=torch.float64)
        try:
            grads = torch.autograd.grad(value, held, unit, retain_graph=True, allow_unused=True,
                                        is_grads_batched=True)  # fmt: skip
        except RuntimeError:  # of an operation that cannot be batched
            rows = [torch.autograd.grad(v, held, retain_graph=True, allow_unused=True)
                    for v in value]  # fmt: skip
            grads = tuple(None if g[0] is None else torch.stack(g) for g in zip(*rows, strict=True))
        found = torch.cat([
            value.new_zeros(len(value), w.numel()) if g is None else g.reshape(len(value), -1)
            for g, w in zip(grads, held, strict=True)
        ], 1).detach()  # fmt: skip
        good = bool(torch.isfinite(found).all()) and float(found.abs().max()) < largest
        return found if good else None


def spectrum(jacobian: Tensor) -> Tensor:
    """Singular values over the largest, rows and columns brought nearer to one size first."""
    for dim in (1, 0):
        size = jacobian.norm(dim=dim, keepdim=True)
        jacobian = jacobian / size.clamp(min=1e-2 * float(size.max()) or 1.0)
    values = torch.linalg.svdvals(jacobian)
    return values / values[0].clamp(min=1e-300)
