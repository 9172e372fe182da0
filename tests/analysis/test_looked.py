"""Tables of biases by position, of which sets of rows are shifted each by itself."""

import pytest
import torch
from torch import Tensor, nn

from symfind import analyze

SIDE, WIDTH, HEADS = 2, 4, 2


def places(token: bool) -> Tensor:
    """Which row of the table stands for a pair of places, a token before those of a picture."""
    at = torch.stack(torch.meshgrid(*[torch.arange(SIDE)] * 2, indexing="ij")).flatten(1)
    apart = (at[:, :, None] - at[:, None]).permute(1, 2, 0) + SIDE - 1
    inner = apart[..., 0] * (2 * SIDE - 1) + apart[..., 1]
    if not token:
        return inner
    n, rows = len(inner) + 1, int(inner.max()) + 1
    whole = torch.zeros(n, n, dtype=torch.int64)
    whole[1:, 1:], whole[0], whole[:, 0], whole[0, 0] = inner, rows, rows + 1, rows + 2
    return whole


class Biased(nn.Module):
    """Attention with such a table; `over` are the dimensions of its softmax."""

    def __init__(self, token: bool, over: tuple[int, ...], flat: bool) -> None:
        super().__init__()
        self.register_buffer("index", places(token))
        self.table = nn.Parameter(torch.randn(int(self.index.max()) + 1, HEADS))
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out, self.over, self.flat = nn.Linear(WIDTH, 3), over, flat

    def forward(self, x: Tensor) -> Tensor:
        heads = (m(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for m in (self.q, self.k, self.v))
        q, k, v = heads
        if self.flat:
            bias = self.table[self.index.view(-1)].view(*self.index.shape, HEADS)
        else:
            bias = self.table[self.index]
        scores = q @ k.transpose(-1, -2) + bias.permute(2, 0, 1)
        if len(self.over) == 1:
            weights = scores.softmax(self.over[0])
        else:
            weights = scores.flatten(2).softmax(-1).view_as(scores)
        return self.out(torch.tanh((weights @ v).transpose(1, 2).flatten(2)))


@pytest.mark.parametrize(
    ("token", "over", "flat", "shifts"),
    [(True, (-1,), True, 2), (True, (-1,), False, 2), (True, (-2,), True, 2),
     (False, (-1,), True, 1), (True, (-2, -1), True, 1)],
)  # fmt: skip
def test_sets_of_rows_that_no_softmax_sees(
    token: bool, over: tuple[int, ...], flat: bool, shifts: int
) -> None:
    torch.manual_seed(0)
    model = Biased(token, over, flat)
    report = analyze(model, (torch.randn(6, len(model.index), WIDTH),), formula=False)
    found = [f for f in report.factors if f.kind == "shift" and f.parameters == ("table",)]
    assert sum(f.total for f in found) == shifts * HEADS
    assert report.certificate.status == "complete"
    assert report.certificate.nullity == report.dimension.redundant
