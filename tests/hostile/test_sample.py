"""A fixed sample of the hostile calls; all of them: `python -m tests.hostile.fuzz --count 300`."""

import pytest

from tests.hostile.cases import draw, every
from tests.hostile.judge import faults

ALWAYS = {
    "model:name-tex", "model:name-html", "model:name-lines", "model:name-escape",
    "model:name-braces", "model:exit-in-forward", "model:base-exception", "model:no-super",
    "model:no-super-inside", "model:empty-parameter", "model:inputs-nested",
    "model:warnings-are-errors", "model:complex-parameter", "model:default-dtype",
    "matrices:sl2-huge", "matrices:of-size-zero", "weights:sparse.pt", "weights:integers.pt",
    "weights:quantised.pt", "option:--json net.py", "option:--json link.py", "option:--json loop",
    "option:--json out.html --page out.html",
}  # fmt: skip
SAMPLE = [case for case in every() if case.name in ALWAYS] + draw(30, seed=1)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: ascii(case.name))
def test_one_message_or_a_right_answer(case, tmp_path):
    assert faults(case, tmp_path) == []


def test_every_name_of_the_sample_exists():
    assert ALWAYS <= {case.name for case in every()}
