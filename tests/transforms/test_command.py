"""The command, what it writes, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

import symfind
from tests.command import command, model_file

SOURCE = """
import torch
from torch import nn

def mass(p):
    total = p.sum(-2)
    return total[..., 0] ** 2 - total[..., 1:].square().sum(-1)

def constant(p):
    return (p.softmax(-1)).sum(-1)

def dead(p):
    return (p.sigmoid().sum() - 100.0).relu()

def detached(p):
    return torch.tensor(float(p.sum()))

def counted(p):
    return (p > 0).sum()

def scaled(p, power):
    return p.square().sum() ** power

model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
tokens = nn.Embedding(5, 3)
example_inputs = torch.randn(2, 4)
"""
net = model_file(SOURCE)
call = command("inputs")


def test_table(net: str) -> None:
    result = call(f"{net}:mass")
    assert result.exit_code == 0, result.stderr
    assert "so(1,3)" in result.stdout and "rules derive 3, discovery finds 3" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80 and result.stderr == ""


def test_json(net: str, tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    result = call(net, "--affine", "--json", str(target))
    assert result.exit_code == 0, result.stderr
    data = json.loads(target.read_text())
    assert data["schema"] == "symfind.inputs/1" and data["algebra"] == "0"
    assert data["trivial"] == data["dimension"] == 5 and len(data["blind"]) == 1


def test_settings_reach_a_function(net: str) -> None:
    result = call(f"{net}:scaled", "--set", "power=2", "--input", "f64[3]")
    assert result.exit_code == 0 and "so(3)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([":mass", "--input", "i64<9>[2,4]"], "integers"),
        ([":tokens", "--input", "i64<5>[2]"], "integers"),
        ([":constant"], "does not depend on p"),
        ([":dead"], "does not depend on p"),
        ([":detached"], "write it with torch"),
        ([":counted"], "no floating-point tensor"),
        ([":mass", "--act", "5"], "none is 5"),
        ([":mass", "--act", "first"], "none of last-axis, whole"),
        ([":mass", "--on", "q"], "one of p"),
        ([":scaled", "--set", "power=2", "--act", "whole", "--input", "f64[60]"], "coefficients"),
        ([":mass", "--input", "f64[3]"], "fails on its example inputs"),
        ([":model", "--act", "0"], "numbers samples"),
        ([":nothing"], "no attribute"),
    ],
)
def test_one_message(net: str, arguments: list[str], words: str) -> None:
    result = call(net + arguments[0], *arguments[1:])
    assert result.exit_code == 2 and words in result.stderr, result.stderr
    assert "Traceback" not in result.stderr and "internal" not in result.stderr


def test_inputs_of_different_sizes_are_told_apart() -> None:
    with pytest.raises(symfind.InputError, match="--on"):
        symfind.inputs(lambda a, b: a.sum() * b.sum(), (torch.randn(3), torch.randn(2)))
