"""What is unexplained takes a few lines of a terminal, and all of it is under --details."""

from dataclasses import replace

import pytest

from symfind.report.certificate import Certificate, NullSet
from symfind.report.terminal import fold
from symfind.report.unexplained import LINES, brief
from tests.report.examples import troubled
from tests.report.test_renderings import printed

SETS = (
    NullSet("structural", 3, ("a.weight", "b.weight"), 0, (
        "structural (as many are null at each of 3 random points); no linear action on these "
        "tensors explains it: an inner part has more parameters than functions, or a rule is "
        "missing"
    )),
    NullSet("structural", 4, tuple(f"layers.{i}.weight" for i in range(9)), 1, (
        "structural (as many are null at each of 3 random points); a linear action on these "
        "tensors explains 1: a rule is missing"
    )),
    NullSet("filling", 12, ("t.weight",), None, (
        "filling: with all others held, what these tensors reach fills an affine space of "
        "dimension 3 (tangent spaces at two points agree); there are more parameters than "
        "dimensions, and it takes no group to make them null"
    )),
    NullSet("inputs", 2, ("p",), None, (
        "null for inputs like those given: longer ones showed it; analyse with such inputs "
        "(--input)"
    )),
)  # fmt: skip
LOOKED = "Discovery found no vector field that explains any of them."


def certificate(sets, prefix="", **more):
    lines = [f"{prefix}{s.dimension} in {', '.join(s.tensors)}: {s.words}." for s in sets]
    text = "\n".join([*lines, LOOKED])
    return Certificate("incomplete", unexplained_sets=sets, words=text, **more)


def said(one, width=65):
    return brief(one, lambda text: fold(text, width))


@pytest.mark.parametrize("prefix", ("", "On a twin of 93 parameters: "))
def test_one_sentence_for_every_mechanism(prefix):
    lines = said(certificate(SETS[:3], prefix))
    assert lines == [
        "12 in t.weight: filling, by more parameters than functions.",
        "7 in a.weight, b.weight, layers.0.weight, layers.1.weight and 7",
        "more: structural (as many are null at each of 3 random points).",
        LOOKED,
        "--details says more.",
    ]


@pytest.mark.parametrize("width", (65, 30))
def test_never_more_than_a_few_lines(width):
    assert len(said(certificate(SETS), width)) <= LINES
    long = replace(SETS[0], tensors=tuple("decoder.block.7.layer.1." * 3 + c for c in "ab"))
    assert len(said(certificate((long, *SETS)), width)) <= LINES


def test_what_is_short_or_explained_stays_as_it_is():
    short = Certificate("incomplete", words=f"3 in p: structural.\n{LOOKED}")
    assert said(short) == ["3 in p: structural.", LOOKED]
    found = Certificate("complete", words="Found by discovery. " * 40)
    assert said(found) == fold(found.words, 65)


def test_details_say_all_of_it():
    report = replace(troubled(), certificate=certificate(SETS))
    short, long = printed(report), printed(report, details=True)
    assert "--details says more" in short and "affine space" not in short
    flat = " ".join(long.split())
    assert all(one.words in flat for one in SETS) and LOOKED in flat
    shown = short[short.index("in words") : short.index("verification")]
    assert len(shown.splitlines()) <= LINES and max(map(len, shown.splitlines())) <= 80
