"""Which entries are pinned: chosen once by pivoting, and kept while all else moves."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

INDEPENDENT = 1e-7  # pivot, relative, below which rows depend on those before


class Pivots:
    """Choices by name. Made anew, a choice would follow what is large, and nothing came to rest."""

    def __init__(self) -> None:
        """None is made yet."""
        self._made: dict[str, Any] = {}

    def kept(self, name: str, choose: Callable[[], Any]) -> Any:
        """A choice, made when it is asked for the first time."""
        if name not in self._made:
            self._made[name] = choose()
        return self._made[name]

    def forget(self, name: str) -> None:
        """It turned out to be a bad one."""
        for key in [k for k in self._made if k == name or k.startswith(f"{name}.")]:
            del self._made[key]

    def columns(self, name: str, parts: Sequence[Tensor], most: int) -> Tensor:
        """At most so many independent columns of matrices side by side, the largest first.

        Those of the first matrix come before those of the next.
        """

        def choose() -> Tensor:
            basis, found, start = parts[0][:, :0], [torch.zeros(0, dtype=torch.long)], 0
            for part in parts:
                r, order = pivoted(part - basis @ (basis.T @ part))
                sizes = np.abs(np.diag(r))
                large = sizes > INDEPENDENT * max(float(part.norm(dim=0).max()), 1e-300)
                chosen = torch.as_tensor(order[: int(large.sum())].astype(np.int64))
                found.append(start + chosen[: max(most - basis.shape[1], 0)])
                basis = torch.linalg.qr(torch.cat([basis, part[:, found[-1] - start]], 1)).Q
                start += part.shape[1]
            return torch.cat(found)

        return self.kept(name, choose)


def independent(basis: Tensor, rows: Tensor, before: list[int] | None = None) -> list[int]:
    """Rows that are independent, of each other and of those before, by pivoting."""
    if not len(rows) or not basis.shape[1]:
        return []
    part = basis[rows]
    if before:
        q = torch.linalg.qr(basis[torch.tensor(before)].T).Q
        part = part - part @ q @ q.T
    r, order = pivoted(part.T)
    pivots = np.abs(np.diag(r))
    count = int((pivots > INDEPENDENT).sum())
    count = min(count, basis.shape[1] - len(before or ()))
    return [int(rows[i]) for i in order[:count]]


def pivoted(matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The triangle of a QR factorisation, and the order of the columns that pivoting gives."""
    from scipy.linalg import qr  # which takes longer to load than all else here

    _, r, order = qr(matrix.numpy(), mode="economic", pivoting=True)
    return r, order
