"""Small members do what the model does: sizes do not turn an operation into another."""

import pytest
import torch
from torch import nn

import symfind
from symfind.family.signature import signature


class Centred(nn.Module):
    def __init__(self, norm: type[nn.Module], width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, width), nn.Linear(width, 2)
        self.norm = nn.GroupNorm(2, width) if norm is nn.GroupNorm else norm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x)))


def _signature(norm: type[nn.Module], width: int):  # type: ignore[no-untyped-def]
    return signature(symfind.open(Centred(norm, width), torch.randn(4, 3)).graph)


@pytest.mark.parametrize("norm, least", [(nn.LayerNorm, 3), (nn.RMSNorm, 2), (nn.GroupNorm, 6)])
def test_a_norm_of_so_few_entries_that_signs_are_left_is_another(norm, least: int) -> None:
    assert _signature(norm, least) == _signature(norm, least + 2)
    assert _signature(norm, least - (2 if norm is nn.GroupNorm else 1)) != _signature(norm, least)
