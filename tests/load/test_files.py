import random
import sys
import textwrap

import numpy as np
import pytest
import torch

from symfind.errors import InputError, LoadError, SymfindError
from symfind.load import describe, load

HEADER = "import torch\nfrom torch import nn\n"


@pytest.fixture
def write(tmp_path):
    def write(body: str, name: str = "net.py") -> str:
        path = tmp_path / name
        path.write_text(HEADER + textwrap.dedent(body))
        return str(path)

    return write


NET = """
class Net(nn.Module):
    def __init__(self, width=3, depth=1):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])

    def forward(self, x):
        return self.layers(x)

example_inputs = torch.ones(1, 3)
"""


def test_module_and_example_inputs(write):
    loaded = load(write(NET + "model = Net()"))
    assert loaded.name == "Net" and describe(loaded.inputs, loaded.model) == {"x": "f32[1,3]"}
    assert loaded.sizes == {"width": 3}


def test_class_and_function_take_settings(write):
    path = write(NET + "def build(width: int = 2):\n    return Net(width), torch.ones(4, width)")
    loaded = load(f"{path}:Net", settings={"width": "5"}, inputs=["f32[2,5]"])
    assert loaded.sizes["width"] == 5 and describe(loaded.inputs) == {"0": "f32[2,5]"}
    loaded = load(f"{path}:build", settings={"width": "6"})
    assert describe(loaded.inputs) == {"0": "f32[4,6]"}


def test_importable_module(write, tmp_path, monkeypatch):
    write(NET + "model = Net()", "a_package_of_mine.py")
    monkeypatch.chdir(tmp_path)
    assert load("a_package_of_mine:model").name == "Net"
    with pytest.raises(LoadError, match="no module 'nowhere'"):
        load("nowhere.inside:model")


def test_neighbours_can_be_imported_and_printing_stays_off_stdout(write, capsys):
    write("WIDTH = 3", "neighbour_of_mine.py")
    path = list(sys.path)
    load(write("import neighbour_of_mine\nprint('hello')\n" + NET + "model = Net()"))
    captured = capsys.readouterr()
    assert captured.out == "" and "hello" in captured.err and sys.path == path


def test_random_states_of_the_caller_stay(write):
    path = write(
        "import random, numpy\nrandom.random(); numpy.random.rand()\n"
        + NET
        + "model = Net()\nexample_inputs = torch.randn(1, 3)"
    )
    states = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    first, second = load(path), load(path)
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert torch.equal(first.inputs.args[0], second.inputs.args[0])


def test_config_sizes(write):
    loaded = load(
        write("""
        from dataclasses import dataclass

        @dataclass
        class Config:
            n_embd: int = 8
            n_head: int = 2
            tied: bool = True
            rate: float = 0.5

        class Net(nn.Linear):
            def __init__(self):
                super().__init__(8, 2)
                self.config = Config()

        model, example_inputs = Net(), torch.ones(1, 8)
        """)
    )
    assert loaded.sizes == {"n_embd": 8, "n_head": 2, "head_dim": 4}


@pytest.mark.parametrize(
    ("body", "spec", "says"),
    [
        (NET, "{}", r"no attribute 'model'; it defines Net, example_inputs"),
        (NET + "mine = Net()", "{}", r"it defines Net, example_inputs, mine"),
        (NET + "modle = Net()", "{}", r"no attribute 'model'; did you mean 'modle'"),
        (NET + "model = 3", "{}", r"gives a int, not a torch.nn.Module"),
        (NET + "model = lambda: 'x'", "{}", r"gives a str, not a torch.nn.Module"),
        (NET + "model = nn.ReLU()", "{}", r"ReLU has no parameters"),
        (NET + "model = Net().requires_grad_(False)", "{}", r"every parameter of Net is frozen"),
        (NET + "model = nn.LazyLinear(3)", "{}", r"weight has no shape yet"),
        (NET + "def model(size): ...", "{}", r"needs size; give --set size=VALUE"),
        (NET + "def model():\n    raise ValueError('bad size')", "{}", r"ValueError: bad size"),
        ("model = undefined_name", "{}", r"NameError: name 'undefined_name' is not defined"),
        ("model = (", "{}", r"SyntaxError: .*net.py:3"),
        ("import sys\nsys.exit(3)", "{}", r"SystemExit"),
        ("import no_such_package_xyz", "{}", r"ModuleNotFoundError: No module named"),
    ],
)
def test_files_at_fault(write, body, spec, says):
    with pytest.raises(LoadError, match=says):
        load(spec.format(write(body)))


def test_an_error_on_import_comes_first_with_its_line(write):
    path = write("def build():\n    return 1 / 0\n\nmodel = build()\n")
    with pytest.raises(LoadError) as caught:
        load(path)
    first, second, third = str(caught.value).splitlines()
    assert first == "net.py failed while it was imported: ZeroDivisionError: division by zero"
    assert second.endswith("net.py:4 in build") and third.strip() == "return 1 / 0"


def test_no_inputs_and_none_derivable(write):
    with pytest.raises(InputError, match="no example inputs"):
        load(write("model = nn.Linear(2, 2)"))


def test_settings_that_nothing_takes(write):
    path = write(NET + "model = Net()")
    with pytest.raises(LoadError, match="did you mean width"):
        load(f"{path}:Net", settings={"widht": "3"})
    with pytest.raises(LoadError, match="already built"):
        load(path, settings={"width": "3"})


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_file.py", "no such file"),
        ("no/such/file.py:model", "no folder no/such"),
        ("gibberish", "neither a file nor a model spec"),
        ("", "folder"),
        ("torchvision:", "names no model"),
        ("os.nope:model", "no module 'os.nope'"),
        ("json:model", "json has no attribute 'model'"),
    ],
)
def test_specs_at_fault(spec, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SymfindError, match=says):
        load(spec)


def test_a_misspelt_file_is_suggested(write):
    path = write(NET)
    with pytest.raises(LoadError, match=r"did you mean .*net\.py"):
        load(path.replace("net.py", "nett.py"))
    other = write("", "readme.txt")
    with pytest.raises(LoadError, match="not a Python file"):
        load(other)


def test_a_file_that_is_written_again_at_once_is_read_again(write, tmp_path):
    body = "import torch\nmodel, example_inputs = torch.nn.Linear(3, {n}), torch.ones(2, 3)\n"
    widths = []
    for n in (2, 5, 7):
        loaded = load(write(body.format(n=n)))
        widths.append(loaded.model.out_features)
    assert widths == [2, 5, 7]
    assert not list(tmp_path.rglob("*.pyc"))
