import json

import pytest

from symfind.exact import ExactNullity
from symfind.exact.verdict import Verdict
from tests.command import command, model_file

SOURCE = """
import torch
from torch import nn

class Square(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False)

    def forward(self, x):
        return self.b(self.a(x) ** 2)

example_inputs = torch.ones(8, 3)
model = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 2))
square = lambda: (Square(), example_inputs)
soft = lambda: (nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1)), example_inputs)
"""
spec = model_file(SOURCE)
call = command("exact")


def test_table_of_a_complete_derivation(spec: str) -> None:
    result = call(spec, "--strict")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split() == ["nullity", "(exact)", "4"] for line in lines)
    assert "complete: every continuous symmetry" in result.stdout
    assert "fixed by real points" in result.stdout


def test_json_of_an_incomplete_one(spec: str) -> None:
    result = call(f"{spec}:square", "--json", "-", "--strict")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (data["schema"], data["status"]) == ("symfind.exact/1", "incomplete")
    assert (data["nullity"], data["redundant"], data["unexplained"]) == (3, 2, 1)
    assert (data["pattern"], data["rank"]) == ("none", 5)
    assert 0 < data["error_bound"] < 1e-9
    assert call(f"{spec}:square").exit_code == 0


def test_refusals_and_bad_usage(spec: str) -> None:
    refused = call(f"{spec}:soft")
    assert refused.exit_code == 2 and "aten.softmax.int" in refused.stderr
    assert not refused.stdout and len(refused.stderr.strip().splitlines()) == 1
    prime = call(spec, "--prime", "65536")
    assert prime.exit_code == 2 and "65536 cannot be the modulus" in prime.stderr


@pytest.mark.parametrize(
    ("redundant", "status"), [(4, "complete"), (3, "incomplete"), (5, "contradicted")]
)
def test_verdicts(redundant: int, status: str) -> None:
    exact = ExactNullity(26, 22, 4, 65537, 3, 48, (4, 4), 1e-12, "fixed")
    verdict = Verdict("Net", "raw", "eval", exact, redundant)
    assert verdict.status == status == verdict.sentence.partition(":")[0]
    assert verdict.unexplained == 4 - redundant
    assert ("on the pieces that were met" in verdict.sentence) == (status == "incomplete")
