"""Words of the report, explained."""

from click.testing import CliRunner

from symfind.cli import main
from symfind.report.glossary import WORDS
from symfind.report.model import KINDS


def call(*words: str):
    return CliRunner().invoke(main, ["help", *words])


def test_every_kind_and_count_is_explained() -> None:
    counts = ("algebra", "symmetry", "inert", "redundant", "effective", "nullity", "unexplained")
    for word in (*KINDS, *counts):
        done = call(word)
        assert done.exit_code == 0 and done.stdout.startswith(f"{word}\n  ")
        assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_all_words_commands_and_misspellings() -> None:
    assert all(word in call().stdout for word in WORDS)
    assert "Usage" in call("analyze").output
    assert call("twins").stdout.startswith("twins\n  The same graph")
    done = call("reech")
    assert done.exit_code == 2 and "reach" in done.output
