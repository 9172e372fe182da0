"""Velocity sets of lattice models, as a point group permutes them."""

import itertools
import re

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.transforms.groups import FiniteGroup

_LENGTHS = {  # squares of the velocities
    "D1Q3": (0, 1),
    "D2Q5": (0, 1),
    "D2Q9": (0, 1, 2),
    "D3Q7": (0, 1),
    "D3Q15": (0, 1, 3),
    "D3Q19": (0, 1, 2),
    "D3Q27": (0, 1, 2, 3),
}


def velocities(name: str) -> Tensor:
    """Integer vectors of a set, [Q, D], the one at rest first.

    Raises:
        InputError: there is no set of that name.
    """
    if name not in _LENGTHS:
        raise InputError(f"{name!r} names no velocities: write {', '.join(_LENGTHS)}")
    dimensions = int(re.findall(r"\d+", name)[0])
    cube = itertools.product((0, 1, -1), repeat=dimensions)
    kept = [v for v in cube if sum(c * c for c in v) in _LENGTHS[name]]
    return torch.tensor(sorted(kept, key=lambda v: sum(c * c for c in v)), dtype=torch.float64)


def on_vectors(group: FiniteGroup, vectors: Tensor, name: str) -> Tensor:
    """How a group of matrices permutes vectors [Q, D], as matrices [count, Q, Q].

    Raises:
        InputError: it acts on another dimension, or does not permute them.
    """
    if group.size != vectors.shape[1]:
        raise InputError(
            f"{group.name} acts in {group.size} dimensions, and {name} has {vectors.shape[1]}"
        )
    moved = torch.einsum("gij,qj->gqi", group.elements, vectors)
    distances = torch.cdist(moved, vectors[None].expand(len(moved), -1, -1))
    near, places = distances.min(2)
    if float(near.max()) > 1e-6:
        raise InputError(f"{group.name} does not permute {name}")
    return torch.nn.functional.one_hot(places, len(vectors)).mT.double()
