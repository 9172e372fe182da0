"""Nothing that is derived changes unless it is written down anew."""

import json
from collections.abc import Iterator

import pytest
import torch

from tests.baseline.record import Entry, entries, observe, recorded

KNOWN = recorded()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("entry", [e for e in entries() if e.name in KNOWN], ids=lambda e: e.name)
def test_unchanged(entry: Entry) -> None:
    assert json.loads(json.dumps(observe(entry))) == KNOWN[entry.name]


def test_every_recorded_case_still_exists() -> None:
    assert set(KNOWN) <= {e.name for e in entries()}
