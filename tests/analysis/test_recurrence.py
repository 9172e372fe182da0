"""Recurrences written out in entries: many blocks, and still an answer that is right."""

import torch
from torch import Tensor, nn

import symfind
from symfind.algebra.axes import MOST_CELLS


class DeltaRule(nn.Module):
    """A chunk of the gated delta rule, with the triangular system solved row by row in place."""

    def __init__(self, width: int, keys: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, keys), nn.Linear(width, keys)
        self.value, self.out = nn.Linear(width, 4, bias=False), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        steps = x.shape[-2]
        lower = torch.ones(steps, steps).tril(-1)
        system = -(k @ k.transpose(-1, -2)).sigmoid() * lower
        for i in range(1, steps):
            row, sub = system[..., i, :i].clone(), system[..., :i, :i].clone()
            system[..., i, :i] = row + (row.unsqueeze(-1) * sub).sum(-2)
        seen = (system + torch.eye(steps)) @ v
        return self.out(((q @ k.transpose(-1, -2)).tanh() * lower) @ seen)


def test_a_square_written_entry_by_entry_ends_and_keeps_what_does_not_pass_it() -> None:
    """Of values GL(4) and what only the first of all positions sees, of keys and queries SO(3)."""
    torch.manual_seed(0)
    steps = 20
    assert steps**2 > MOST_CELLS
    report = symfind.analyze(DeltaRule(5, 3), torch.randn(4, steps, 5))
    assert (report.verification.status, report.certificate.status) == ("verified", "complete")
    assert report.dimension.redundant == report.certificate.nullity == 20
    assert all("blocks of 2 dimensions" in one.effect for one in report.unsupported)
    assert {one.op for one in report.unsupported} >= {"aten.select_scatter.default"}
