"""How the certificate's words are shown."""

import io
from dataclasses import replace

from rich.console import Console

from symfind.report.certificate import NullEntry, NullSet, NullVector
from symfind.report.markdown import markdown
from symfind.report.model import Report
from symfind.report.terminal import render
from tests.report.examples import troubled

WORDS = (
    "8 in net[0].weight: structural (at every point); a rule is missing.",
    "At initialisation 3 more are null: special to this point.",
)


def explained() -> Report:
    report = troubled()
    entries = (NullEntry("net[0].weight", (0, 3), -0.5), NullEntry("net[0].weight", (1, 3), 0.25))
    one = NullSet("structural", 8, ("net[0].weight",), 0, WORDS[0], (NullVector(9, entries),))
    certificate = replace(
        report.certificate, at={"generic": 20, "init": 23}, known=12, saturation=((64, 17),),
        unexplained_sets=(one,), words="\n".join(WORDS),
    )  # fmt: skip
    return replace(report, certificate=certificate)


def shown(details: bool) -> list[str]:
    out = io.StringIO()
    render(explained(), Console(file=out, width=80), details)
    return out.getvalue().splitlines()


def test_words_on_a_terminal() -> None:
    lines = shown(details=False)
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert all(sentence in text for sentence in WORDS)
    assert "null vector" not in text


def test_null_vectors_in_detail() -> None:
    lines = shown(details=True)
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "-0.5 net[0].weight[0,3] +0.25 net[0].weight[1,3] and 7 smaller ones" in text


def test_words_in_markdown() -> None:
    page = markdown(explained())
    assert r"- 8 in net\[0\].weight: structural" in page
    assert WORDS[1] in page


def test_json() -> None:
    assert Report.from_json(explained().to_json()) == explained()
