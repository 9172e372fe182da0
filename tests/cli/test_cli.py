import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symfind import __version__
from symfind.report import Report, page
from tests.cli import stub
from tests.command import command, model_file
from tests.report import examples

NET = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
example_inputs = torch.ones(1, 3)
"""
ROOT = Path(__file__).parents[2]
net = model_file(NET)
call = command()


def python(code: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # as at a terminal: what runs in the background is started with interrupts ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture
def analysis(monkeypatch):
    """Replace the analysis; call the fixture with the report that it shall give."""
    calls = []

    def install(report: Report) -> list:
        monkeypatch.setitem(sys.modules, "symfind.session", stub.install(report, calls))
        return calls

    monkeypatch.setitem(sys.modules, "symfind.session", None)
    install(examples.complete())
    install.calls = calls
    return install


def test_help_needs_no_torch():
    code = "import sys, symfind.cli\nassert not {'torch', 'sympy', 'rich'} & set(sys.modules)"
    process = python(code)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    for words in ((), ("analyze",), ("catalog", "build"), ("dims",)):
        result = call(*words, "--help")
        assert result.exit_code == 0 and "Usage" in result.stdout
    assert __version__ in call("--version").stdout


def test_analyze_passes_everything_on(analysis, net):
    result = call(
        "analyze", net + ":model", "--input", "f32[2,3]", "--output", "softmax", "--train",
        "--no-verify", "--certify", "never", "--seed", "7",
        "--budget", "1.5m", "--points", "generic,init", "--discover", "--no-formula",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (arguments,) = analysis.calls
    assert callable(arguments.pop("progress"))  # which prints what may never end, nothing else
    assert arguments == {
        "model": net + ":model",
        "inputs": ("f32[2,3]",),
        "settings": {},
        "weights": None,
        "output": "softmax",
        "train": True,
        "verify": False,
        "certify": "never",
        "device": "cpu",
        "seed": 7,
        "budget": 90.0,
        "points": "generic,init",
        "discover": True,
        "discovery": True,
        "formula": False,
        "without": (),
    }
    assert result.stderr == ""


def test_nobody_is_told_anything_who_wants_quiet(analysis, net):
    assert call("analyze", net, "--quiet").exit_code == 0
    assert analysis.calls[-1]["progress"] is None


@pytest.mark.parametrize("text", ["soon", "-3s", "0", "s", "inf"])
def test_a_budget_is_a_time(analysis, net, text):
    result = call("analyze", net, f"--budget={text}")
    assert result.exit_code == 2 and "60s" in result.stderr
    assert not analysis.calls


def test_report_goes_to_stdout_as_plain_text(analysis, net):
    result = call("analyze", net)
    assert "GPT2LMHeadModel" in result.stdout and "\x1b" not in result.stdout
    assert len(call("analyze", net, "--details").stdout) > len(result.stdout)


def test_no_line_ends_with_spaces(analysis, net):
    lines = call("analyze", net, "--details").stdout.split("\n")
    assert lines == [line.rstrip() for line in lines] and len(lines) > 10


def test_json_file_and_stdout(analysis, net, tmp_path):
    path = tmp_path / "report.json"
    result = call("analyze", net, "--json", str(path))
    assert result.exit_code == 0 and result.stdout
    assert Report.from_json(path.read_text()) == examples.complete()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert json.loads(call("analyze", net, "--json", "-").stdout)["schema"] == "symfind.report/1"
    assert call("analyze", net, "--json", str(path), "--quiet").stdout == ""
    assert call("analyze", net, "--quiet").stdout != ""


def test_a_special_file_and_a_link_stay_what_they_are(analysis, net, tmp_path):
    assert call("analyze", net, "--json", os.devnull).exit_code == 0
    assert not Path(os.devnull).is_file()
    link, target = tmp_path / "link.json", tmp_path / "target.json"
    link.symlink_to(target)
    assert call("analyze", net, "--json", str(link)).exit_code == 0
    assert link.is_symlink() and target.is_file()


def test_pages(analysis, net, tmp_path):
    path = tmp_path / "report.html"
    result = call("analyze", net, "--page", str(path))
    assert result.exit_code == 0
    assert path.read_text() == page(examples.complete(), ".html")
    assert "redundant" in result.stdout


@pytest.mark.parametrize("name", ["report.pdf", "report", "nowhere/report.html"])
def test_pages_that_cannot_be_are_refused_before_the_work(analysis, net, name):
    result = call("analyze", net, "--page", name)
    assert result.exit_code == 2
    assert "report" in result.stderr or ".html" in result.stderr
    assert not analysis.calls


@pytest.mark.parametrize("where", ["nowhere/report.json", "."])
def test_an_output_that_cannot_be_written_is_found_before_the_work(
    analysis, net, tmp_path, where, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = call("analyze", net, "--json", where)
    assert result.exit_code == 2 and "cannot write" in result.stderr
    assert analysis.calls == [] and result.stdout == ""


def with_status(report: Report, verification: str = "verified", certificate: str = "complete"):
    return dataclasses.replace(
        report,
        verification=dataclasses.replace(report.verification, status=verification),
        certificate=dataclasses.replace(report.certificate, status=certificate),
    )


@pytest.mark.parametrize(
    ("report", "plain", "strict"),
    [
        (with_status(examples.complete()), 0, 0),
        (with_status(examples.complete(), certificate="incomplete"), 0, 1),
        (with_status(examples.complete(), certificate="skipped"), 0, 1),
        (with_status(examples.complete(), verification="failed"), 1, 1),
        (
            dataclasses.replace(
                with_status(examples.complete()), unsupported=examples.troubled().unsupported
            ),
            0,
            1,
        ),
    ],
)
def test_exit_codes_of_reports(analysis, net, report, plain, strict):
    analysis(report)
    assert call("analyze", net).exit_code == plain
    assert call("analyze", net, "--strict").exit_code == strict


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.py"], "missing.py: no such file"),
        (["net.py:modle"], "did you mean 'model'"),
        (["net.py", "--input", "f32(3)"], "--input 'f32(3)' is not understood"),
        (["net.py", "--input", "x=f32[3]"], "inputs do not fit"),
        (["net.py", "--set", "width"], "is not KEY=VALUE"),
        (["net.py", "--set", "width=3"], "already built"),
        (["net.py", "--weights", "none.pt"], "none.pt: no such file"),
        (["net.py", "--device", "warp"], "--device warp cannot be used"),
        (["net.py", "--device", "meta"], "--device meta cannot be used"),
        (["net.py", "--output", "tanh"], "'tanh' is not one of"),
        (["net.py", "--seed", "-1"], "not in the range"),
        ([], "Missing argument 'MODEL'"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(analysis, net, monkeypatch, arguments, says):
    monkeypatch.chdir(Path(net).parent)
    result = call("analyze", *arguments)
    assert result.exit_code == 2 and says in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


def test_debug_shows_the_traceback(analysis, tmp_path):
    result = call("analyze", str(tmp_path / "missing.py"), "--debug")
    assert result.exit_code == 2 and "Traceback" in result.stderr


def test_faults_of_our_own_say_so(analysis, net, monkeypatch):
    monkeypatch.setattr(sys.modules["symfind.session"], "analyze", 0)  # not of a user's making
    result = call("analyze", net)
    assert result.exit_code == 2 and "internal error: TypeError: " in result.stderr
    assert "Traceback" not in result.stderr


def test_warnings_are_lines_on_stderr_unless_quiet(analysis, net, monkeypatch):
    import symfind.load.grammar as grammar

    def warn(*arguments, **settings):
        code = "import warnings\nwarnings.warn('mind the gap')"
        exec(compile(code, grammar.__file__, "exec"), {})
        return examples.complete()

    monkeypatch.setattr(sys.modules["symfind.session"], "analyze", warn)
    assert call("analyze", net).stderr == "warning: mind the gap\n"
    assert call("analyze", net, "--quiet").stderr == ""


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_dims(analysis, net, form):
    result = call("dims", net, "--format", form)
    assert result.exit_code == 0 and result.stdout.strip()
    assert analysis.calls[0]["certify"] == "never"


def test_catalog_build(analysis, tmp_path, monkeypatch):
    import symfind.catalog

    seen = []

    def build(out, only, progress, **more):
        assert len(more["known"]) > 30 and more["title"] == "The catalog of symfind"
        progress("[1/1] one")
        seen.append((out, only))
        return 1

    monkeypatch.setattr(symfind.catalog, "build", build)
    result = call("catalog", "build", "--out", str(tmp_path / "c"), "--only", "a", "--only", "b")
    assert seen == [(tmp_path / "c", ("a", "b"))]
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "[1/1] one\n")
    (tmp_path / "file").write_text("")
    assert call("catalog", "build", "--out", str(tmp_path / "file")).exit_code == 2


STUBBED = """
import sys
from tests.cli import stub
from tests.report import examples
stub.install(examples.complete())
from symfind.cli import main
sys.argv = ["symfind", *{arguments!r}]
main()
"""


def test_a_reader_that_leaves_is_no_error(net):
    process = python(STUBBED.format(arguments=["analyze", net, "--json", "-"]))
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_interrupt_is_one_line_and_exit_code_130(tmp_path):
    started = tmp_path / "started"
    slow = tmp_path / "slow.py"
    slow.write_text(f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(60)")
    process = python(STUBBED.format(arguments=["analyze", str(slow)]))
    while not started.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    said = "interrupted while loading the model: nothing was derived yet; take a smaller model"
    assert err.startswith(said) and err.count("\n") == 1
