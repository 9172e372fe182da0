"""A catalog of one's own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from symfind.catalog import project
from symfind.catalog.entries import Entry
from symfind.catalog.fingerprint import fingerprint
from symfind.cli import main
from symfind.errors import InputError

NET = """
import torch
from torch import nn

def build(width=4, act="ReLU"):
    net = nn.Sequential(nn.Linear(width, width), getattr(nn, act)(), nn.Linear(width, 3))
    return net, torch.ones(1, width)
"""
TOML = """
[catalog]
title = "Mine & yours"
out = "pages"
html = true

[[entry]]
title = "A ReLU net"
spec = "net.py:build"
settings = { width = 5 }
text = "One *scale* for each unit."

[[entry]]
title = "A Tanh net"
spec = "net.py:build"
settings = { act = "Tanh" }
family = "Smooth"
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "symfind.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, ["catalog", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_built_once_and_again_only_where_something_changed(place) -> None:
    first = call("build")
    assert first.exit_code == 0, first.output
    assert "[2/2]" in first.stderr
    made = contents(place / "pages")
    assert set(made) == {
        "README.md", "index.html", "manifest.json",
        *(f"a-relu-net{e}" for e in (".json", ".md", ".svg", ".html")),
        *(f"a-tanh-net{e}" for e in (".json", ".md", ".html")),
    }  # fmt: skip
    page = made["a-relu-net.md"].decode()
    assert "One *scale* for each unit." in page
    assert "symfind analyze net.py:build --set width=5" in page
    assert "```math\n" in page and "$$" not in page
    index = made["README.md"].decode()
    assert "# Mine \\& yours" in index and "## Smooth" in index
    assert (
        "| [A ReLU net](a-relu-net.md) | 48 | 5 | 10.42% | GL+(1,\N{NO-BREAK SPACE}R) | complete |"
        in index
    )
    assert "Mine &amp; yours" in made["index.html"].decode()

    again = call("build")
    assert "2 of 2 entries are up to date" in again.stderr and "[1/" not in again.stderr
    assert contents(place / "pages") == made
    assert call("check").exit_code == 0

    (place / "symfind.toml").write_text(TOML.replace("width = 5", "width = 6"))
    assert call("check").exit_code == 1
    assert "a-relu-net: stale\n1 of 2 entries are up to date" in call("check").stdout
    changed = call("build")
    assert "[1/1] A ReLU net" in changed.stderr
    assert "| 63 | 6 |" in (place / "pages" / "README.md").read_text()

    (place / "symfind.toml").write_text(TOML)
    anew = call("build", "--fresh", "--jobs", "1")
    assert "[2/2]" in anew.stderr
    assert contents(place / "pages") == made  # the same bytes, whatever came before

    (place / "symfind.toml").write_text(TOML.partition('[[entry]]\ntitle = "A Tanh')[0])
    call("build")
    assert not (place / "pages" / "a-tanh-net.md").exists()


def test_edits_and_differences_are_seen(place) -> None:
    call("build")
    path = place / "pages" / "a-relu-net.md"
    path.write_text(path.read_text() + "mine\n")
    assert "a-relu-net: edited" in call("check").stdout
    assert call("diff", "--quiet").exit_code == 0  # a page is no result
    (place / "net.py").write_text(
        NET.replace("nn.Linear(width, 3)", "nn.Linear(width, 3, bias=False)")
    )
    states = json.loads(call("list", "--json", "-").stdout)["entries"]
    assert [(e["slug"], e["state"]) for e in states] == [
        ("a-relu-net", "stale"), ("a-tanh-net", "stale"),
    ]  # fmt: skip
    result = call("diff", "--only", "a-relu-net", "--quiet")
    assert result.exit_code == 1 and "parameters" in result.stdout and "(-3)" in result.stdout
    (place / "net.py").write_text("raise ValueError('gone')\n")
    broken = call("build")
    assert broken.exit_code == 1 and "gone" in broken.stderr
    assert "- `a-relu-net`: LoadError" in (place / "pages" / "README.md").read_text()
    assert (place / "pages" / "a-relu-net.json").exists()


def test_entries_are_added(place) -> None:
    (place / "symfind.toml").unlink()
    for title in ('A "quoted" net', "Another"):
        result = call(
            "add", "net.py:build", "--title", title, "--set", "act='GELU'", "--text", "ä\n"
        )
        assert result.exit_code == 0, result.output
    found = project.load(Path("symfind.toml")).entries
    assert [e.slug for e in found] == ["a-quoted-net", "another"]
    assert found[0].title == 'A "quoted" net' and found[0].settings == {"act": "'GELU'"}
    assert found[0].text == "ä\n"
    again = call("add", "net.py:build", "--title", "Another")
    assert again.exit_code == 2 and "has an entry another already" in again.stderr
    assert "a-quoted-net  missing" in call("list").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[entry]]\ntitle = 'x'\n", "entry 1 has no spec"),
        ("[[entry]]\nspec = 'a.py'\nspek = 1\n", "entry 1 does not know 'spek'"),
        ("[[entry]]\nspec = 3\n", "spec is a text, not 3"),
        ("[entry]\nspec = 'a.py'\n", "double brackets"),
        ("[[entry]]\nspec = 'a.py'\n[[entry]]\nspec = 'a.py'\n", "two entries have the slug a.py"),
        ("[[entry]]\nspec = 'a.py'\nslug = '../x'\n", "names files"),
        ("[catalog\n", "is no TOML"),
        ("[catalogue]\n", "does not know 'catalogue'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, words) -> None:
    path = tmp_path / "symfind.toml"
    path.write_text(text)
    result = call("build", "--config", str(path))
    assert result.exit_code == 2
    assert words in result.stderr and str(path) in result.stderr


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="symfind catalog add"):
        project.load(Path("none.toml"))


def test_what_a_result_depends_on_is_in_its_hash(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    Path("sizes.py").write_text("n = 1\n")
    one = Entry("a", "A", "net.py:build", "x", {"width": "3"}, depends=("sizes.py",))
    key = fingerprint(one).asked
    renamed = Entry("b", "B", "net.py:build", "y", {"width": "3"}, depends=("sizes.py",), text="t")
    assert fingerprint(renamed).asked == key
    assert fingerprint(Entry("a", "A", "net.py:build", "x", {"width": "4"})).asked != key
    Path("sizes.py").write_text("n = 2\n")
    assert fingerprint(one).asked != key
