"""The commands: what they print, what they write, and one message for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
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
        (("--weights", "1.pt", "--site", "x", "--matrix", "random"), "found takes no matrix"),
        (("--weights", "1.pt", "--site", SITE, "--matrix", "net.py"), "--matrix net.py"),
        (("--weights", "folder", "--site", SITE, "--matrix", "random"), "a folder, not a file"),
        (("--weights", "void.safetensors", "--site", SITE, "--matrix", "random"), "no tensors"),
        (("--weights", "1.pt", "--site", SITE, "--matrix", "no.pt"), "no such file"),
        (("--weights", "1.pt", "--site", SITE, "--matrix", "1.pt"), "holds 6 tensors"),
        (("--weights", "0.pt", "--site", SITE, "--matrix", "random"), "0.pt: no such file"),
    ],
)
def test_apply_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    Path("folder").mkdir()
    save_file({}, "void.safetensors")
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


def test_align_learns_on_random_inputs(folder: Path) -> None:
    done = run("align", "net.py", "1.pt", "2.pt", "-o", "b.pt", "--steps", "5", "--json", "f.json")
    assert done.exit_code == 0, done.output
    assert "on random inputs" in done.stdout and "learned" in done.stdout
    assert json.loads(Path("f.json").read_text())["imitated"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1.pt", "1.pt"), "the same trained weights"),
        (("1.pt", "r.pt"), "not named tensors"),
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


def test_a_file_that_is_read_and_written_is_named_by_its_argument(folder: Path) -> None:
    done = run("fix", "net.py", "1.pt", "-o", "1.pt")
    assert done.exit_code == 2 and "WEIGHTS 1.pt is the file of -o as well" in done.stderr


def test_fix_refuses_in_one_line(folder: Path) -> None:
    bad = network(1).state_dict()
    bad["0.bias"][0] = float("inf")
    torch.save(bad, "bad.pt")
    done = run("fix", "net.py", "bad.pt", "-o", "out.pt")
    assert done.exit_code == 2 and "0.bias holds numbers that are NaN or infinite" in done.stderr
    assert not Path("out.pt").exists()


KINDS = """
import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 3)
    def forward(self, x):
        return self.head(self.norm(self.two(self.one(x).relu())).relu())
model = Net().eval()
example_inputs = torch.randn(6, 4)
batches = [(torch.randn(9, 4), torch.randint(3, (9,)))]
empty = []
blank = [(torch.randn(0, 4), torch.randint(3, (0,)))]
holes = [(torch.full((9, 4), float("nan")), torch.randint(3, (9,)))]
beyond = [(torch.randn(9, 4), torch.full((9,), 7))]
single = [torch.randn(9, 4)]
"""


def spoilt(state: dict[str, torch.Tensor]) -> dict[str, tuple[object, str]]:
    """Files that are no checkpoints of the network, and what is said of each."""
    real = {n: v for n, v in state.items() if v.is_floating_point()}
    without = lambda name: {n: v for n, v in state.items() if n != name}  # noqa: E731
    return {
        "keys": (without("head.bias"), "lacks head.bias"),
        "shapes": ({**state, "head.weight": torch.zeros(4, 3)}, "head.weight with shape"),
        "integers": ({n: v.long() for n, v in state.items()}, "torch.int64"),
        "complex": ({n: v.to(torch.complex64) for n, v in real.items()}, "complex numbers"),
        "nan": ({**state, "head.bias": torch.full((3,), float("nan"))}, "NaN or infinite"),
        "statistics": ({**state, "norm.running_var": torch.full((4,), torch.inf)}, "NaN or inf"),
        "tied": ({**state, "two.weight": state["two.weight"] + 1}, "one tensor in the model"),
        "nothing": ({}, "no tensors"),
        "code": (nn.Linear(2, 2), "runs no code"),
        "junk": (b"hello", "cannot read"),
        "void": (b"", "cannot read"),
    }


@pytest.fixture
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(KINDS, names)
    (tmp_path / "net.py").write_text(KINDS)
    torch.save(names["model"].state_dict(), "good.pt")
    files = spoilt(names["Net"]().state_dict())
    for name, (content, _) in files.items():
        if isinstance(content, bytes):
            Path(f"{name}.pt").write_bytes(content)
        else:
            torch.save(content, f"{name}.pt")
    return {name: message for name, (_, message) in files.items()}


READERS = {
    "fix": ("fix", "net.py", "FILE", "-o", "out.pt", "--freeze", "mask.pt"),
    "align": ("align", "net.py", "good.pt", "FILE", "-o", "out.pt", "--out-a", "a.pt"),
    "teleport": ("teleport", "net.py", "FILE", "--objective", "norm", "-o", "out.pt"),
    "apply": ("apply", "net.py", "--weights", "FILE", "--site", "x", "--matrix", "random", "-o",
              "out.pt"),
    "dims": ("dims", "net.py", "--weights", "FILE", "--data", "net.py:batches", "--json", "out.pt"),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_every_command_refuses_what_is_no_checkpoint(name: str, kinds: dict[str, str]) -> None:
    before = set(Path().iterdir())
    for file, message in kinds.items():
        done = run(*(f"{file}.pt" if part == "FILE" else part for part in READERS[name]))
        assert done.exit_code == 2, (file, done.output)
        if not (name == "align" and file == "integers"):  # two dtypes, which is said first
            assert message in done.stderr, (file, done.stderr)
        assert done.stderr.count("error") == 1 and "Traceback" not in done.stderr
        assert {p for p in Path().iterdir() if p.name != "__pycache__"} <= before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("empty", "no data"), ("blank", "a batch is empty"), ("holes", "NaN or infinite"),
        ("beyond", "7"), ("single", "pairs"), ("nowhere", "no 'nowhere'"),
    ],
)  # fmt: skip
def test_every_command_refuses_what_is_no_data(
    data: str, message: str, kinds: dict[str, str]
) -> None:
    state = torch.load("good.pt", weights_only=True)
    torch.save({n: v + 1 for n, v in state.items()}, "other.pt")
    given = ("--data", f"net.py:{data}")
    for call in (
        ("align", "net.py", "good.pt", "other.pt", "-o", "out.pt", *given),
        ("teleport", "net.py", "good.pt", "--objective", "trace", "-o", "out.pt", *given),
        ("dims", "net.py", "--weights", "good.pt", "--json", "out.pt", *given),
    ):
        done = run(*call)
        assert done.exit_code == 2 and message in done.stderr, (call, done.output)
        assert not Path("out.pt").exists()


def test_a_tensor_in_one_file_only_is_named(kinds: dict[str, str]) -> None:
    state = torch.load("good.pt", weights_only=True)
    other = {n: v + 1 for n, v in state.items()}
    torch.save({n: v for n, v in other.items() if n != "norm.running_mean"}, "without.pt")
    torch.save({**other, "head.extra": torch.zeros(2)}, "more.pt")
    for file, message in (("without", "without.pt lacks norm.running_mean"),
                          ("more", "good.pt lacks head.extra")):  # fmt: skip
        done = run("align", "net.py", "good.pt", f"{file}.pt", "-o", "out.pt")
        assert done.exit_code == 2 and message in done.stderr
        assert not Path("out.pt").exists()


def test_weights_of_which_products_overflow_are_named(folder: Path) -> None:
    torch.save({k: v.double() * 1e200 for k, v in network(1).state_dict().items()}, "huge.pt")
    result = run("fix", "net.py", "huge.pt", "-o", "out.pt")
    assert result.exit_code == 2 and not Path("out.pt").exists()
    assert "weight reaches" in result.stderr and "double precision" in result.stderr
    assert "tried" not in result.stderr and "random" not in result.stderr
