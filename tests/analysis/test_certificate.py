"""What the certificate says: about what is unexplained, about points, and about time."""

import copy
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.analysis import certification, verification
from symfind.analysis.derived import Derived
from symfind.budget import OutOfTime
from symfind.errors import InputError
from symfind.load import Inputs
from symfind.report import Report
from symfind.report.certificate import Certificate
from symfind.verify.rows import Rows
from tests.ground_truth.layers import ResidualLinear
from tests.ground_truth.models import CASES, mlp

BY_NAME = {case.name: case for case in CASES}


def analysed(name: str, **options: Any) -> Report:
    case = BY_NAME[name]
    model, args, kwargs = case.build()
    return symfind.analyze(model, Inputs(args, kwargs, dict(case.bounds)), **options)


def kinds(certificate: Certificate) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in certificate.unexplained_sets:
        found[one.kind] = found.get(one.kind, 0) + one.dimension
    assert sum(found.values()) == certificate.unexplained
    names = {name for one in certificate.unexplained_sets for name in one.tensors}
    assert names == set(certificate.unexplained_support)
    return found


class Monomial(nn.Module):
    """The outer map of squares of linear forms."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        a, b, c = widths
        self.inner, self.outer = nn.Linear(a, b, bias=False), nn.Linear(b, c, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x).square())


def test_filling_is_told() -> None:
    certificate = analysed("residual-linear").certificate
    assert kinds(certificate) == {"filling": 8}
    assert "affine space of dimension 16" in certificate.words
    # binary quadratic forms have dimension 3, and two squares reach all of them
    x = torch.randn(4, 2)
    certificate = symfind.analyze(Monomial(2, 2, 1), x, discovery=False).certificate
    assert certificate.nullity == 3 and kinds(certificate) == {"filling": 1}


def test_what_is_defective_does_not_fill() -> None:
    # sums of two squares of three variables: 5 of 6 dimensions, and no linear space
    x = torch.randn(4, 3)
    certificate = symfind.analyze(Monomial(3, 2, 1), x, discovery=False).certificate
    assert certificate.nullity == 3 and kinds(certificate) == {"structural": 1}
    assert certificate.unexplained_sets[0].linear == 0


def test_an_inner_part_that_fills_is_structural() -> None:
    model = nn.Sequential(ResidualLinear(4, 2, 2), nn.Tanh(), nn.Linear(4, 3))
    certificate = symfind.analyze(model, torch.randn(6, 4)).certificate
    assert certificate.unexplained == 8 and kinds(certificate) == {"structural": 8}
    assert all(name.startswith("0.") for name in certificate.unexplained_support)
    assert {one.linear for one in certificate.unexplained_sets} == {0}


def test_a_missing_rule_is_told_from_what_has_none(corrupted: None) -> None:
    model = mlp(6, 5, 4, 6, bias=True, activation=nn.LeakyReLU())
    certificate = symfind.analyze(model, torch.randn(16, 6), discovery=False).certificate
    assert kinds(certificate) == {"structural": 5}
    assert sum(one.linear or 0 for one in certificate.unexplained_sets) == 5
    assert set(certificate.unexplained_support) == {"0.weight", "0.bias", "2.weight"}
    assert "a rule is missing" in certificate.words
    for one in certificate.unexplained_sets:
        for vector in one.vectors:
            assert vector.nonzero >= len(vector.entries) > 0
            assert {e.tensor for e in vector.entries} <= set(one.tensors)


class Looked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(10, 3), nn.Linear(3, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.tanh(self.head(torch.tanh(self.table(tokens))))


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.tanh(torch.where(mask, self.one(x), self.two(x)))


def test_what_the_inputs_hide() -> None:
    given = Inputs((torch.zeros(2, 5, dtype=torch.long),), {}, {"0": 6})
    certificate = symfind.analyze(Looked(), given).certificate
    # four rows that no token reads; Aff(3), which acts on the tanh of the table, is derived
    assert kinds(certificate) == {"inputs": 12}
    (hidden,) = (s for s in certificate.unexplained_sets if s.kind == "inputs")
    assert hidden.tensors == ("table.weight",)
    mask = torch.ones(5, 4, dtype=torch.bool)
    certificate = symfind.analyze(Masked(), (torch.randn(5, 3), mask)).certificate
    assert kinds(certificate) == {"inputs": 16}
    assert set(certificate.unexplained_support) == {"two.weight", "two.bias"}


def test_a_count_that_is_too_large_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first point with a dead unit: a count that is one too large meets its nullity."""
    monkeypatch.setattr("symfind.analysis.subject.LIVE", 0)  # a point as it is drawn
    assert analysed("relu-6-5-4-6", seed=4).certificate.points[0] == 10
    honest = Derived.redundant.fget
    monkeypatch.setattr(Derived, "redundant", property(lambda self: honest(self) + 1))
    certificate = analysed("relu-6-5-4-6", seed=4).certificate
    assert (certificate.status, certificate.nullity, certificate.known) == ("undetermined", 9, 9)
    assert "10 directions were counted, but those derived span 9" in certificate.reason


def test_a_count_that_is_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Derived.redundant.fget
    monkeypatch.setattr(Derived, "redundant", property(lambda self: honest(self) - 1))
    certificate = analysed("swiglu").certificate
    assert (certificate.status, certificate.unexplained) == ("incomplete", 1)
    assert "1 of the unexplained directions are derived, but were not counted" in certificate.words


# points -----------------------------------------------------------------------------------
def test_unit_gains_are_special() -> None:
    certificate = analysed("llama-1-tied", points="generic,init").certificate
    assert certificate.status == "complete"
    assert certificate.at == {"generic": 35, "init": 35 + 8 * 7 // 2}
    assert "28 more are null: special to this point" in certificate.words


def test_a_model_on_meta_is_initialised() -> None:
    settings = {
        "vocab_size": 11, "hidden_size": 8, "intermediate_size": 7, "num_hidden_layers": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2, "rms_norm_eps": 1e-3,
        "tie_word_embeddings": True, "pad_token_id": None,
    }  # fmt: skip
    report = symfind.analyze(
        "transformers:LlamaForCausalLM", settings=settings,
        inputs=["input_ids=i64<11>[1,5]"], points=("init",), formula=False,
    )  # fmt: skip
    assert report.certificate.at == {"generic": 35, "init": 63}


FILE = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 2))
example_inputs = torch.ones(1, 3)
"""


def test_given_weights(tmp_path: Path) -> None:
    path, file = tmp_path / "net.py", tmp_path / "weights.pt"
    path.write_text(FILE)
    model = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        model[2].weight[:, 0] = 0.0  # nobody reads the first unit: 4 null, of them 1 by scaling
    torch.save(model.state_dict(), file)
    certificate = symfind.analyze(str(path), weights=str(file), formula=False).certificate
    assert certificate.at == {"generic": 4, "weights": 7}


def test_points_that_are_none() -> None:
    for points in ("special", "weights"):
        with pytest.raises(InputError, match=points):
            symfind.analyze(nn.Linear(2, 2), torch.ones(1, 2), points=points)


# time -------------------------------------------------------------------------------------
class Slow(nn.Module):
    """Takes its time once it is evaluated rather than traced."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 20), nn.Linear(20, 3)
        self.seconds, self.slow = seconds, False

    def forward(self, x: Tensor) -> Tensor:
        if self.slow:
            time.sleep(self.seconds)
        return self.second(torch.tanh(self.first(x)))


def stopped(model: nn.Module, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Report:
    before = copy.deepcopy(model.state_dict())
    honest = Derived.__init__

    def derived(self: Derived, *args: Any) -> None:
        honest(self, *args)
        model.slow = True

    monkeypatch.setattr(Derived, "__init__", derived)
    report = symfind.analyze(model, torch.randn(4, 6), **options)
    assert model.training and model.state_dict().keys() == before.keys()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert Report.from_json(report.to_json()).certificate == report.certificate
    return report


def test_limit_during_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.perf_counter()
    report = stopped(Slow(30.0), monkeypatch, budget=0.3)
    assert time.perf_counter() - start < 20
    assert report.verification.status == "skipped" and "limit" in report.verification.reason
    assert report.certificate.status == "undetermined" and "limit" in report.certificate.reason


def test_limit_before_the_certificate_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is tried before it is measured."""
    report = stopped(Slow(30.0), monkeypatch, verify=False, budget=0.5)
    assert report.certificate.status == "undetermined"
    assert report.certificate.reason == "the time limit was reached after 0 points"


def test_limit_during_the_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Slow(30.0)
    honest, struck = Rows.block, []

    def slow(self: Rows, *args: Any) -> Tensor:
        model.slow = True
        signal.setitimer(signal.ITIMER_REAL, 0.05)  # the limit, as if there had been no work before
        try:
            return honest(self, *args)
        except OutOfTime:
            struck.append(self)
            raise

    monkeypatch.setattr(Rows, "block", slow)
    report = symfind.analyze(model, torch.randn(4, 6), verify=False, budget=60.0)
    assert struck
    assert report.certificate.status == "undetermined"
    assert report.certificate.reason == "the time limit was reached after 0 points"


@pytest.mark.parametrize("where", ["verify", "measure"])
def test_interruption(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    homes: dict[str, Callable[[], None]] = {
        "verify": lambda: monkeypatch.setattr(verification, "verify", interrupted),
        "measure": lambda: monkeypatch.setattr(certification, "measure_nullity", interrupted),
    }
    homes[where]()
    report = stopped(Slow(0.0), monkeypatch)
    assert (report.verification.status == "skipped") == (where == "verify")
    assert report.certificate.status == "undetermined"
    assert report.certificate.reason == "interrupted"


def test_seen_at_one_point_only() -> None:
    from symfind.analysis.remainder import Remainder
    from symfind.analysis.subject import Subject
    from symfind.load import Loaded
    from symfind.trace import trace
    from symfind.verify import measure_nullity

    model = mlp(4, 3, 2, bias=True, activation=nn.LeakyReLU())
    loaded = Loaded(model, Inputs((torch.randn(5, 4),)), "net", "net")
    graph = trace(model, loaded.inputs.args, {})
    subject = Subject(loaded, graph, "raw", False, "cpu", 0, lambda text: None)
    function = subject.function()
    measured = measure_nullity(function, subject.fresh())
    assert measured.nullity == 3
    (one,) = {s.kind for s in Remainder(subject, function, measured).sets()}
    assert one == "structural"
    once = replace(measured, points=(3, 5, 4))
    (one,) = {s.kind for s in Remainder(subject, function, once).sets()}
    assert one == "point"


def test_a_certificate_may_take_longer_where_more_time_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(certification, "SECONDS", 0.01)
    model = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 12), nn.ReLU())

    def status(budget: float | None) -> str:
        return symfind.analyze(model, torch.randn(4, 3), budget=budget).certificate.status

    assert (status(None), status(300.0)) == ("undetermined", "complete")
