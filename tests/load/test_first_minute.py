"""What a first attempt meets: config objects, tokens, bare names."""

import dataclasses
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from symfind.errors import LoadError
from symfind.load import load
from symfind.load.configs import with_configs
from symfind.load.suggest import suggestions
from symfind.load.tokens import token_input

GPT = """
from dataclasses import dataclass
import torch
from torch import nn

@dataclass
class Settings:
    n_layer: int = 1
    width: int = 6
    vocabulary: int = 11

class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.table = nn.Embedding(config.vocabulary, config.width)
        self.places = nn.Embedding(8, config.width)
        self.layers = nn.ModuleList(
            nn.Linear(config.width, config.width) for _ in range(config.n_layer))
        self.head = nn.Linear(config.width, config.vocabulary)

    def forward(self, tokens, targets=None):
        x = self.table(tokens) + self.places(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = x + layer(x).tanh()
        return self.head(x)
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "gpt.py"
    path.write_text(GPT)
    return f"{path}:GPT"


@pytest.mark.parametrize("key", ("n_layer", "config.n_layer"))
def test_a_config_object_takes_settings(spec, key):
    model = load(spec, settings={key: "3"}).model
    assert len(model.layers) == 3


def test_a_field_that_does_not_exist_is_named(spec):
    with pytest.raises(LoadError, match="'n_layr'; did you mean n_layer"):
        load(spec, settings={"n_layr": "3"})


def test_tokens_are_derived_where_a_table_reads_the_argument(spec):
    (tokens,) = load(spec).inputs.args
    assert tokens.dtype == torch.int64 and tokens.shape[1] <= 8 and int(tokens.max()) < 11


def test_no_tokens_where_none_are_read():
    assert token_input(nn.Linear(2, 3)) is None

    class Later(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.table((x > 0).long())

    assert token_input(Later()) is None


@dataclasses.dataclass
class Encoder:
    width: int = 2


@dataclasses.dataclass
class Decoder:
    width: int = 3
    depth: int = 1


def test_configs_by_annotation_and_by_default():
    def build(first: Encoder, second: Decoder | None = None, third=Decoder(depth=2)):  # noqa: B008
        return first, second, third

    made = with_configs(build, "build", {"first.width": 5, "third.width": 7})
    assert made == {"first": Encoder(5), "third": Decoder(7, 2)}
    with pytest.raises(LoadError, match="width"):  # several have it
        with_configs(build, "build", {"width": 1})


def test_bare_names_are_suggested():
    assert "transformers:GPT2LMHeadModel" in suggestions("openai-community/gpt2")
    assert suggestions("no such model at all") == []


def test_a_model_in_the_place_of_a_command(spec):
    command = [sys.executable, "-m", "symfind", spec, "--certify", "never", "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "redundant" in done.stdout


SLOW = """
import sys, torch
from torch import nn
import symfind.session.examination as examination

def slow(*args):
    sys.stderr.write("checking\\n")
    sys.stderr.flush()
    import time
    time.sleep(60)

examination.verify_derived = slow
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
example_inputs = torch.randn(2, 3)
"""


def test_an_end_from_outside_leaves_a_partial_report(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "symfind", str(tmp_path / "slow.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    start = time.monotonic()
    assert process.stderr is not None
    while "checking" not in process.stderr.readline():
        assert process.poll() is None and time.monotonic() - start < 60
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "redundant" in out and "interrupted" in out
