"""Coverage does not shrink: every day another handful of the models that are written down.

SYMFIND_RATCHET=all looks at all of them, SYMFIND_RATCHET=NAME at those whose spec contains it.
Certificates are compared by `python -m tests.ratchet.record`.
"""

import datetime
import os

import pytest

from tests.ratchet.record import MODELS, kept, observed, recorded, shrunk

HANDFUL = 4
KNOWN = recorded()


def chosen() -> list[str]:
    """The models of today; one after the other, so that a week sees all of them."""
    asked = os.environ.get("SYMFIND_RATCHET")
    if asked:
        return [spec for spec in MODELS if asked == "all" or asked in spec]
    start = datetime.date.today().toordinal() * HANDFUL
    return [MODELS[(start + i) % len(MODELS)] for i in range(HANDFUL)]


def test_every_model_is_written_down() -> None:
    assert list(KNOWN) == list(MODELS) and len(MODELS) == 25
    assert sum("failed" in entry for entry in KNOWN.values()) == 0


@pytest.mark.slow
def test_coverage_does_not_shrink() -> None:
    specs = chosen()
    lost = {
        now["spec"]: said
        for now in observed(specs, certify=False)
        if (said := shrunk(KNOWN[now["spec"]], now, certified=False))
    }
    assert not lost, "coverage has shrunk; if rightly, python -m tests.ratchet.record --overwrite"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"redundant": 0}, "groups lost"),
        ({"covered": 0}, "covered"),
        ({"rigid": ["aten.foo.default"]}, "aten.foo.default"),
        ({"certificate": "undetermined"}, "certificate complete -> undetermined"),
        ({"verification": "failed"}, "verification failed"),
        ({"parameters": 1}, "another model"),
        ({"failed": "time: gone"}, "not analysed any more"),
    ],
)
def test_what_shrinks_is_said(change, words) -> None:
    before = next(e for e in KNOWN.values() if e["certificate"] == "complete" and not e["rigid"])
    now = {**before, **change}
    assert words in " ".join(shrunk(before, now))
    grown = {**before, "redundant": before["redundant"] + 1}
    assert shrunk(before, grown) == [] == shrunk(before, before)


def test_a_failure_is_kept_with_its_reason() -> None:
    record = {"spec": "a", "status": "failed", "reason": "time", "message": "stopped"}
    assert kept(record) == {"spec": "a", "failed": "time: stopped"}
