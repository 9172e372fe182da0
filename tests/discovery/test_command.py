"""`symfind discover`: a table for people, JSON for programs, and its exit codes."""

import json
from pathlib import Path

from tests.command import command, model_file

NET = """
import torch
from torch import nn

class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.square, self.read = nn.Linear(4, 4), nn.Linear(4, 2)
    def forward(self, x):
        return self.read(torch.linalg.inv(self.square(x).view(-1, 2, 2)).flatten(1))

class Lies(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 2)
    def forward(self, x):
        return self.b(self.a(x).detach().tanh())

model = Odd()
example_inputs = torch.ones(4, 4)
def lying():
    return Lies(), torch.ones(4, 3)
"""
net = model_file(NET)
call = command("discover")


def test_a_table_of_generators(net: str) -> None:
    result = call(net)
    assert result.exit_code == 0 and not result.stderr
    words = " ".join(result.stdout.split())
    assert "square.weight -> A square.weight, square.bias -> A square.bias, read.weight" in words
    assert "complete: the generators span" in words
    assert "linalg_inv" in words and "7 of the discovered" in words
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert len(call(net, "--details").stdout) > len(result.stdout)


def test_json(net: str, tmp_path: Path) -> None:
    data = json.loads(call(net, "--json", "-").stdout)
    assert data["dimension"] == data["nullity"] == len(data["generators"]) == 7
    assert data["comparison"]["missed"] == 7
    target = tmp_path / "found.json"
    assert call(net, "--quiet", "--json", str(target)).stdout == ""
    assert json.loads(target.read_text()) == data


def test_exit_codes(net: str) -> None:
    lying = call(net + ":lying")
    assert lying.exit_code == 1 and "undetermined" in lying.stdout and "rejected" in lying.stdout
    missing = call(net + ":nothing")
    assert missing.exit_code == 2 and missing.stderr.startswith("error:") and not missing.stdout
    assert call(net, "--fields", "0").exit_code == 2
