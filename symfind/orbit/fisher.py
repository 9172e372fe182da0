"""The Fisher matrix of a checkpoint on data: F = RᵀR, kept as the rows R.

Of a categorical distribution with logits z, p = softmax z, F is the mean of Jᵀ(diag p − p pᵀ)J with
J = ∂z/∂θ; of a Gaussian of unit variance around the outputs, the mean of JᵀJ. A loss of another
kind stands in by its curvature in the outputs (the Gauss–Newton matrix; Martens 2020).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.numerics.rank import rounding, widest_gap
from symfind.orbit.group import State
from symfind.orbit.objective import Objective, attached, usual_loss
from symfind.verify.reverse import reverse_rows

_ROWS = 256  # of a Jacobian, at once
_CURVED = 4096  # outputs of a batch, up to which the curvature of a loss is formed
_ABOVE = 10.0  # times rounding, from where on a singular value is one
_CONVEX = 1e-9  # of the largest eigenvalue, below zero, that rounding leaves


@dataclass(frozen=True)
class Fisher:
    """The Fisher matrix of a checkpoint, a mean over samples.

    Attributes:
        rows: R with F = RᵀR, [rows, parameters].
        samples: how many predictions the mean is over.
        outputs: "categorical", "gaussian", or "curvature" of a given loss.
    """

    rows: Tensor = field(repr=False)
    samples: int
    outputs: str

    def diagonal(self) -> Tensor:
        """Of F: [parameters]."""
        return self.rows.square().sum(0)

    def along(self, fields: Tensor) -> Tensor:
        """ξᵀFξ of fields [parameters, number]."""
        return (self.rows @ fields).square().sum(0)


def fisher(objective: Objective, state: State, names: Sequence[str]) -> Fisher:
    """The Fisher matrix of parameters at a checkpoint.

    Args:
        objective: the model and its data, in float64.
        state: the checkpoint.
        names: parameters, in the order of the columns.

    Raises:
        InputError: the loss is not convex in the outputs, or the outputs are complex, not finite,
            or no weight matters to them.
    """
    leaves = [state[n].detach().clone().requires_grad_() for n in names]
    point = {**state, **dict(zip(names, leaves, strict=True))}
    width = sum(x.numel() for x in leaves)
    parts, samples, kind = [torch.zeros(0, width, dtype=torch.float64)], 0, ""
    for x, y in objective.batches:
        with torch.enable_grad():
            out = objective.outputs(point, x)
        attached(out, "the output")
        if out.is_complex():
            raise InputError("the outputs are complex; let the model return real numbers")
        if not bool(torch.isfinite(out.detach()).all()):
            raise InputError("the outputs on the data are not finite")
        kind, count = _kind(objective, out, y)
        samples += count
        for cotangents in _roots(objective, kind, out, y, count):
            parts.append(reverse_rows(out, leaves, cotangents.reshape(-1, *out.shape)))
            if sum(map(len, parts)) > 2 * width + _ROWS:
                parts = [torch.linalg.qr(torch.cat(parts), mode="r").R]
    return Fisher(torch.cat(parts) / math.sqrt(samples), samples, kind)


def _kind(objective: Objective, out: Tensor, y: Any) -> tuple[str, int]:
    if objective.loss is not usual_loss:
        return "curvature", len(y) if isinstance(y, Tensor) and y.dim() else 1
    if y.is_floating_point():
        return "gaussian", len(y)
    if out.numel() != y.numel() * out.shape[-1]:
        raise InputError(f"outputs of shape {list(out.shape)} are no logits of {y.numel()} classes")
    if int(y.min()) < 0 or int(y.max()) >= out.shape[-1]:
        raise InputError(f"targets run from {int(y.min())} to {int(y.max())}, and there are "
                         f"{out.shape[-1]} classes")  # fmt: skip
    return "categorical", y.numel()


def _roots(objective: Objective, kind: str, out: Tensor, y: Any, count: int) -> Iterator[Tensor]:
    """Square roots of what curves in the outputs, in parts: [some, outputs]."""
    z = out.detach()
    if kind == "curvature":
        yield _curvature(objective, z, y) * math.sqrt(count)
        return
    classes = z.shape[-1] if kind == "categorical" else 1
    p = z.softmax(-1).reshape(-1, classes)
    step = max(1, _ROWS // classes)
    for start in range(0, z.numel() // classes, step):
        several = range(start, min(start + step, z.numel() // classes))
        root = torch.zeros(len(several), classes, z.numel(), dtype=z.dtype)
        for row, i in enumerate(several):
            own = torch.eye(classes, dtype=z.dtype)
            if kind == "categorical":
                own = p[i].sqrt().unsqueeze(-1) * (own - p[i])
            root[row, :, i * classes : (i + 1) * classes] = own
        yield root.reshape(-1, z.numel())


def _curvature(objective: Objective, z: Tensor, y: Any) -> Tensor:
    if z.numel() > _CURVED:
        raise InputError(f"a batch has {z.numel():,} outputs: at most {_CURVED:,} with a loss")
    with torch.enable_grad():
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective.loss(leaf, y), leaf, create_graph=True)
        curve = reverse_rows(slope.reshape(-1), [leaf], None).detach()
    values, vectors = torch.linalg.eigh((curve + curve.T) / 2)
    if float(values[0]) < -_CONVEX * float(values.abs().max()):
        raise InputError("the loss is not convex in the outputs: it has no Fisher matrix")
    return (vectors * values.clamp_min(0).sqrt()).T


@dataclass(frozen=True)
class Volume:
    """The Fisher matrix at right angles to an orbit.

    Attributes:
        orbit: dimension of the orbit there.
        rank: of the matrix.
        clear: whether the spectrum ends in a gap; without one, all above rounding counts.
        spectrum: eigenvalues on the effective directions, the largest first.
        log_pdet: sum of the logarithms of those that count.
        log_orbit: log det ΞᵀΞ of the fields of the orbit.
        null: the largest eigenvalue along the orbit, which is to be zero.
    """

    orbit: int
    rank: int
    clear: bool
    spectrum: Tensor = field(repr=False)
    log_pdet: float
    log_orbit: float
    null: float

    @property
    def corrected(self) -> float:
        """log pdet F − log det ΞᵀΞ."""
        return self.log_pdet - self.log_orbit


def volume(matrix: Fisher, fields: Tensor) -> Volume:
    """Split parameters into an orbit and what is at right angles to it.

    Args:
        matrix: of a checkpoint.
        fields: independent fields Ξ that span the orbit there, [parameters, dimension].
    """
    orbit = fields.shape[1]
    q, r = torch.linalg.qr(fields, mode="complete")
    along, across = q[:, :orbit], q[:, orbit:]
    values = torch.linalg.svdvals(matrix.rows @ across)
    values = torch.cat([values, values.new_zeros(max(across.shape[1] - len(values), 0))])
    cut = widest_gap(values)
    floor = _ABOVE * 10.0 ** rounding(len(values)) * float(values[:1].sum())
    rank = cut.rank if cut.clear else int((values > floor).sum())
    return Volume(
        orbit, rank, cut.clear, values.square(),
        float(values[:rank].square().log().sum()),
        float(r.diagonal().square().log().sum()),
        float(torch.linalg.matrix_norm(matrix.rows @ along, 2) ** 2) if orbit else 0.0,
    )  # fmt: skip
