"""Which tensors carry the measured null directions that no family explains."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from symfind.solve.family import Family, Point
from symfind.solve.rank import directions

ROUNDS = 24
SHARE = 1e-6  # of the squared norm of the unexplained directions, below which a tensor is no part


def unexplained_support(
    function: Any, draw: Callable[[], Any], families: Sequence[Family], rng: torch.Generator
) -> tuple[str, ...]:
    """Names of the tensors in the null space, once the span of all families is taken out.

    Args:
        function: with `random_point`, `jacobian`, `shapes`.
        draw: fresh inputs.
        families: all that were derived.
        rng: of the point.
    """
    theta = function.random_point(rng)
    names = {name: value.numel() for name, value in theta.items()}
    rows = [function.jacobian(theta, draw()) for _ in range(ROUNDS)]
    stacked = torch.cat(rows)
    if len(stacked) > 2 * stacked.shape[1]:
        stacked = torch.linalg.qr(stacked, mode="r").R
    _, s, vh = torch.linalg.svd(stacked, full_matrices=True)
    rank = int((s > 1e-9 * s[0]).sum())
    null = vh[rank:].T
    span = directions(Point(theta), list(families), names).to(null)
    if span.shape[1]:
        u, w, _ = torch.linalg.svd(span, full_matrices=False)
        u = u[:, w > 1e-8 * w[0]]
        null = null - u @ (u.T @ null)
    u, w, _ = torch.linalg.svd(null, full_matrices=False)
    left = u[:, w > 1e-6]
    found = []
    start = 0
    for name, n in names.items():
        if float(left[start : start + n].square().sum()) > SHARE * max(left.shape[1], 1):
            found.append(name)
        start += n
    return tuple(found)
