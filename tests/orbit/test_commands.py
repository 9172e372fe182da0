"""The commands: what they print, what they write, and one message for what is wrong."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.command import command

run = command()

SOURCE = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
example_inputs = torch.randn(6, 4)
batches = [(torch.randn(9, 4), torch.randint(3, (9,))) for _ in range(2)]
nothing = []
"""


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SOURCE)
    for seed in (1, 2):
        torch.save(network(seed).state_dict(), tmp_path / f"{seed}.pt")
    torch.save(torch.randn(8, 8), tmp_path / "r.pt")
    return tmp_path


SITE = "model:0-0.bias-1"


def test_apply_writes_another_checkpoint_of_the_same_function(folder: Path) -> None:
    done = run("apply", "net.py", "--weights", "1.pt", "--site", SITE, "--matrix", "r.pt",
               "-o", "out.pt")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "0.weight, 0.bias, 1.weight" in done.stdout
    model, moved, x = network(1), network(1), torch.randn(5, 4)
    moved.load_state_dict(torch.load("out.pt", weights_only=True))
    assert not torch.allclose(model[0].weight, moved[0].weight, atol=0.1)
    assert torch.allclose(model(x), moved(x), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "1.pt", "--site", "x", "--matrix", "random"), "no site 'x'"),
        (("--weights", "1.pt", "--site", SITE, "--matrix", "no.pt"), "no such file"),
        (("--weights", "1.pt", "--site", SITE, "--matrix", "1.pt"), "holds 6 tensors"),
        (("--weights", "0.pt", "--site", SITE, "--matrix", "random"), "0.pt: no such file"),
    ],
)
def test_apply_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("apply", "net.py", *arguments, "-o", "out.pt")
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not Path("out.pt").exists()


def test_align_prints_a_table_and_writes_both(folder: Path) -> None:
    done = run("align", "net.py", "1.pt", "2.pt", "-o", "b.pt", "--out-a", "a.safetensors",
               "--data", "net.py:batches", "--steps", "5", "--json", "found.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert rows[1:5] == ["vanilla", "permutations only", "whole group", "learned"]
    assert Path("a.safetensors").exists()
    assert '"symfind.alignment/1"' in Path("found.json").read_text()
    two, moved, x = network(2), network(2), torch.randn(5, 4)
    moved.load_state_dict(torch.load("b.pt", weights_only=True))
    assert torch.allclose(two(x), moved(x), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1.pt", "1.pt"), "the same weights"),
        (("1.pt", "r.pt"), "not named tensors"),
        (("1.pt", "2.pt", "--steps", "5"), "needs data"),
        (("1.pt", "2.pt", "--data", "net.py:nothing"), "no data"),
        (("1.pt", "2.pt", "--data", "net.py:other"), "has no 'other'"),
        (("1.pt", "code.pt"), "runs no code"),
    ],
)
def test_align_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    torch.save(network(1), "code.pt")
    done = run("align", "net.py", *arguments, "-o", "out.pt")
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not Path("out.pt").exists()


def test_fix_prints_its_proof_and_writes_the_mask(folder: Path) -> None:
    done = run("fix", "net.py", "1.pt", "-o", "out.pt", "--as", "pins", "--freeze", "mask.pt")
    assert done.exit_code == 0, done.output
    assert "with these entries held 0" in done.stdout
    model, moved, x = network(1), network(1), torch.randn(5, 4)
    moved.load_state_dict(torch.load("out.pt", weights_only=True))
    mask = torch.load("mask.pt", weights_only=True)
    held = [moved.state_dict()[n][m.bool()].abs() for n, m in mask.items()]
    assert torch.cat(held).sub(0.5).abs().sub(0.5).abs().max() < 1e-6  # zero or one
    assert torch.allclose(model(x), moved(x), atol=1e-4)


def test_fix_refuses_in_one_line(folder: Path) -> None:
    bad = network(1).state_dict()
    bad["0.bias"][0] = float("inf")
    torch.save(bad, "bad.pt")
    done = run("fix", "net.py", "bad.pt", "-o", "out.pt")
    assert done.exit_code == 2 and "0.bias holds numbers that are NaN or infinite" in done.stderr
    assert not Path("out.pt").exists()
