"""`symfind permutations` on a small file."""

import json

from tests.command import command, model_file

NET = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
example_inputs = torch.ones(4, 6)
"""
net = model_file(NET)
call = command("permutations")


def test_table(net: str) -> None:
    result = call(net)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["p0", "S_5", "3", "P_0"]
    assert "1 permutation; a random element changes the outputs by" in result.stdout


def test_json(net: str) -> None:
    data = json.loads(call(net, "--format", "json").stdout)
    assert data["axes_to_perm"] == {
        "0.weight": ["P_0", None], "0.bias": ["P_0"], "2.weight": [None, "P_0"], "2.bias": [None],
    }  # fmt: skip
    assert data["residual"] < 1e-12


def test_python_runs(net: str) -> None:
    names: dict = {}
    exec(call(net, "--format", "python").stdout, names)
    assert names["sizes"] == {"P_0": (5,)}


def test_not_verified_is_said(net: str) -> None:
    assert "not tried on the model" in call(net, "--no-verify").stdout


def test_a_missing_file_is_one_message() -> None:
    result = call("nowhere.py")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
