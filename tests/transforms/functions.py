"""Functions whose symmetries are known, as (name, function, example, options, algebra, count)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Known(NamedTuple):
    name: str
    function: Callable[[Tensor], Any]
    example: Tensor
    algebra: str
    dimension: int  # of all solutions, trivial ones included
    options: dict[str, Any] = {}
    trivial: int = 0


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def metric(positive: int, negative: int) -> Tensor:
    return torch.tensor([1.0] * positive + [-1.0] * negative, dtype=torch.float64)


def form(p: int, q: int) -> Callable[[Tensor], Tensor]:
    return lambda x: (x * x * metric(p, q)).sum(-1)


def normed(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / centred.square().mean(-1, keepdim=True).sqrt()


def angle(x: Tensor) -> Tensor:
    a, b = x[0] - x[1], x[2] - x[1]
    return a @ b / (a.norm() * b.norm())


def area(x: Tensor) -> Tensor:
    return torch.linalg.det(torch.stack([x[1] - x[0], x[2] - x[0]])).abs()


def beam(p: Tensor) -> Tensor:
    """Products of transverse momenta, and of (E, pz)."""
    along, across = p[:, [0, 3]] * metric(1, 1), p[:, 1:3]
    return torch.cat([(across @ across.T).flatten(), (along @ p[:, [0, 3]].T).flatten()])


def oracle(x: Tensor) -> Tensor:
    a, b = x
    return a.norm().sin() - b.norm() ** 3 / 2 + a @ b / (a.norm() * b.norm())


def ratio(x: Tensor) -> Tensor:
    return (x[0] - x[1]) * (x[2] - x[3]) / ((x[0] - x[2]) * (x[1] - x[3]))


SYMPLECTIC = torch.block_diag(*[torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)] * 2)
WHOLE: dict[str, Any] = {"act": "whole"}
AFFINE: dict[str, Any] = {"affine": True}

KNOWN = [
    *(Known(f"|x|2 in R{n}", lambda x: x.square().sum(-1), drawn(n), f"so({n})", n * (n - 1) // 2)
      for n in range(2, 6)),
    Known("form (1,3)", form(1, 3), drawn(4), "so(1,3)", 6),
    Known("form (2,3)", form(2, 3), drawn(5), "so(2,3)", 10),
    Known("det 2x2", torch.linalg.det, drawn(2, 2), "so(2,2)", 6, WHOLE),
    Known("det 3x3", torch.linalg.det, drawn(3, 3), "sl(3,R)^2", 16, WHOLE),
    Known("x1x2x3", lambda x: x.prod(-1), drawn(3), "R^2", 2),
    Known("RMSNorm", lambda x: x / x.square().mean(-1, keepdim=True).sqrt(), drawn(4), "R", 1),
    Known("softmax", lambda x: x.softmax(-1), drawn(4), "0", 5, AFFINE, 5),
    Known("LayerNorm", normed, drawn(4), "R", 6, AFFINE, 5),
    Known("sum and |x|2", lambda x: torch.stack([x.sum(), x @ x]), drawn(4), "so(3)", 3),
    Known("|x cross y|", lambda x: torch.linalg.cross(x[0], x[1]).norm(), drawn(2, 3),
          "sl(2,R) ⊕ so(3)", 6, WHOLE),
    Known("|x - y|", lambda x: (x[0] - x[1]).norm(), drawn(2, 3), "e(3)", 6, AFFINE),
    Known("angle of three points", angle, drawn(3, 3), "sim(3)", 7, AFFINE),
    Known("triple product", torch.linalg.det, drawn(3, 3), "sl(3,R)", 8),
    Known("area of a triangle", area, drawn(3, 2), "sa(2)", 5, AFFINE),
    Known("invariant mass", lambda p: form(1, 3)(p.sum(0)), drawn(2, 4), "so(1,3)", 6),
    Known("all products of 3", lambda p: (p * metric(1, 3)) @ p.T, drawn(3, 4), "so(1,3)", 6),
    Known("beam", beam, drawn(2, 4), "so(2) ⊕ R", 2),
    Known("O(5) oracle", oracle, drawn(2, 5), "so(5)", 10),
    Known("Hermitian form", lambda z: (z[0].conj() * z[1]).sum(),
          drawn(2, 2, dtype=torch.complex128), "u(2)", 4),
    Known("symplectic form", lambda x: x[0] @ SYMPLECTIC @ x[1], drawn(2, 4), "sp(4,R)", 10),
    Known("ratio of differences", lambda x: (x[0] - x[1]) / (x[0] - x[2]), drawn(3, 1), "aff(1)",
          2, AFFINE),
    Known("cross ratio", ratio, drawn(4, 1), "sl(2,R)", 3, {"degree": 2}),
]  # fmt: skip
