"""Sums of squares behind other sums and products: rotations of the index that is summed over."""

from typing import Any

from torch import Tensor

from tests.rules.harness import Case, of, weight


def machine(run: Any) -> Any:
    return of(lambda m, x: run(x, m.v), (40, 6), v=lambda: weight(6, 3))


def fields(x: Tensor, v: Tensor) -> Tensor:
    z = x[:, :, None] * v
    return (z.sum(1) ** 2 - (z**2).sum(1)).sum(1)


CASES = [
    Case("squared norm of a linear map", "sum", machine(
        lambda x, v: ((x @ v) ** 2).sum(1))),
    Case("squared norms of rows", "sum", machine(
        lambda x, v: ((x**2) @ (v**2)).sum(1))),
    Case("factorisation machine", "sum", machine(
        lambda x, v: 0.5 * ((x @ v) ** 2 - (x**2) @ (v**2)).sum(1))),
    Case("factorisation machine, dimensions kept", "sum", machine(
        lambda x, v: ((x @ v) ** 2 - (x**2) @ (v**2)).sum(1, keepdim=True).sin())),
    Case("factorisation machine over fields", "sum", machine(fields)),
    Case("cubes beside squares", "sum", machine(
        lambda x, v: ((x @ v) ** 2 - (x @ v) ** 3).sum(1))),
]  # fmt: skip
