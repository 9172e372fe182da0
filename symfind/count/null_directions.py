"""The derived directions at a point, as a measurement of the null space wants them."""

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from symfind.count.rank import directions
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family


def known_directions(
    families: Sequence[Family], parameters: Collection[str], unread: Collection[str]
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """What gives all derived directions at a point: columns [scalars, number].

    Args:
        families: all that are null, counted or not.
        parameters: names of the parameters; whatever else a point holds are constants.
        unread: names of parameters that no output depends on: every scalar of them is null.
    """

    def known(theta: Mapping[str, Tensor]) -> Tensor:
        placed = {name: value.detach().cpu() for name, value in theta.items()}
        here = {name: value for name, value in placed.items() if name in parameters}
        others = {name: value for name, value in placed.items() if name not in parameters}
        sizes = {name: value.numel() for name, value in here.items()}
        columns = directions(Point(here, None, others or None), families, sizes)
        free = torch.zeros(len(columns), sum(sizes[n] for n in unread), dtype=torch.float64)
        row = column = 0
        for name, size in sizes.items():
            if name in unread:
                free[row : row + size, column : column + size].fill_diagonal_(1.0)
                column += size
            row += size
        return torch.cat([columns, free], 1)

    return known
