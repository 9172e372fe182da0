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
from symfind.load.suggest import _tables, suggestions
from symfind.load.tokens import token_input
from symfind.report import Report

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


CLASSES = {
    "body": """
class Config:
    n_layer = 1
    width = 6
    vocabulary = 11
    def size(self):
        return self.width
""",
    "arguments": """
class GPTConfig:
    def __init__(self, vocabulary=11, width=6, n_layer=1):
        self.vocabulary, self.width, self.n_layer = vocabulary, width, n_layer
""",
    "constructor": """
class Base:
    vocabulary = 11

class Cfg(Base):
    def __init__(self):
        self.width = 6
        self.n_layer = 1
""",
}


def _plain(tmp_path, classes):
    """The file of the model with other classes in place of the dataclass."""
    path = tmp_path / "plain.py"
    head, _, rest = GPT.partition("@dataclass\n")
    path.write_text(head + classes + rest[rest.index("class GPT") :])
    return f"{path}:GPT"


@pytest.mark.parametrize("key", ("n_layer", "config.n_layer"))
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_a_plain_class_is_a_config(tmp_path, classes, key):
    spec = _plain(tmp_path, classes)
    assert len(load(spec, settings={key: "2"}).model.layers) == 2
    assert len(load(spec).model.layers) == 1
    with pytest.raises(LoadError, match="'n_layr'; did you mean n_layer"):
        load(spec, settings={"n_layr": "3"})
    with pytest.raises(LoadError, match="does not take the setting 'size'"):
        load(spec, settings={"size": "3"})


def test_a_plain_config_without_a_default_names_it(tmp_path):
    classes = CLASSES["arguments"].replace("width=6, n_layer=1", "width=6, *, n_layer")
    with pytest.raises(LoadError, match="needs n_layer; give --set config.n_layer=VALUE"):
        load(_plain(tmp_path, classes))
    assert len(load(_plain(tmp_path, classes), settings={"n_layer": "2"}).model.layers) == 2


def test_two_configs_that_may_be_meant_are_named(tmp_path):
    spec = _plain(tmp_path, CLASSES["body"] + CLASSES["arguments"])
    for settings in ({}, {"n_layer": "2"}, {"config.n_layer": "2"}):
        with pytest.raises(LoadError, match="config may be a Config or a GPTConfig; annotate it"):
            load(spec, settings=settings)


def test_a_class_of_another_name_is_no_config(tmp_path):
    with pytest.raises(LoadError, match="needs config"):
        load(_plain(tmp_path, CLASSES["body"].replace("Config", "Counter")))


class PlainConfig:
    depth = 1

    def __init__(self, width=2):
        self.width, self.twice = width, 2 * width


def test_plain_configs_by_default():
    def build(n=1, config=None, other=PlainConfig(5)):  # noqa: B008
        return config, other

    assert with_configs(build, "build", {"n": 3}) == {"n": 3}
    (other,) = with_configs(build, "build", {"other.depth": 7}).values()
    assert (other.width, other.twice, other.depth) == (5, 10, 7)
    (other,) = with_configs(build, "build", {"other.width": 3}).values()
    assert (other.width, other.twice, other.depth) == (3, 6, 1)
    (config,) = with_configs(build, "build", {"config.depth": 4}).values()
    assert (config.width, config.depth) == (2, 4)


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


@pytest.mark.parametrize(
    ("name", "head"),
    (
        ("bert-base-uncased", "BertForMaskedLM"),
        ("FacebookAI/xlm-roberta-base", "XLMRobertaForMaskedLM"),
        ("facebook/bart-large", "BartForConditionalGeneration"),
        ("Helsinki-NLP/marian", "MarianMTModel"),
        ("google/pegasus-xsum", "PegasusForConditionalGeneration"),
        ("google-t5/t5-small", "T5ForConditionalGeneration"),
        ("phi-3-mini", "Phi3ForCausalLM"),
        ("xlnet-base-cased", "XLNetLMHeadModel"),
        ("facebook/opt-125m", "OPTForCausalLM"),
    ),
)
def test_a_kind_is_suggested_with_the_head_that_it_is_published_with(name, head):
    assert [one for one in suggestions(name) if one.startswith("transformers")] == [
        f"transformers:{head}"
    ]


def test_a_config_that_makes_a_decoder_is_suggested_with_a_causal_head():
    config = type("Decoder", (), {"is_decoder": True})
    tables = _tables(config)
    assert tables[0] == "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
    assert _tables(object)[0] == "MODEL_FOR_MASKED_LM_MAPPING_NAMES"


def test_a_model_in_the_place_of_a_command(spec):
    command = [sys.executable, "-m", "symfind", spec, "--certify", "never", "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "redundant" in done.stdout


SLOW = """
import sys, time, torch
from torch import nn
import symfind.session.{module} as module

def slow(*args, **more):
    sys.stderr.write("checking\\n")
    sys.stderr.flush()
    time.sleep(60)

module.{function} = slow

def model(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))

example_inputs = torch.randn(2, 3)
"""


def _ended(tmp_path, module, function):
    """Exit code, output, errors and JSON of an analysis that is terminated in a function."""
    (tmp_path / "slow.py").write_text(SLOW.format(module=module, function=function))
    file = tmp_path / "report.json"
    command = [sys.executable, "-m", "symfind", str(tmp_path / "slow.py"), "--json", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    start = time.monotonic()
    assert process.stderr is not None
    while "checking" not in process.stderr.readline():
        assert process.poll() is None and time.monotonic() - start < 60
    process.terminate()
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err, Report.from_json(file.read_text())


@pytest.mark.parametrize(
    ("module", "function"), (("examination", "verify_derived"), ("session", "fitted"))
)
def test_an_end_from_outside_leaves_a_partial_report(tmp_path, module, function):
    code, out, _, report = _ended(tmp_path, module, function)
    assert code == 0
    assert "redundant" in out and "interrupted" in out
    assert report.dimension.redundant == 4 and report.certificate.reason == "interrupted"


STAGES = {"trace_loaded": "tracing the model", "derive": "deriving", "counted": "counting"}


@pytest.mark.parametrize("function", STAGES)
def test_an_end_before_there_is_a_count_says_so(tmp_path, function):
    code, out, err, report = _ended(tmp_path, "session", function)
    assert (code, out) == (130, "") and err.count("\n") == 1
    assert f"interrupted while {STAGES[function]}" in err
    assert "nothing was derived yet; take a smaller model" in err
    assert report.dimension.parameters == 26 and not report.factors
    assert report.certificate.status == "undetermined" and report.verification.status == "skipped"
    assert "nothing was derived yet" in report.certificate.reason
