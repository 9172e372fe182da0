"""Laws are read off generators of the model itself."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import symfind
from symfind.conserve.pipeline import laws_of
from symfind.errors import InputError


def test_generators_that_were_checked_on_another_model_give_no_laws() -> None:
    session = symfind.open(
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(8, 3)
    )
    report = session.report(certify="never")
    assert laws_of(report, session.subject, False).count == 4
    elsewhere = replace(report, verification=replace(report.verification, on={"width": 4}))
    with pytest.raises(InputError, match="narrower"):
        laws_of(elsewhere, session.subject, False)
