"""Rows of a table that are looked up only where nothing looks at the result."""

import pytest
import torch
from torch import Tensor, nn

from symfind import analyze

WIDTH, TOKENS = 4, 3


class Biased(nn.Module):
    """Attention with a bias by relative position; of its tokens, the first may be left out."""

    def __init__(self, start: int, wrapped: bool = False) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.table, self.start = nn.Parameter(torch.randn(2 * TOKENS + 2, 1)), start
        at = torch.arange(TOKENS)
        index = torch.zeros(TOKENS + 1, TOKENS + 1, dtype=torch.int64)
        index[1:, 1:] = at[:, None] - at + TOKENS - 1
        index[0], index[1:, 0], index[0, 0] = 2 * TOKENS - 1, 2 * TOKENS, 2 * TOKENS + 1
        self.register_buffer("index", index - len(self.table) if wrapped else index)
        self.out = nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.table[self.index.view(-1)].view(*self.index.shape, 1).permute(2, 0, 1)
        q, k, v = self.q(x), self.k(x), self.v(x)
        weights = (q @ k.transpose(1, 2) + bias).softmax(-1)
        return self.out(torch.tanh(weights @ v)[:, self.start :])


@pytest.mark.parametrize(
    ("start", "inert", "wrapped"), [(0, 0, False), (1, 2, False), (1, 2, True)]
)
def test_rows_of_tokens_that_are_left_out(start: int, inert: int, wrapped: bool) -> None:
    torch.manual_seed(0)
    report = analyze(Biased(start, wrapped), (torch.randn(9, TOKENS + 1, WIDTH),), formula=False)
    assert report.dimension.inert == inert
    assert report.certificate.status == "complete"
    assert report.certificate.nullity == report.dimension.redundant
