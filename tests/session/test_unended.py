"""Loops in code of a model that never end, or not in time."""

import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import symfind
from symfind.budget import LongRunning, OutOfTime, Unended, limited, limited_code
from symfind.errors import LoadError, TraceError
from symfind.family import family
from symfind.session import unended
from tests.command import command

call = command()
HEAD = """
import time, torch
from torch import nn

class Net(nn.Module):
    def __init__(self, hidden: int = 5):
        super().__init__()
        self.first, self.last = nn.Linear(3, hidden), nn.Linear(hidden, 2)
        {constructor}

    def forward(self, x):
        {forward}
        return self.last(torch.relu(self.first(x)))

model, example_inputs = Net, torch.ones(4, 3)
"""
SWALLOWS = """
        while True:
            try:
                time.sleep(0.01)
            except {caught}:
                pass
"""


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What torch imports at its first trace takes time, too."""
    symfind.analyze(nn.Linear(3, 2), torch.ones(4, 3))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unended, "_FIRST", 0.2)
    monkeypatch.setattr(unended, "_LEAST", 0.6)
    monkeypatch.setattr(family, "_LEAST", 0.3)
    monkeypatch.setattr(family, "_EACH", 0.0)


def written(folder: Path, forward: str = "pass", constructor: str = "pass") -> str:
    path = folder / "net.py"
    path.write_text(HEAD.format(forward=forward.strip(), constructor=constructor.strip()))
    return str(path)


class Endless(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while True:
            x = torch.tanh(x)


def test_a_forward_that_does_not_end_is_named_and_ended() -> None:
    said: list[str] = []
    with pytest.raises(TraceError, match=r"0\.6 s .* tracing .*test_unended\.py:\d+ in forward"):
        symfind.analyze(Endless(3, 2), torch.ones(4, 3), budget=0.1, progress=said.append)
    lines = [line for line in said if isinstance(line, LongRunning)]
    assert lines and all("x = torch.tanh(x)" in line or "while True" in line for line in lines)


@pytest.mark.parametrize(
    "forward", ["while True: pass", SWALLOWS.format(caught="Exception"),
                SWALLOWS.format(caught="(Exception, KeyboardInterrupt)")],
)  # fmt: skip
def test_the_command_ends_with_one_message(tmp_path: Path, forward: str) -> None:
    result = call("analyze", written(tmp_path, forward), "--budget", "0.1s")
    assert result.exit_code == 2 and not result.stdout
    *before, last = result.stderr.strip().splitlines()
    assert (
        last.startswith("error: the limit of 0.6 s has passed while tracing") and "net.py" in last
    )
    assert all("is still running after" in line for line in before)


def test_a_constructor_that_does_not_end(tmp_path: Path) -> None:
    path = written(tmp_path, constructor="while True: time.sleep(0.01)")
    with pytest.raises(LoadError, match=r"loading .*net\.py:\d+ in __init__"):
        symfind.analyze(path, budget=0.1)
    (tmp_path / "file.py").write_text("while True: pass")
    with pytest.raises(LoadError, match=r"loading .*file\.py:1 in <module>"):
        symfind.analyze(str(tmp_path / "file.py"), budget=0.1)


def test_what_takes_long_and_ends_is_analysed(tmp_path: Path) -> None:
    path, said = written(tmp_path, "time.sleep(0.8)"), list[str]()
    less = {"certify": "never", "verify": False, "formula": False, "progress": said.append}
    report = symfind.analyze(path, **less)
    assert report.dimension.redundant == 5
    assert any(isinstance(line, LongRunning) and "time.sleep" in line for line in said)
    quick = written(tmp_path, "time.sleep(0.1)")
    said.clear()
    symfind.analyze(quick, budget=0.1, **less)
    assert not any(isinstance(line, LongRunning) for line in said)


@pytest.mark.parametrize("where", ["forward", "constructor"])
def test_loops_that_end_at_the_own_size_only_do_not_stop_the_analysis(
    tmp_path: Path, where: str
) -> None:
    loop = "while self.first.out_features != 5: pass"
    report = symfind.analyze(written(tmp_path, **{where: loop}))
    assert report.dimension.redundant == 5 and report.is_complete


def test_a_library_that_the_model_imports_is_not_left_half_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = tmp_path / "site-packages"
    libraries.mkdir()
    (libraries / "slow_library.py").write_text("import time\ntime.sleep(1.0)\ndone = True")
    monkeypatch.syspath_prepend(str(libraries))
    path = written(tmp_path, "import slow_library\n        while True: pass")
    with pytest.raises(TraceError):
        symfind.analyze(path, budget=0.1)
    assert sys.modules.pop("slow_library").done


def test_code_that_is_not_the_models_may_go_on() -> None:
    start = time.monotonic()
    with limited_code(0.05, lambda frame: ""):
        while time.monotonic() < start + 0.2:
            pass
    with pytest.raises(Unended), limited_code(0.05, lambda frame: "here"):
        while time.monotonic() < start + 10:
            pass


def test_a_limit_around_it_holds_as_well() -> None:
    start = time.monotonic()
    with pytest.raises(OutOfTime), limited(0.5):
        with limited_code(0.1, lambda frame: ""):
            time.sleep(0.2)
        while time.monotonic() < start + 10:
            pass
    with pytest.raises(OutOfTime), limited(0.2), limited_code(30.0, lambda frame: ""):
        while time.monotonic() < start + 10:
            pass
    assert time.monotonic() < start + 5


def test_elsewhere_than_on_the_main_thread_there_is_no_limit() -> None:
    ended: list[bool] = []

    def run() -> None:
        with limited_code(0.05, lambda frame: "here"):
            time.sleep(0.2)
        ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ended == [True]
