"""Complex parameters are pairs of real ones, in the model and in its checkpoints."""

import torch
from torch import nn

from symfind.load import match_weights
from symfind.load.pairs import with_pairs


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(3, 2, dtype=torch.complex64))
        self.b = self.a
        self.c = nn.Linear(2, 2)

    def forward(self, x):
        return self.c((x.to(self.a.dtype) @ self.a * self.b[0]).abs())


def test_the_same_function_of_twice_as_many_real_parameters():
    model, x = Bilinear(), torch.randn(4, 3)
    paired = with_pairs(model)
    assert torch.equal(paired(x), model(x))
    assert sum(p.numel() for p in paired.parameters()) == 2 * 6 + 6  # shared ones once
    assert not any(p.is_complex() for p in paired.parameters())
    assert model.a.is_complex() and not hasattr(model, "parametrizations")


def test_a_real_model_stays_what_it_is():
    model = nn.Linear(2, 2)
    assert with_pairs(model) is model


def test_a_checkpoint_of_the_complex_model_fits():
    model = Bilinear()
    matched = match_weights(with_pairs(model), model.state_dict())
    assert torch.allclose(matched["parametrizations.a.original1"], model.a.imag.double())
