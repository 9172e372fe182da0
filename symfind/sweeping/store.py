"""The file of a sweep: one JSON object a line, written so that a stop at any moment loses nothing.

A line is written at once and pushed to the disk before the next model is begun. What a killed
process has left of a line is cut off when the file is opened again, and that model analysed anew.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from symfind.errors import OutputError
from symfind.sweeping.record import SCHEMA

Record = dict[str, Any]


class Store:
    """Records by key, in memory or in a file that only one sweep may write at a time.

    Attributes:
        records: what is known, by key, in the order of the file.
    """

    def __init__(self, path: str | Path | None) -> None:
        """Open a file, made if it is not there, and read what it holds; None keeps all in memory.

        Raises:
            OutputError: it cannot be written, is no file of a sweep, or another sweep writes it.
        """
        self.records: dict[str, Record] = {}
        self._path, self._handle = path, None
        if path is None:
            return
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            _lock(self._handle, path)
            text = Path(path).read_bytes()
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        whole = text[: text.rfind(b"\n") + 1]
        self.records = {record["key"]: record for record in _parsed(whole, path)}
        if text and not whole and not text.startswith(b'{"schema": "symfind.sweep/'):
            raise OutputError(_no_sweep(path, 1))
        if len(whole) < len(text):
            os.ftruncate(self._handle, len(whole))

    def append(self, record: Record) -> None:
        """Keep a record.

        Raises:
            OutputError: it cannot be written.
        """
        self.records[record["key"]] = record
        if self._handle is None:
            return
        try:
            _write(self._handle, _line(record))
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {reason}") from error

    def drop(self, keys: Iterable[str]) -> None:
        """Forget records, so that they are made anew.

        Raises:
            OutputError: the file cannot be written; what it held stays.
        """
        gone = set(keys) & set(self.records)
        self.records = {key: record for key, record in self.records.items() if key not in gone}
        if self._handle is None or self._path is None or not gone:
            return
        beside = Path(f"{self._path}.new")
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
            _lock(handle, self._path)
            _write(handle, b"".join(map(_line, self.records.values())))
            os.replace(beside, self._path)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {reason}") from error
        os.close(self._handle)
        self._handle = handle

    def close(self) -> None:
        """Let others write the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _line(record: Record) -> bytes:
    text = json.dumps({"schema": SCHEMA, **record}, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)


def _lock(handle: int, path: str | Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such thing on this system
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise OutputError(
            f"cannot write {path}: another sweep writes it now; wait for it, or name another file"
        ) from error


def _parsed(text: bytes, path: str | Path) -> list[Record]:
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = json.loads(line)
            if record["schema"] != SCHEMA or not isinstance(record["key"], str):
                raise KeyError("schema")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OutputError(_no_sweep(path, number)) from error
        record.pop("schema")
        records.append(record)
    return records


def _no_sweep(path: str | Path, number: int) -> str:
    return (
        f"cannot write {path}: its line {number} is none of a sweep ({SCHEMA}); name another file"
    )
