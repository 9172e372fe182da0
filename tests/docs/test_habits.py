"""What is said twice of the project is said alike."""

import re
import tomllib
from pathlib import Path

import yaml

from symfind import __version__

ROOT = Path(__file__).parents[2]


def test_the_version_has_one_source() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "symfind/__init__.py"
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lowest_torch_that_is_allowed_is_the_one_that_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (lowest,) = (d.partition(">=")[2] for d in project["dependencies"] if d.startswith("torch>="))
    constraints = (ROOT / "constraints.txt").read_text()
    (tested,) = re.findall(r"^torch==(.*)$", constraints, re.MULTILINE)
    assert tested.split(".")[: len(lowest.split("."))] == lowest.split(".")
    installed = re.findall(r"torch==(\S+)", (ROOT / "README.md").read_text())
    assert installed and set(installed) == {tested}


def test_the_line_that_is_run_is_that_of_the_readme() -> None:
    """`.ci/run` takes it from there: exactly one line installs and tests."""
    lines = re.findall(r"^    pip install .* && python -m pytest .*$",
                       (ROOT / "README.md").read_text(), re.MULTILINE)  # fmt: skip
    assert len(lines) == 1 and "-n auto" in lines[0] and "constraints.txt" in lines[0]
    assert (
        'grep -m 1 "^    pip install .* && python -m pytest" README.md'
        in (ROOT / ".ci/run").read_text()
    )
