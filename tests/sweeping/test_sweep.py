"""Whole sweeps, over processes of their own."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import symfind
from symfind.cli import main

MODELS = Path(__file__).with_name("models.py")
ROOT = Path(__file__).parents[2]

SCRIPT = """
import symfind
symfind.sweep("{models}:mlp", {{"width": range(2, 12)}}, file="{file}", jobs=1)
"""  # a script without a guard: a process of the sweep must not run it again


def test_a_table_over_settings(tmp_path) -> None:
    csv_file, plot_file = tmp_path / "out.csv", tmp_path / "out.svg"
    call = ["sweep", f"{MODELS}:mlp", "--set", "width=2..3", "--set", "depth=1,2",
            "--csv", str(csv_file), "--plot", str(plot_file), "--quiet"]  # fmt: skip
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(csv_file.read_text())))
    sizes = [(int(r["width"]), int(r["depth"])) for r in rows]
    assert sizes == [(2, 1), (2, 2), (3, 1), (3, 2)]
    for (width, depth), r in zip(sizes, rows, strict=True):
        count = depth * (width * width + width) + 2 * width + 2
        assert int(r["parameters"]) == count
        assert int(r["symmetry"]) == int(r["laws"]) == width * depth  # a scale for each unit
        assert int(r["effective"]) == count - width * depth
        assert float(r["lambda_bound"]) == int(r["effective"]) / 2
        assert (r["status"], r["verification"], r["certificate"]) == (
            "analysed", "verified", "complete",
        )  # fmt: skip
    picture = plot_file.read_text()
    assert picture.count("<polyline") == 2 and picture.count("<circle") == 4
    assert "depth=2" in picture and "width" in picture
    assert "4 redundant" not in result.stdout and "lambda <=" in result.stdout


def test_a_row_says_what_an_analysis_says() -> None:
    report = symfind.analyze(f"{MODELS}:mlp", settings={"width": 4})
    found = symfind.sweep(f"{MODELS}:mlp", {"width": 4})
    (record,) = found.records
    said = report.to_dict()
    assert record["dimension"].items() <= said["dimension"].items()
    assert record["certificate"].items() <= said["certificate"].items()
    assert record["groups"] == [[f.kind, f.group, f.sites, f.total] for f in report.factors]
    assert repr(found) == "<symfind sweep: 1 model, 1 analysed, 1 verified, 1 complete>"


def test_what_goes_wrong_costs_its_own_row_only(tmp_path) -> None:
    names = ("mlp", "hang", "crash", "leave", "grow", "none", "unknown")
    found = symfind.sweep(
        [f"{MODELS}:{name}" for name in names], {}, preferred={"depth": "2"},
        file=tmp_path / "s.jsonl", seconds=15.0, gigabytes=1.5, budget=60, jobs=3,
    )  # fmt: skip
    by = dict(zip(names, found.records, strict=True))
    assert by["mlp"]["status"] == by["unknown"]["status"] == "analysed"
    assert by["mlp"]["dimension"]["parameters"] == 32  # the preferred setting reached it
    reasons = {name: by[name].get("reason") for name in names}
    assert reasons == {"mlp": None, "hang": "time", "crash": "crash", "leave": "crash",
                       "grow": "memory", "none": "LoadError", "unknown": None}  # fmt: skip
    assert "SIGSEGV" in by["crash"]["message"] and "ended with 3" in by["leave"]["message"]
    assert by["unknown"]["unsupported"] == {"aten.linalg_matrix_exp.default": 1}
    text = found.summary()
    assert "aten.linalg_matrix_exp.default" in text and "SIGSEGV" in text
    again = symfind.sweep(
        [f"{MODELS}:{name}" for name in names], {}, preferred={"depth": "2"},
        file=tmp_path / "s.jsonl", seconds=15.0, gigabytes=1.5, budget=60,
    )  # fmt: skip
    assert again.records == found.records  # nothing was begun, or it would hang again


def test_killed_at_any_moment_it_goes_on(tmp_path) -> None:
    file = tmp_path / "sweep.jsonl"
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(models=MODELS, file=file))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        _wait(lambda: file.exists() and file.read_bytes().count(b"\n") >= 3, running)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    before = file.read_bytes()
    done = before.count(b"\n")
    assert 3 <= done < 10
    file.write_bytes(before + b'{"schema": "symfind.sweep/1", "key": "ab')  # a torn line
    lines = []
    found = symfind.sweep(f"{MODELS}:mlp", {"width": range(2, 12)}, file=file,
                          progress=lines.append)  # fmt: skip
    assert file.read_bytes().startswith(before)  # what was known was not done again
    keys = [json.loads(line)["key"] for line in file.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(found.records) == 10
    assert lines[0] == f"{done} of 10 known already" and len(lines) == 1 + 10 - done
    assert [record["settings"]["width"] for record in found.records] == list(range(2, 12))


def _wait(ready, running) -> None:
    end = time.monotonic() + 120
    while not ready():
        assert running.poll() is None, "the sweep ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["torchvision:nope*"], "no model that matches"),
        (["a.py", "--set", "width=4..1"], "width=4..1 has no value"),
        (["none.txt"], "cannot read the list of models none.txt"),
        (["a.py", "-o", "/none/of/these.jsonl"], "cannot write"),
        (["a.py", "-o", "same", "--csv", "same"], "is the file of -o as well"),
        ([], "Missing argument"),
        (["a.py", "--time", "soon"], "no time"),
    ],
)
def test_bad_usage_ends_with_2(call, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["sweep", *call])
    assert result.exit_code == 2
    assert words in result.output


def test_errors_of_models_are_data(tmp_path) -> None:
    (tmp_path / "net.py").write_text("raise ValueError('a\\x1b[31m red \\x07 bell')\n")
    result = CliRunner().invoke(main, ["sweep", str(tmp_path / "net.py"), "--csv", "-"])
    assert "\x1b" not in result.output and "\x07" not in result.output
    assert "red" in result.stderr and "LoadError" in result.stdout


def test_strict_wants_everything() -> None:
    call = ["sweep", f"{MODELS}:mlp", f"{MODELS}:unknown", "--quiet", "--json", "-"]
    result = CliRunner().invoke(main, [*call, "--strict"])
    assert result.exit_code == 1
    counts = json.loads(result.stdout)["suites"]["all"]
    assert (counts["models"], counts["analysed"], counts["supported"]) == (2, 2, 1)


def test_pandas_where_it_is_there() -> None:
    pandas = pytest.importorskip("pandas")
    frame = symfind.sweep(f"{MODELS}:mlp", {"width": [2, 3]}).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["symmetry"]) == [2, 3]
