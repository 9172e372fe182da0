"""Rules from elsewhere: registered, tried, and found through entry points."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import symfind
from symfind.analysis.trial import tried
from symfind.cli import main
from symfind.ops import registry
from symfind.ops.own import OWN, Example, Own

ROOT = Path(__file__).parents[2]
SNIPPET = ROOT / "docs/snippets/own_rules.py"


@pytest.fixture(autouse=True)
def forgotten():
    """What a test registers is gone after it."""
    registry.load_rules()
    tables = [reading.rules for reading in (registry.lower, registry.sizes, registry.exact)]
    before = [dict(table) for table in (*tables, OWN)]
    yield
    for table, old in zip((*tables, OWN), before, strict=True):
        table.clear()
        table.update(old)


def call(*arguments: str):
    return CliRunner().invoke(main, ["rules", *arguments, "--quiet"])


def test_each_rule_is_held_against_a_measurement() -> None:
    result = call(str(SNIPPET), "--json", "-")
    assert result.exit_code == 1, result.output  # one is false
    rules = {rule["target"]: rule for rule in json.loads(result.stdout)["rules"]}
    swap, clip = rules["demo.swap_halves"], rules["demo.soft_clip"]
    # GL(4) on both sides of a fixed linear map, and the bias before it: 16 + 4
    assert (swap["status"], swap["derived"], swap["measured"]) == ("exact", 20, 20)
    assert swap["worst"] < 1e-9 and swap["origin"] == "own_rules.py"
    assert (clip["status"], clip["measured"]) == ("false", 0) and clip["worst"] > 1e-3
    assert call(str(SNIPPET)).exit_code == 1  # a file may be read twice


def test_a_rule_is_used_in_an_analysis() -> None:
    call(str(SNIPPET))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.b(torch.ops.demo.swap_halves(self.a(x)))

    net, x = Net(), torch.randn(8, 4)
    with_rule = symfind.analyze(net, x)
    assert not with_rule.unsupported and with_rule.verification.status == "verified"
    assert (with_rule.dimension.symmetry, with_rule.certificate.status) == (20, "complete")
    del registry.lower.rules["demo.swap_halves"]
    without = symfind.analyze(net, x, verify=False, certify="never")
    assert without.unsupported[0].op == "demo.swap_halves.default"


def test_rules_that_miss_or_are_not_used_are_told_apart() -> None:
    def halves(b, x):
        first, second = (b.narrow(x, 1, start, 2) for start in (0, 2))
        return b.join([second, first], 1)

    def wrong_arguments(b, x, nothing_gives_this):
        raise AssertionError

    call(str(SNIPPET))
    swap = OWN["demo.swap_halves"]
    for rule, status in ((halves, "incomplete"), (wrong_arguments, "unused")):
        registry.lower.rules[swap.target] = rule
        assert tried(swap).status == status
    assert tried(Own(swap.target, halves, None)).status == "untried"


def test_an_example_that_fails_is_named() -> None:
    own = Own("demo.none", test_an_example_that_fails_is_named, Example(lambda x: x.nope()))
    with pytest.raises(symfind.InputError, match="the example of demo.none fails.*nope"):
        tried(own)


def test_a_rule_of_another_home_is_not_replaced() -> None:
    with pytest.raises(ValueError, match="aten.relu has a rule for lowering already"):
        symfind.rule("relu")(lambda b, x: x)
    assert "aten.relu" not in OWN


def test_entry_points_are_found_and_broken_ones_left_out(tmp_path) -> None:
    info = tmp_path / "demo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[symfind.rules]\ndemo = demo_rules\nbroken = broken_rules\n"
    )
    (tmp_path / "demo_rules.py").write_text(SNIPPET.read_text())
    (tmp_path / "broken_rules.py").write_text("raise RuntimeError('no such library')\n")
    place = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-m", "symfind", "rules"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": place}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "demo.swap_halves  demo_rules" in done.stdout
    assert "sound, and all of it" in done.stdout and "FALSE" in done.stdout
    assert "the rules of broken_rules are left out (RuntimeError: no such library)" in done.stderr


def test_bad_usage_ends_with_2(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("none.py").exit_code == 2
    assert "no such file" in call("none.py").stderr
