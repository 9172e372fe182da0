"""The command that says which operations of a model have a rule."""

import json

from click.testing import CliRunner

from symfind.cli import main
from tests.command import model_file

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x):
        return torch.linalg.matrix_exp(self.b(torch.tanh(self.a(x))))

model = Net()
example_inputs = torch.ones(4, 3)
"""
net = model_file(NET)


def rows(output: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:4] for line in output.splitlines() if line.strip()}


def test_each_reading_of_each_operation(net) -> None:
    result = CliRunner().invoke(main, ["ops", str(net), "--quiet"])
    found = rows(result.stdout)
    assert result.exit_code == 0, result.output
    assert found["linear.default"] == ["yes", "yes", "yes"]
    assert found["tanh.default"][:3] == ["yes", "yes", "-"]
    assert found["linalg_matrix_exp.default"][0] == "-"
    assert "3 of 4 operations have a rule" in result.stdout


def test_strict_fails_where_one_has_none(net) -> None:
    assert CliRunner().invoke(main, ["ops", str(net), "--quiet", "--strict"]).exit_code == 1


def test_what_is_rigid_is_said_with_its_place_and_between_what(net) -> None:
    result = CliRunner().invoke(main, ["ops", str(net), "--quiet"])
    text = result.stdout
    assert "aten.linalg_matrix_exp.default, 1 place: no rule" in text
    assert "at net.py:11 in forward" in text
    assert "rigid behind b.bias, b.weight" in text


def test_counts_and_modules_as_json(net) -> None:
    result = CliRunner().invoke(main, ["ops", str(net), "--quiet", "--json", "-"])
    data = json.loads(result.stdout)
    by = {row["op"]: row for row in data["operations"]}
    assert data["schema"] == "symfind.ops/1"
    assert by["aten.linear.default"]["count"] == 2
    assert by["aten.linear.default"]["modules"] == {"a": 1, "b": 1}
    (gap,) = data["rigid"]
    assert gap["writers"] == ["b.bias", "b.weight"] and gap["readers"] == []
