"""Two reports held beside each other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from symfind.cli import main
from symfind.report.difference import difference
from symfind.report.difference_text import render
from symfind.report.model import Dimension, Factor, GeneratorText, Place
from tests.report.examples import complete

NET = """
import torch
from torch import nn

def build(width=4, act="ReLU", depth=2):
    hidden = [l for _ in range(depth) for l in (nn.Linear(width, width), getattr(nn, act)())]
    return nn.Sequential(*hidden, nn.Linear(width, 3)), torch.ones(1, width)
"""


@pytest.fixture
def net(tmp_path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path / 'net.py'}:build"


def call(*arguments: str):
    return CliRunner().invoke(main, ["diff", *arguments, "--quiet"])


def factor(group: str, dimension: int, places: list[Place], kind: str = "gauge") -> Factor:
    sites = sum(place.sites for place in places)
    return Factor(places[0].id, kind, group, "g", sites, dimension, sites * dimension, "",
                  ("w",), GeneratorText(""), places=tuple(places))  # fmt: skip


def with_factors(*factors: Factor):
    total = sum(f.total for f in factors)
    counts = Dimension.of(10_000, total, total)
    return replace(complete(), factors=factors, dimension=counts)


def heads(count: int, name: str = "h") -> list[Place]:
    return [Place(f"{name}.{i}.attn:q-k", dimension=16, sites=count) for i in range(3)]


def test_a_report_is_the_same_as_itself() -> None:
    found = difference(complete(), complete())
    assert found.same and "no difference" in render(found)


def test_fewer_sites_are_a_loss_in_each_layer() -> None:
    a, b = (with_factors(factor("GL(4, R)", 16, heads(n))) for n in (4, 1))
    found = difference(a, b)
    (change,) = found.layers
    assert change.layers == ("h.0", "h.1", "h.2")
    assert (change.before, change.after) == (64, 16)
    assert [(c.group, c.role, c.sites, c.dimension) for c in change.lost] == [
        ("GL(4, R)", "attn:q-k", 3, 48)
    ]
    assert change.gained == ()
    assert found.counts["symmetry"] == (192, 48)
    assert "64 -> 16 (-48 each)" in render(found)
    back = difference(b, a)
    assert back.layers[0].gained == change.lost and back.layers[0].lost == ()


def test_layers_of_other_names_are_held_beside_each_other_in_order() -> None:
    one, two = (
        with_factors(factor("G", 16, heads(2))),
        with_factors(factor("G", 16, heads(2, "layers"))),
    )
    assert difference(one, two).same
    longer = heads(2, "layers") + [Place("layers.3.attn:q-k", dimension=16, sites=2)]
    found = difference(one, with_factors(factor("G", 16, longer)))
    (change,) = found.layers
    assert (change.layers, change.before, change.after) == (("layers.3",), None, 32)


def test_a_bias_that_moves_along_is_no_difference() -> None:
    one, two = (
        with_factors(factor("G", 4, [Place(f"h.0:{role}", dimension=4)]))
        for role in ("v-v.bias-o", "v-o")
    )
    assert difference(one, two).same


def test_verdicts_and_gaps_are_differences() -> None:
    one = complete()
    two = replace(one, certificate=replace(one.certificate, status="undetermined"))
    found = difference(one, two)
    assert not found.same and found.verdicts == {"certificate": ("complete", "undetermined")}


def test_two_specs(net) -> None:
    result = call(net, net, "--set-b", "act=Tanh", "--json", "-")
    assert result.exit_code == 1, result.output
    data = json.loads(result.stdout)
    assert data["schema"] == "symfind.diff/1" and data["same"] is False
    assert data["counts"]["symmetry"] == [8, 0]
    assert sum(c["dimension"] for change in data["layers"] for c in change["lost"]) == 8
    assert not any(change["gained"] for change in data["layers"])


def test_a_report_beside_the_model_it_is_of(net, tmp_path) -> None:
    file = str(tmp_path / "a.json")
    done = CliRunner().invoke(main, ["analyze", net, "--json", file, "--quiet"])
    assert done.exit_code == 0
    same, other = call(file, net), call(file, net, "--set", "width=5")
    assert same.exit_code == 0, same.output
    assert other.exit_code == 1 and "symmetry" in other.stdout


@pytest.mark.parametrize(
    ("first", "words"),
    [("none.json", "cannot read the report none.json"), ("bad.json", "not JSON"),
     ("other.json", "expected 'symfind.report/1'"), ("none.py", "none.py")],
)  # fmt: skip
def test_bad_usage_ends_with_2(first, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text("{")
    Path("other.json").write_text("{}")
    result = call(first, first)
    assert result.exit_code == 2
    assert words in result.stderr
