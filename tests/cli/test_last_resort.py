"""What nobody foresaw: what was derived stands, and the rest is named."""

import pytest
import torch
from torch import nn

import symfind
from symfind.analysis import certification, verification
from symfind.cli.guard import message
from symfind.ops import registry
from symfind.session import session


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def failing(error: BaseException):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] can't allocate memory"), KeyError("x")]
)
def test_what_was_derived_survives_a_certificate_that_cannot_be_had(monkeypatch, error):
    monkeypatch.setattr(certification, "measure_nullity", failing(error))
    report = symfind.analyze(model(), torch.randn(4, 3))
    assert report.dimension.redundant == 4
    assert report.certificate.status == "skipped"
    assert type(error).__name__ in report.certificate.reason


def test_a_verification_that_cannot_be_done_is_skipped_and_says_why(monkeypatch):
    monkeypatch.setattr(verification, "verify", failing(RuntimeError("no kernel")))
    report = symfind.analyze(model(), torch.randn(4, 3), certify="never")
    assert report.verification.status == "skipped" and "no kernel" in report.verification.reason


def test_a_rule_that_falls_makes_its_operation_rigid(monkeypatch):
    find = registry.lower.find
    broken = failing(ZeroDivisionError("oops"))
    monkeypatch.setattr(
        registry.lower,
        "find",
        lambda target: broken if target.startswith("aten.relu") else find(target),
    )
    report = symfind.analyze(model(), torch.randn(4, 3), discovery=False)
    assert report.dimension.redundant == 0 and report.certificate.unexplained == 4
    assert any(one.op.startswith("aten.relu") for one in report.unsupported)


def test_a_derivation_that_falls_claims_nothing(monkeypatch):
    monkeypatch.setattr(session, "derive", failing(LookupError("the value of t is not known")))
    with pytest.warns(UserWarning, match="nothing is claimed"):
        report = symfind.analyze(model(), torch.randn(4, 3), discovery=False)
    assert report.dimension.redundant == 0 and report.certificate.nullity == 4
    assert "the value of t" in report.unsupported[0].effect


def test_whose_fault_it_is(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("def forward():\n    return {}['x']\n")
    scope: dict = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    with pytest.raises(KeyError) as caught:
        scope["forward"]()
    assert message(caught.value).startswith("error: code of the model failed: KeyError: 'x'\n")
    assert "memory" in message(MemoryError())
    assert "memory" in message(RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"))
