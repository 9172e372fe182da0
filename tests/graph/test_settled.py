"""A learned token that is joined to data, normed beside it and taken out again is learned still."""

import pytest
import torch
from torch import Tensor, nn

from symfind import analyze
from symfind.ops.lower import lower
from symfind.trace import trace

WIDTH = 4


class Beside(nn.Module):
    """Attention of the first of all tokens to all of them."""

    def __init__(self, learned: bool, summed: bool = False) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(5, WIDTH), nn.LayerNorm(WIDTH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.head = nn.Linear(WIDTH, 3)
        self.learned, self.summed = learned, summed

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).tanh()
        token = self.token.expand(len(x), -1, -1)
        x = torch.cat([token if self.learned else token + x[:, :1], x], 1)
        x = self.norm(x + x.mean(1, keepdim=True) if self.summed else x)
        weights = (self.q(x[:, :1]) @ self.k(x).transpose(1, 2) / 2).softmax(-1)
        return self.head((weights @ self.v(x)).squeeze(1))


@pytest.mark.parametrize(("learned", "summed"), [(True, False), (False, False), (True, True)])
def test_no_input_reaches_what_asks(learned: bool, summed: bool) -> None:
    lowered = lower(trace(Beside(learned, summed), (torch.randn(6, 7, 5),), {}), "raw")
    queries = [
        n for n in lowered.nodes
        if n.shape[-2:] == (1, WIDTH) and any(getattr(x, "key", "") == "q.bias" for x in n.inputs)
    ]  # fmt: skip
    assert len(queries) == 1
    assert queries[0].varies is (summed or not learned)


def test_what_it_asks_with_is_one_vector() -> None:
    torch.manual_seed(0)
    report = analyze(Beside(True), (torch.randn(6, 7, 5),), formula=False)
    assert report.certificate.status == "complete"
    assert report.certificate.nullity == report.dimension.redundant == 69
