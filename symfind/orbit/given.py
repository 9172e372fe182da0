"""A matrix given at a site (a file, Hadamard, or drawn), and whether it is in the group."""

import math
from pathlib import Path

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.load.weights import read_weights
from symfind.orbit.group import Group, Site
from symfind.orbit.steps import Flow, Step, Turn, shape_of
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.values import Environment

_DEFECT = 1e-6  # of a matrix that is saved in single precision
_WORST = 1e8  # condition, above which the inverse is lost in rounding
_SIZE = 0.5  # of drawn elements


def given_step(group: Group, site: str, matrix: "str | Tensor", seed: int = 0) -> Step:
    """The step that acts with a given matrix, or with given scales, at one site.

    Args:
        group: of the model.
        site: where; an id of a report's `places`.
        matrix: `hadamard`, `random`, a file with one tensor, or a tensor [n, n] or [*copies, n, n];
            scales [copies] where the site is a scaling.
        seed: of what is drawn.

    Raises:
        InputError: it is not in the group at that site; the message says why.
    """
    found = group.site(site)
    if isinstance(found.family, MatrixFamily):
        shape = shape_of(group, site)
        return Turn(site, _member(found, _matrices(found, matrix, shape, seed)))
    if isinstance(found.family, ScalingFamily):
        return Flow(site, _logarithms(found, matrix, seed))
    raise InputError(
        f"{site} is a {found.kind} family, whose elements are no matrices; "
        "give a site whose kind is gauge, rotation or scaling"
    )


def _matrices(site: Site, matrix: "str | Tensor", shape: tuple[int, ...], seed: int) -> Tensor:
    if isinstance(matrix, str) and matrix == "random":
        return _random(site, shape, seed)
    if isinstance(matrix, str) and matrix == "hadamard":
        value = _hadamard(shape[-1], site.id)
    else:
        value = _tensor(matrix).double()
    if tuple(value.shape) == shape[-2:]:
        value = value.expand(shape).clone()
    if tuple(value.shape) != shape:
        raise InputError(
            f"the matrix has shape {list(value.shape)}; at {site.id} it is {list(shape[-2:])}"
            + (f", or {list(shape)} for one in each copy" if len(shape) > 2 else "")
        )
    if not bool(torch.isfinite(value).all()):
        raise InputError("the matrix holds numbers that are NaN or infinite")
    return value


def _hadamard(n: int, site: str) -> Tensor:
    if n & (n - 1):
        raise InputError(
            f"{site} has width {n}, which is no power of two: there is no Hadamard matrix by "
            "doubling; give an orthogonal matrix in a file, or random"
        )
    h = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(int(math.log2(n))):
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)]) / 2**0.5
    return h


def _random(site: Site, shape: tuple[int, ...], seed: int) -> Tensor:
    """Of a compact group a uniform element, else one of moderate condition."""
    family = site.family
    assert isinstance(family, MatrixFamily)
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randn(shape, generator=rng, dtype=torch.float64)
    if family.type == "orthogonal":
        q, r = torch.linalg.qr(drawn)
        return q * torch.diagonal(r, dim1=-2, dim2=-1).sign().unsqueeze(-2)
    c = torch.randn(family.count(), generator=rng, dtype=torch.float64)
    compact = family.bond.skew
    x = family.matrix(Environment({}), c) * (3.0 if compact else _SIZE / shape[-1] ** 0.5)
    return torch.matrix_exp(x)


def _tensor(matrix: "str | Tensor") -> Tensor:
    if isinstance(matrix, Tensor):
        return matrix.detach()
    path = Path(matrix)
    if not path.is_file():
        raise InputError(f"--matrix {matrix}: no such file (else: hadamard, random)")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        content = None
    if isinstance(content, Tensor):
        return content
    tensors = read_weights(path)
    if len(tensors) != 1:
        raise InputError(f"--matrix {matrix}: it holds {len(tensors)} tensors, not one matrix")
    return next(iter(tensors.values()))


def _member(site: Site, r: Tensor) -> Tensor:
    """The matrix, if it is in the group; a message that says by how much it is not."""
    family = site.family
    assert isinstance(family, MatrixFamily)
    n = r.shape[-1]
    eye = torch.eye(n, dtype=torch.float64)
    ones = torch.ones(n, dtype=torch.float64) / n**0.5
    tests: list[tuple[str, Tensor]] = []
    if family.bond.skew:
        tests.append(("it is not orthogonal", r @ r.transpose(-1, -2) - eye))
    if family.type in ("stabiliser", "affine-stabiliser"):
        tests.append(("it does not fix the all-ones vector, which a mean sees", r @ ones - ones))
        tests.append(
            ("its transpose does not fix the all-ones vector", r.transpose(-1, -2) @ ones - ones)
        )
    if family.type in ("complex", "rotations"):
        tests.append(("it mixes or shears the pairs that turn together", r - commuting(family, r)))
    for why, defect in tests:
        worst = float(defect.abs().max())
        if worst > _DEFECT:
            raise InputError(
                f"the matrix is not in the group at {site.id}: {why} (defect {worst:.1e})"
            )
    condition = float(torch.linalg.cond(r).max())
    if not condition < _WORST:
        raise InputError(
            f"the matrix is not in the group at {site.id}: it has no stable inverse "
            f"(condition {condition:.1e})"
        )
    return r


def commuting(family: MatrixFamily, r: Tensor) -> Tensor:
    """The part of matrices [..., n, n] that commutes with the rotations of a family's pairs."""
    (pairs,) = family.bond.pairs
    result = torch.zeros_like(r)
    for i, j in pairs:
        real = (r[..., i, i] + r[..., j, j]) / 2
        turn = (r[..., j, i] - r[..., i, j]) / 2
        result[..., i, i], result[..., j, j] = real, real
        result[..., j, i], result[..., i, j] = turn, -turn
    used = {a for pair in pairs for a in pair}
    rest = torch.tensor([a for a in range(r.shape[-1]) if a not in used], dtype=torch.long)
    result[..., rest[:, None], rest] = r[..., rest[:, None], rest]
    return result


def _logarithms(site: Site, matrix: "str | Tensor", seed: int) -> Tensor:
    n = site.family.count()
    if isinstance(matrix, str) and matrix == "random":
        rng = torch.Generator().manual_seed(seed)
        return _SIZE * torch.randn(n, generator=rng, dtype=torch.float64)
    if isinstance(matrix, str) and matrix == "hadamard":
        raise InputError(f"{site.id} is a group of positive scales: a Hadamard matrix is none")
    value = _tensor(matrix).double().reshape(-1)
    if len(value) != n:
        raise InputError(f"{site.id} takes {n} positive scales, not {len(value)}")
    if not bool((value > 0).all()) or not bool(torch.isfinite(value).all()):
        raise InputError(f"{site.id} is a group of positive scales: some are not positive")
    return value.log()
