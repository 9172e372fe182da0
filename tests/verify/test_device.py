"""Everything that runs on a device runs wholly there, with the same results."""

from pathlib import Path

import pytest
import torch
from torch import nn

import symfind
from symfind.session import conserved, permutations
from symfind.solve.families.family import ScalingFamily
from tests.ground_truth.models import CASES
from tests.second_device import second_device

CASE = {case.name: case for case in CASES}
NAMES = (
    "tanh-6-5-4-6 layernorm attention-qk-norm-rope multihead-cross lora residual-linear "
    "gpt2-1-tied llama-1-untied t5-1-untied"
).split()
EXAMPLES = Path(__file__).parents[2] / "examples"


def relu() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_two_devices_do_not_mix() -> None:
    with second_device() as device:
        there = torch.ones(2, 3).to(device)
        assert str(there.device) == device and float((2.0 * there).sum()) == 12.0
        with pytest.raises(RuntimeError, match="two devices"):
            there @ torch.ones(3, 2)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.func.jvp(lambda x: x * torch.ones(3), (there,), (there,))


@pytest.mark.parametrize("name", NAMES)
def test_ground_truth_elsewhere(name: str) -> None:
    case = CASE[name]
    model, args, kwargs = case.build()
    here = symfind.analyze(model, kwargs or args, case.output, train=case.train)
    with second_device() as device:
        there = symfind.analyze(model, kwargs or args, case.output, device=device, train=case.train)
    assert there.verification.status == "verified" and there.verification.device == device
    assert there.dimension == here.dimension
    assert there.certificate.nullity == here.certificate.nullity
    assert there.certificate.status == here.certificate.status
    assert all(p.device.index is None for p in model.parameters())


@pytest.mark.slow
def test_a_large_model_is_certified_through_twins_elsewhere() -> None:
    with second_device() as device:
        report = symfind.analyze(
            "transformers:GPT2LMHeadModel",
            settings={"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 200},
            inputs=("input_ids=i64<200>[2,12]",),
            device=device,
            formula=False,
        )
    assert report.verification.status == "verified" and report.certificate.status == "complete"


def test_what_has_no_rule_elsewhere() -> None:
    with second_device() as device:
        report = symfind.analyze(f"{EXAMPLES / 'custom.py'}", device=device, formula=False)
    assert report.certificate.status == "complete" and report.certificate.discovered


def test_what_is_wrong_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ScalingFamily._factors
    monkeypatch.setattr(ScalingFamily, "_factors", lambda *given: honest(*given)[:1])
    with second_device() as device:
        report = symfind.analyze(relu(), torch.randn(16, 3), device=device)
    assert report.verification.status == "failed"


def test_points_laws_and_permutations_elsewhere() -> None:
    inputs = torch.randn(16, 3)
    with second_device() as device:
        report = symfind.analyze(relu(), inputs, points="generic,init", device=device)
        assert report.is_complete
        laws = conserved(relu(), inputs, device=device)
        assert laws.is_complete and laws.flow.status == "conserved" and laws.count == 4
        spec = permutations(relu(), inputs, device=device)
        assert spec.residual is not None and spec.residual < 1e-12
