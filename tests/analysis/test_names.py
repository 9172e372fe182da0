"""Nothing depends on names or on spelling: one function, one answer."""

import pytest
import torch
from torch import nn

import symfind
from symfind.load import Inputs
from tests.analysis.spellings import BLOCKS, LENGTH, Heads, Packed, rename
from tests.ground_truth.models import CASES

REDUNDANT = 148


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_a_block_however_it_is_spelled(block: type[nn.Module]) -> None:
    torch.manual_seed(0)
    report = symfind.analyze(Heads(block()), torch.randn(8, LENGTH, 4))
    assert report.dimension.redundant == REDUNDANT
    assert report.is_complete and report.verification.status == "verified"
    assert not report.unsupported


@pytest.mark.parametrize("seed", [1, 2])
def test_renamed_block(seed: int) -> None:
    torch.manual_seed(0)
    model = rename(Heads(Packed()), seed)
    assert not any("weight" in name or "norm" in name for name, _ in model.named_parameters())
    report = symfind.analyze(model, torch.randn(8, LENGTH, 4), certify="never")
    assert report.dimension.redundant == REDUNDANT
    assert report.verification.status == "verified"


WHOLE = {case.name: case for case in CASES}


@pytest.mark.parametrize("name", ["gpt2-1-untied", "llama-1-untied", "bert-1-tied"])
def test_renamed_transformers(name: str) -> None:
    case = WHOLE[name]
    model, args, kwargs = case.build()
    plain = list(dict(model.named_parameters()))
    rename(model, 3)
    assert not set(plain) & set(dict(model.named_parameters()))
    inputs = Inputs(args, kwargs, dict(case.bounds))
    report = symfind.analyze(model, inputs, certify="never")
    assert report.dimension.redundant == case.redundant
    assert report.verification.status == "verified"


def test_a_name_that_lies_is_not_believed() -> None:
    class LayerNorm(nn.Module):  # not one: no mean is taken
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.randn(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(x @ self.bias)

    class Attention(nn.Sequential):
        pass

    report = symfind.analyze(Attention(nn.Linear(3, 4), LayerNorm()), torch.randn(16, 3))
    # gl(4) on the bond in front of it, one of its directions shifting nothing
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4, bias=False), nn.Tanh())
    same = symfind.analyze(plain, torch.randn(16, 3))
    assert report.dimension.redundant == same.dimension.redundant
    assert report.is_complete and same.is_complete
