import pytest

from symfind.errors import InputError
from symfind.sweeping.ranges import choices, values, varying


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..4", ["1", "2", "3", "4"]),
        ("-1..1", ["-1", "0", "1"]),
        ("0..10..5", ["0", "5", "10"]),
        ("16..128*2", ["16", "32", "64", "128"]),
        ("64,128,256", ["64", "128", "256"]),
        ("1..2,8", ["1", "2", "8"]),
        ("gelu", ["gelu"]),
        ("(1,2),[3,4]", ["(1,2)", "[3,4]"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("0.1", ["0.1"]),
    ],
)
def test_texts(text, expected) -> None:
    assert values("k", text) == expected


def test_values_of_python_are_taken_as_they_are() -> None:
    assert values("k", range(1, 4)) == [1, 2, 3]
    assert values("k", [64, None]) == [64, None]
    assert values("k", 5) == [5]
    assert values("k", True) == [True]


@pytest.mark.parametrize("value", ["4..1", "1..8*1", "1..8..0", "0..8*2", "0..999999999", []])
def test_empty_and_endless_ranges_are_named(value) -> None:
    with pytest.raises(InputError, match="k"):
        values("k", value)


def test_the_last_setting_varies_fastest() -> None:
    found = [tuple(c.values()) for c in choices({"a": "1..2", "b": "x,y"})]
    assert found == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert varying({"a": "1..2", "b": "3"}) == ["a"]
