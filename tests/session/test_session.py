"""One session, many questions: each part is computed once, and the model is left alone."""

import gc
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.session import examination
from symfind.session import session as stages
from symfind.session.stages import settled

STAGES = {
    "trace_loaded": stages,
    "derive": stages,
    "counted": stages,
    "verify_derived": examination,
    "discrete_part": examination,
    "certify_derived": examination,
}


def network() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(5, 3)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each stage was computed."""
    seen: Counter[str] = Counter()

    def counting(name: str, honest: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen[name] += 1
            return honest(*args, **kwargs)

        return call

    for name, home in STAGES.items():
        monkeypatch.setattr(home, name, counting(name, getattr(home, name)))
    return seen


def test_each_part_is_computed_once(calls: Counter[str]) -> None:
    session = symfind.open(*network())
    assert not calls  # until something is asked
    session.permutations(verify=False)
    assert calls == {"trace_loaded": 1, "derive": 1}
    report = session.report()
    assert calls == dict.fromkeys(STAGES, 1)
    assert session.report() is report
    session.laws()
    session.laws()
    session.permutations()
    session.exact()
    session.discover()
    assert calls == dict.fromkeys(STAGES, 1)


def test_what_was_verified_serves_other_certificates(calls: Counter[str]) -> None:
    session = symfind.open(*network())
    short, long = session.report(certify="never"), session.report()
    assert short.certificate.status == "skipped" and long.certificate.status == "complete"
    assert calls["verify_derived"] == 1 and calls["certify_derived"] == 2
    assert session.report(verify=False).verification.status == "skipped"
    assert all(f.residual is None for f in session.report(verify=False).factors)
    assert all(f.residual is not None for f in long.factors)


def test_answers_are_those_of_the_single_calls() -> None:
    session = symfind.open(*network(), seed=1)

    def untimed(report: symfind.Report) -> dict[str, Any]:
        return {k: v for k, v in report.to_dict().items() if k != "timing"}

    assert untimed(session.report()) == untimed(symfind.analyze(*network(), seed=1))
    assert session.laws().to_dict() == symfind.conserved(*network(), seed=1).to_dict()
    assert session.permutations() == symfind.permutations(*network(), seed=1)
    assert session.exact() == symfind.exact_nullity(*network(), seed=1)
    assert session.discover().to_json() == symfind.discover(*network(), seed=1).to_json()


def test_the_order_of_questions_does_not_matter() -> None:
    one, two = symfind.open(*network()), symfind.open(*network())
    first = one.permutations(), one.laws().to_dict(), one.discover().to_json()
    last = two.discover().to_json(), two.laws().to_dict(), two.permutations()
    assert first == last[::-1]


def test_the_model_is_left_alone() -> None:
    model, x = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state, training = torch.get_rng_state(), model.training
    session = symfind.open(model, x)
    for ask in (session.report, session.laws, session.permutations, session.exact):
        ask()
    session.discover()
    assert model.training is training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_what_fails_once_can_be_asked_again() -> None:
    session = symfind.open(*network())
    with pytest.raises(InputError, match="no point"):
        session.report(points="nowhere")
    assert session.report().is_complete


def test_an_interruption_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    session = symfind.open(*network())
    with monkeypatch.context() as patched:
        patched.setattr(examination, "certify_derived", interrupted)
        cut = session.report()
    assert cut.certificate.status == "undetermined" and cut.certificate.reason == "interrupted"
    assert session.report().is_complete


def test_repr_says_what_is_known() -> None:
    session = symfind.open(*network())
    name = "<symfind session of Sequential: 26 parameters; computed: "
    assert repr(session) == f"{name}nothing yet>"
    session.report()
    assert repr(session) == f"{name}graph, derivation, counted, report>"


def test_generators_are_short_in_a_notebook() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    report = symfind.analyze(model, torch.randn(5, 3), certify="never")
    generators = [g for f in report.factors for g in (*f.generators, *f.recorded())]
    assert len(generators) > 4 and all(len(repr(g)) < 200 for g in generators)


def test_collections_are_as_before_once_a_certificate_is_there() -> None:
    class Watched(Exception):
        pass

    with pytest.raises(Watched), settled():
        assert gc.get_freeze_count()
        raise Watched
    assert not gc.get_freeze_count()
    gc.freeze()
    try:
        with settled():
            pass
        assert gc.get_freeze_count()  # of somebody else
    finally:
        gc.unfreeze()


def test_collections_are_as_often_as_before_afterwards() -> None:
    before = gc.get_threshold()
    for given in (before, (0, *before[1:]), (50_000, 30, 30)):
        gc.set_threshold(*given)
        try:
            with settled():
                inside = gc.get_threshold()
                assert all(a >= b for a, b in zip(inside, given, strict=True))
                assert bool(given[0]) == (inside[0] >= 10_000)
            assert gc.get_threshold() == given
        finally:
            gc.set_threshold(*before)
