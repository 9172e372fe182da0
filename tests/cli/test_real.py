"""The command on real models: what goes where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.command import command, model_file

ROOT = Path(__file__).parents[2]
NET = """
import torch
from torch import nn

def build(width: int = 5):
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))

model = build()
example_inputs = torch.ones(16, 6)
print("hello from the file")
"""
net = model_file(NET)
call = command("analyze")


def report(*arguments: str) -> dict:
    result = call(*arguments, "--json", "-", "--certify", "never", "--no-formula")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_text_on_stdout_and_the_rest_on_stderr(net: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "symfind", "analyze", net],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.returncode == 0
    assert "redundant" in process.stdout and "hello" not in process.stdout
    assert "\x1b" not in process.stdout + process.stderr
    assert process.stderr == "hello from the file\n"


def test_a_pipe_that_closes_early_is_no_error(net: str) -> None:
    command = f"{sys.executable} -m symfind analyze {net} --certify never --no-formula | head -n 1"
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.returncode == 0 and process.stderr == "hello from the file\n"


def test_strict(net: str) -> None:
    assert call(net, "--strict").exit_code == 0
    # what was not measured is not known to be complete
    assert call(net, "--strict", "--certify", "never", "--no-formula").exit_code == 1
    assert call(net, "--certify", "never", "--no-formula").exit_code == 0


def test_strict_with_an_operation_that_has_no_rule(net: str) -> None:
    Path(net).write_text(
        "import torch\nfrom torch import nn\n\nclass Odd(nn.Module):\n"
        "    def forward(self, x):\n        return torch.linalg.svdvals(x.unflatten(-1, (2, 3)))\n"
        "model = nn.Sequential(nn.Linear(4, 6), Odd(), nn.Linear(2, 3))\n"
        "example_inputs = torch.ones(4, 4)\n"
    )
    result = call(net, "--strict")
    assert result.exit_code == 1 and "svd" in result.stdout
    assert call(net).exit_code == 0


def test_input_and_set(net: str) -> None:
    wide = report(net + ":build", "--set", "width=7", "--input", "f32[4,6]")
    assert wide["dimension"]["redundant"] == 7
    assert list(wide["model"]["inputs"].values()) == ["f32[4,6]"]
    assert report(net)["dimension"]["redundant"] == 5


def test_softmax_output(net: str) -> None:
    raw, soft = report(net), report(net, "--output", "softmax")
    assert soft["output"] == "softmax"
    # every column of the last weight, and its bias, may move along the ones
    assert soft["dimension"]["redundant"] == raw["dimension"]["redundant"] + 5 + 1


def test_quiet_details_and_json(net: str, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    fast = ("--certify", "never", "--no-formula")
    quiet = call(net, "--quiet", "--json", str(target), *fast)
    assert quiet.stdout == "" and json.loads(target.read_text())["factors"]
    assert len(call(net, "--details", *fast).stdout) > len(call(net, *fast).stdout)


def test_dropout_is_off_unless_nothing_else_is_possible(tmp_path: Path) -> None:
    path = tmp_path / "drop.py"
    path.write_text(
        "import torch\nfrom torch import nn\n"
        "model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Tanh(), "
        "nn.Linear(4, 2)).train()\nexample_inputs = torch.randn(16, 3)\n"
    )
    plain, train = report(str(path)), report(str(path), "--train")
    assert plain["model"]["mode"] == "eval" and train["model"]["mode"] == "train"
    assert plain["verification"]["status"] == train["verification"]["status"] == "verified"
    # in eval a BatchNorm is a gain and a shift behind a linear map, in train it hides a bias only
    assert plain["dimension"]["redundant"] == 8 and train["dimension"]["redundant"] == 4


def test_one_seed_one_json(net: str) -> None:
    first, second = report(net, "--seed", "3"), report(net, "--seed", "3")
    for one in (first, second):
        one.pop("timing")
    assert first == second
