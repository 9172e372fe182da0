"""The derived directions at a point, as the measurement wants them."""

import torch
from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.solve.point import Point
from symfind.solve.rank import directions
from symfind.verify.function import Point as Values
from symfind.verify.saturation import Known


def known_directions(found: Derived) -> Known:
    """What gives all derived directions at a point: columns [parameters, number].

    Those whose count was left open are among them, and every scalar of a tensor that nothing reads.
    """
    families = [*found.families, *(t.family for t in found.open)]

    def known(theta: Values) -> Tensor:
        placed = {name: value.detach().cpu() for name, value in theta.items()}
        here = {name: value for name, value in placed.items() if name in found.shapes}
        others = {name: value for name, value in placed.items() if name not in found.shapes}
        sizes = {name: value.numel() for name, value in here.items()}
        columns = directions(Point(here, None, others or None), families, sizes)
        unread = torch.zeros(len(columns), sum(found.unread.values()), dtype=torch.float64)
        row = column = 0
        for name, size in sizes.items():
            if name in found.unread:
                unread[row : row + size, column : column + size].fill_diagonal_(1.0)
                column += size
            row += size
        return torch.cat([columns, unread], 1)

    return known
