"""Commands in tests: a file with a model, and what a call of `symfind` gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from symfind.cli import main


def command(*head: str) -> Callable[..., Result]:
    """Call `symfind HEAD ...` as in a terminal of 80 columns."""

    def call(*arguments: str) -> Result:
        return CliRunner(env={"COLUMNS": "80"}).invoke(main, [*head, *arguments])

    return call


def model_file(source: str) -> Any:
    """A fixture: the path of a file with this source."""

    @pytest.fixture
    def path(tmp_path: Path) -> str:
        file = tmp_path / "net.py"
        file.write_text(source)
        return str(file)

    return path
