"""A fixed sample of the hostile calls; all of them: `python -m tests.hostile.fuzz --count 300`."""

import pytest

from tests.hostile.cases import draw, every
from tests.hostile.commands import with_all
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
COMMANDS = {
    "export -o net.py", "export -o link.py", "diff -o net.py", "sweep -o net.py", "sweep -o a\x00b",
    "teleport eighths.pt", "apply matrix complex", "check anchors", "catalog build climbing",
    "inputs net.py --group Z/0", "teleport data halfway", "rules os",
    "apply net.py --weights w.pt --site 0-2 --matrix w.pt -o w.pt",
    "inputs net.py --group S_3 --symmetrise net.py",
    "align net.py w.pt v.pt -o d.py --data d.py:batches",
}  # fmt: skip
SAMPLE = [case for case in every() if case.name in ALWAYS] + draw(30, seed=1)
SAMPLE += [case for case in with_all() if case.name in COMMANDS]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: ascii(case.name))
def test_one_message_or_a_right_answer(case, tmp_path):
    assert faults(case, tmp_path) == []


def test_every_name_of_the_sample_exists():
    assert ALWAYS <= {case.name for case in every()}
    assert {case.name for case in with_all()} >= COMMANDS
