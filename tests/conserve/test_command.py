"""The command, and what it writes."""

import json
from pathlib import Path

from tests.command import command, model_file

NET = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
example_inputs = torch.randn(16, 3)
"""
net = model_file(NET)
call = command("conserved")


def test_table(net: str) -> None:
    result = call(net)
    assert result.exit_code == 0, result.stderr
    assert "|0.weight[i,:]|² + 0.bias[i]² − |2.weight[:,i]|²" in result.stdout
    assert "complete" in result.stdout and result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_and_latex(net: str, tmp_path: Path) -> None:
    target = tmp_path / "laws.json"
    result = call(net, "--no-check", "--format", "latex", "--json", str(target))
    assert result.exit_code == 0, result.stderr
    assert r"\mathtt{0.bias}_{i}^{2}" in result.stdout
    data = json.loads(target.read_text())
    assert data["schema"] == "symfind.conserved/1"
    assert data["count"] == 4 and data["lawless"] == 0
    assert data["flow"]["status"] == data["closure"]["status"] == "skipped"
    assert data["laws"][0]["tensors"] == ["0.weight", "0.bias", "2.weight"]


def test_laws_need_verified_generators(net: str) -> None:
    result = call(net, "--no-verify")
    assert result.exit_code == 2 and "--no-verify" in result.stderr


def test_a_spec_that_is_not_there() -> None:
    result = call("nowhere.py")
    assert result.exit_code == 2 and "Traceback" not in result.stderr
