"""Queries, keys and values of one projection, of which only some have a bias of their own."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from symfind import analyze

WIDTH, HEADS, LENGTH = 6, 2, 9


class Block(nn.Module):
    """A block with the norm first and one at the end, between two linear maps."""

    def __init__(self, bias: str, inputs: int = 8) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, WIDTH)
        self.before, self.last = nn.LayerNorm(WIDTH, eps=1e-3), nn.LayerNorm(WIDTH, eps=1e-3)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.proj, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 7)
        self.bias = bias
        if bias == "written":
            self.packed = nn.Parameter(torch.randn(3 * WIDTH))
        elif bias:
            self.q_bias = nn.Parameter(torch.randn(WIDTH))
            self.v_bias = nn.Parameter(torch.randn(WIDTH))
            held = torch.ones(WIDTH) if bias == "ones" else torch.zeros(WIDTH)
            self.register_buffer("k_bias", held, persistent=False)

    def biases(self) -> Tensor | None:
        match self.bias:
            case "":
                return None
            case "made":
                return torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
            case "written":
                written = self.packed.clone()
                written[WIDTH : 2 * WIDTH].zero_()
                return written
        return torch.cat([self.q_bias, self.k_bias, self.v_bias])

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        b, n, _ = x.shape
        packed = F.linear(self.before(x), self.qkv.weight, self.biases())
        q, k, v = packed.reshape(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, WIDTH)
        return self.head(self.last(x + self.proj(mixed)))


@pytest.mark.parametrize("bias", ["", "buffer", "made", "written", "ones"])
def test_all_is_derived(bias: str) -> None:
    torch.manual_seed(0)
    report = analyze(Block(bias), (torch.randn(3, LENGTH, 8),), formula=False)
    certificate = report.certificate
    assert certificate.status == "complete"
    assert certificate.nullity == report.dimension.redundant
    if bias != "ones":  # what a softmax does not see of them is left to discovery
        assert not any(f.origin for f in report.factors)
        pairs = [f.total for f in report.factors if "query" in f.site and f.kind == "gauge"]
        assert sum(pairs) == HEADS * (WIDTH // HEADS) ** 2


def test_scores_that_see_a_constant() -> None:
    """Without a softmax, a constant beside the keys is seen, and holds all of them."""

    class Linear(Block):
        def forward(self, x: Tensor) -> Tensor:
            packed = F.linear(self.embed(x), self.qkv.weight, self.biases())
            q, k, v = packed.reshape(*x.shape[:2], 3, WIDTH).unbind(2)
            return self.head(self.proj(torch.tanh(q @ k.transpose(1, 2)) @ v))

    torch.manual_seed(0)
    derived = {}
    for bias in ("buffer", "ones"):
        report = analyze(Linear(bias), (torch.randn(3, LENGTH, 8),), formula=False)
        assert report.certificate.nullity >= report.dimension.redundant
        derived[bias] = sum(f.total for f in report.factors if f.kind == "gauge")
    assert derived["buffer"] - derived["ones"] == WIDTH  # as many as a constant has images


def test_narrow_inputs() -> None:
    """What reads a stream that its inputs do not fill, part by part."""
    torch.manual_seed(0)
    inputs = (torch.randn(3, LENGTH, 3),)
    report = analyze(Block("", inputs=3), inputs, formula=False, discovery=False)
    assert report.certificate.nullity - report.dimension.redundant <= 1
