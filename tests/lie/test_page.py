"""The page shows what the program prints."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "identify.md"


def test_page() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 8 and found.failed == 0
