"""Bad input on the real command: one message that names the fault, exit code 2, nothing written."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symfind.cli import main

HEADER = "import torch\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)

    def forward(self, x):
        {body}

model = Net()
example_inputs = torch.ones(8, 3)
"""
TWO = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.b = nn.Linear(5, 4)

    def forward(self, x, y):
        return self.a(x) * self.b(y)

model = Net()
"""


def net(body: str) -> str:
    return NET.replace("{body}", body.replace("\n", "\n        "))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["analyze", *arguments])


FAULTS = {
    "raises-on-import": (
        "def make():\n    raise ValueError('no such layer')\n\nmodel = make()\n",
        ["net.py failed while it was imported: ValueError: no such layer", "net.py:4 in make"],
    ),
    "not-a-module": ("model = 3\n", ["gives a int, not a torch.nn.Module"]),
    "no-attribute": ("modell = nn.Linear(2, 2)\n", ["no attribute 'model'; did you mean 'modell'"]),
    "no-inputs": ("model = nn.Linear(2, 2)\n", ["no example inputs", "--input"]),
    "too-few-inputs": (
        TWO + "example_inputs = torch.ones(1, 3)\n",
        ["missing a required argument: 'y'", "expected: forward(x, y)", "given:    forward(f32"],
    ),
    "wrong-shape": (
        TWO + "example_inputs = (torch.ones(1, 3), torch.ones(1, 6))\n",
        ["y reaches Linear 'b' as f32[1,6]", "expected: floats whose last dimension is 5",
         "given:    x=f32[1,3], y=f32[1,6]"],
    ),
    "wrong-channels": (
        "model = nn.Conv2d(3, 4, 3)\nexample_inputs = torch.ones(1, 2, 8, 8)\n",
        ["input reaches Conv2d as f32[1,2,8,8]", "expected: f32[BATCH,3,SIZE,SIZE]"],
    ),
    "floats-for-integers": (
        "model = nn.Embedding(5, 3)\nexample_inputs = torch.ones(1, 3)\n",
        ["input reaches Embedding as f32[1,3]", "integers (i64) below 5"],
    ),
    "integers-for-floats": (
        "model = nn.Linear(3, 3)\nexample_inputs = torch.ones(1, 3, dtype=torch.long)\n",
        ["fails on its example inputs", "dtype"],
    ),
    "index-out-of-range": (
        "model = nn.Embedding(5, 3)\nexample_inputs = torch.tensor([[7]])\n",
        ["fails on its example inputs: IndexError", "i64<VOCAB>"],
    ),
    "more-positions-than-the-table": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.tokens, self.places = nn.Embedding(5, 3), nn.Embedding(4, 3)\n"
        "    def forward(self, ids):\n"
        "        return self.tokens(ids) + self.places(torch.arange(ids.shape[1]))\n"
        "model = Net()\nexample_inputs = torch.zeros(1, 7, dtype=torch.long)\n",
        ["fails on its example inputs: IndexError", "net.py:8 in forward"],
    ),
    "data-dependent": (
        net("h = self.a(x)\nif h.sum() > 0:\n    return h\nreturn -h"),
        ["cannot trace Net", "net.py:11 in forward: if h.sum() > 0:", "torch.where"],
    ),
    "numpy": (
        net("h = self.a(x)\nreturn h + torch.from_numpy(h.detach().numpy())"),
        ["cannot trace Net", "net.py:11 in forward"],
    ),
    "raises-in-forward": (
        net("raise NotImplementedError('later')"),
        ["cannot trace Net: later", "net.py:10 in forward"],
    ),
    "nan": (net("return torch.log(self.a(x))"), ["NaN at the weights that were tried"]),
    "inf": (net("return self.a(x) / torch.zeros(4)"), ["Inf at the weights that were tried"]),
    "no-parameters": (
        "model = nn.ReLU()\nexample_inputs = torch.ones(1, 3)\n", ["ReLU has no parameters"],
    ),
    "frozen": (
        "model = nn.Linear(3, 3).requires_grad_(False)\nexample_inputs = torch.ones(1, 3)\n",
        ["every parameter of Linear is frozen"],
    ),
    "integer-output": (net("return self.a(x).argmax(-1)"), ["no floating-point tensors"]),
    "boolean-output": (net("return self.a(x) > 0"), ["no floating-point tensors"]),
    "no-output": (net("self.a(x)"), ["no floating-point tensors"]),
    "deep": (
        "model = nn.Linear(3, 3)\nfor _ in range(500):\n    model = nn.Sequential(model)\n"
        "example_inputs = torch.ones(1, 3)\n",
        ["error: nested too deeply for Python", "sys.setrecursionlimit"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_one_message(tmp_path, monkeypatch, body, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(HEADER + body)
    result = call("net.py", "--json", "report.json")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    for text in says:
        assert text in result.stderr
    assert result.stderr.startswith("error: ") and "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 3
    assert {p.name for p in tmp_path.iterdir()} <= {"net.py", "__pycache__"}


def test_missing_file_and_attribute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(HEADER + "model = nn.Linear(2, 2)\n")
    for spec, says in (("nett.py", "no such file"), ("net.py:modle", "did you mean 'model'")):
        result = call(spec, "--json", "report.json")
        assert result.exit_code == 2 and says in result.stderr
        assert not (tmp_path / "report.json").exists()


GOOD = "model = nn.Linear(3, 2)\nexample_inputs = torch.ones(1, 3)\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize("target", ["/dev/full", "nowhere/report.json", ".", "net.py/report.json"])
def test_outputs_that_cannot_be_written(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(HEADER + GOOD)
    result = call("net.py", "--json", target)
    assert result.exit_code == 2 and "error: cannot write" in result.stderr
    assert {p.name for p in tmp_path.iterdir()} <= {"net.py", "__pycache__"}


def test_what_was_there_stays_when_the_analysis_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(HEADER + FAULTS["nan"][0])
    (tmp_path / "report.json").write_text("kept")
    assert call("net.py", "--json", "report.json").exit_code == 2
    assert (tmp_path / "report.json").read_text() == "kept"


def test_a_file_that_leaves_its_folder_and_removes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    away = "import os\nos.mkdir('away')\nos.chdir('away')\nos.rmdir(os.getcwd())\n"
    Path("net.py").write_text(HEADER + away + net("return self.a(x)"))
    assert call("net.py", "--quiet", "--no-verify", "--certify", "never").exit_code == 0
    assert Path.cwd() == tmp_path


def test_what_forward_prints_is_no_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(HEADER + net("print('here')\nreturn self.a(x)"))
    result = call("net.py", "--json", "-")
    assert result.exit_code == 0 and json.loads(result.stdout)["dimension"]["redundant"] == 0
