"""Rules that are switched off: discovery finds what they would have derived."""

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.session import Session


def opened(*kinds: str) -> Session:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Linear(2, 3))
    return symfind.open(model, torch.randn(16, 3), without=kinds)


def test_discovery_alone_has_the_same_total() -> None:
    ruled = opened().report()
    every = {f.kind for f in ruled.factors}
    assert ruled.is_complete and every == {"scaling", "gauge", "parallel"}
    for kinds in (("all",), ("scaling",), ("gauge", "parallel")):
        alone = opened(*kinds).report()
        assert alone.is_complete and alone.dimension.redundant == ruled.dimension.redundant
        derived = {f.kind for f in alone.factors if f.origin is None}
        assert derived == (set() if "all" in kinds else every - {*kinds})
    assert opened("all").report(discovery=False).dimension.redundant == 0


def test_a_kind_that_is_none() -> None:
    with pytest.raises(InputError, match="'gague' is no kind"):
        opened("gague")
