"""How many directions the families really span at a generic point: orbits, not algebras."""

import torch
from torch import Tensor

from symfind.solve.family import Family, Point

DEPENDENT = 1e-8  # relative distance from the span of earlier directions that counts as none


def directions(point: Point, families: list[Family], names: dict[str, int]) -> Tensor:
    """All basis directions as columns [P, N], normalised, in the order of the families."""
    env = point.environment()
    total = sum(names.values())
    offsets = {}
    start = 0
    for name, n in names.items():
        offsets[name] = start
        start += n
    columns = []
    for family in families:
        count = family.count(point.sizes)
        for i in range(count):
            c = torch.zeros(count, **env.like)
            c[i] = 1.0
            column = torch.zeros(total, **env.like)
            for name, change in point.direction(family, c, env).items():
                at = offsets[name]
                column[at : at + names[name]] += change.reshape(-1)
            norm = column.norm()
            columns.append(column / norm if norm > 0 else column)
    if not columns:
        return torch.zeros(total, 0, **env.like)
    return torch.stack(columns, 1)


def increments(matrix: Tensor, counts: list[int]) -> list[int]:
    """How many new directions each group of columns adds to the groups before it.

    A random projection to slightly more rows than columns keeps all ranks, and makes an unpivoted
    QR factorisation reveal every dependent column by a vanishing diagonal entry.
    """
    rows, columns = matrix.shape
    if columns == 0:
        return [0] * len(counts)
    generator = torch.Generator().manual_seed(rows)
    if rows > columns + 32:
        mix = torch.randn(columns + 32, rows, generator=generator, dtype=matrix.dtype)
        matrix = mix @ matrix / rows**0.5
    else:
        # Fewer rows than columns: the span can fill everything; append nothing, count by pivots.
        mix = torch.randn(rows, rows, generator=generator, dtype=matrix.dtype)
        matrix = mix @ matrix
    kept: list[Tensor] = []
    result, start = [], 0
    basis = torch.zeros(matrix.shape[0], 0, dtype=matrix.dtype)
    for count in counts:
        block = matrix[:, start : start + count]
        start += count
        if count == 0:
            result.append(0)
            continue
        scale = block.norm(dim=0).max()
        for _ in range(2):
            block = block - basis @ (basis.T @ block)
        q, r, _ = torch.linalg.svd(block, full_matrices=False)
        rank = int((r > DEPENDENT * scale).sum()) if scale > 0 else 0
        rank = min(rank, matrix.shape[0] - basis.shape[1])
        basis = torch.cat([basis, q[:, :rank]], 1)
        result.append(rank)
        kept.append(q)
    return result
