import json

import pytest

from symfind.errors import OutputError
from symfind.sweeping.store import Store

RECORDS = [{"key": str(i), "spec": "a.py", "status": "analysed", "word": "ä"} for i in range(3)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sweep.jsonl"
    store = Store(path)
    for record in RECORDS:
        store.append(record)
    store.close()
    return path


def test_a_line_for_each_record(path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"schema": "symfind.sweep/1", **record} for record in RECORDS]


def test_a_file_cut_anywhere_loses_the_torn_line_only(path) -> None:
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = whole[:end].count(b"\n")
        if kept == 0 and 0 < end < len(b'{"schema": "symfind.sweep/'):
            continue  # of no file can be told whose it is by so few letters
        store = Store(path)
        assert list(store.records) == [str(i) for i in range(kept)]
        assert path.read_bytes() == b"".join(lines[:kept])
        store.append({"key": "new"})
        store.close()
        assert len(path.read_text().splitlines()) == kept + 1


@pytest.mark.parametrize("text", ["notes\n", "notes", '{"a": 1}\n', "\n", '["schema"]\n'])
def test_a_file_of_something_else_is_left_alone(tmp_path, text) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(OutputError, match="line 1 is none of a sweep"):
        Store(path)
    assert path.read_text() == text


def test_two_sweeps_do_not_share_a_file(path) -> None:
    first = Store(path)
    with pytest.raises(OutputError, match="another sweep"):
        Store(path)
    first.close()
    Store(path).close()


def test_forgotten_records_leave_the_file(path) -> None:
    store = Store(path)
    store.drop(["1"])
    store.append({"key": "1", "status": "analysed"})
    store.close()
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["0", "2", "1"]


def test_a_folder_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        Store(tmp_path / "none" / "sweep.jsonl")
