"""Whether data fill the space, or lie on a submanifold of it.

Off the submanifold a regressor is free, and so is the part of its gradient that leaves it: fields
are then known along the data only. Linear and quadratic relations are null vectors of the moments;
other submanifolds show in the distances to the first and second neighbour (E. Facco et al.,
"Estimating the intrinsic dimension of datasets by a minimal neighborhood information", 2017).
"""

import torch
from torch import Tensor

from symfind.transforms.fields import Dictionary

_NONE = 1e-5  # singular value of a relation, relative to the largest
_LARGEST = 800  # monomials of degree two
_SAMPLES = 4000
_FEWER = 0.75  # of the dimensions


def submanifold(x: Tensor) -> list[str]:
    """What is special about where samples [samples, coordinates] lie, in words."""
    x = x[:_SAMPLES]
    spread = x.std(0)
    constant = int((spread <= _NONE * spread.max()).sum())
    x = (x - x.mean(0))[:, spread > _NONE * spread.max()] / spread[spread > _NONE * spread.max()]
    found = [f"{constant} coordinates never change"] if constant else []
    linear = _null(x)
    if linear:
        found.append(f"{linear} linear relations hold among coordinates")
    size = x.shape[1]
    if not linear and (size + 1) * (size + 2) // 2 <= min(_LARGEST, len(x) // 2):
        quadratic = _null(Dictionary(size, True, 2).features(x))
        if quadratic:
            found.append(f"{quadratic} quadratic relations hold among coordinates")
    if not found and len(x) > 100:
        dimension = intrinsic_dimension(x)
        if dimension < _FEWER * size:
            found.append(f"their intrinsic dimension is about {dimension:.1f} of {size}")
    return found


def intrinsic_dimension(x: Tensor) -> float:
    """From the ratio of the distances to the two nearest neighbours, by maximal likelihood."""
    x = x[:2000]
    near = torch.cdist(x, x).fill_diagonal_(torch.inf).topk(2, largest=False).values
    fine = near[:, 0] > 0
    ratios = (near[fine, 1] / near[fine, 0]).log()
    return float((len(ratios) - 1) / ratios.sum()) if len(ratios) > 1 else 0.0


def _null(rows: Tensor) -> int:
    scaled = rows / rows.norm(dim=0).clamp(min=1e-300)
    values = torch.linalg.svdvals(scaled)
    return int((values <= _NONE * values[0]).sum())
