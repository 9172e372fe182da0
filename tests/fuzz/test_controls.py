"""A sample of `python -m tests.fuzz.controls`, and that it sees what is false."""

import pytest

from tests.fuzz.controls import CASES, judge

NAMED = ["joint-mean", "chunks-of-layer-norm", "standardised-weight-reads-a-join", "top-k-mask"]


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("name", NAMED)
def test_nothing_is_false(name: str, verify: bool) -> None:
    assert [judge(CASES[name], seed, verify) for seed in (11, 12)] == ["", ""]


def test_a_false_direction_is_seen(corrupted: None) -> None:
    """Scalings whose last member is pushed the wrong way."""
    assert judge(CASES["joint-rms-norm"], 11, verify=False)
    assert judge(CASES["joint-rms-norm"], 11, verify=True)
