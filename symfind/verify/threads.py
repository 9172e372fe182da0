"""How many threads small linear algebra should use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_ALONE = 2000  # columns, below which threads can cost far more than they bring
_PROBE = 600
_GAIN = 1.3  # how much faster several threads should be
_asked: ContextVar[int | None] = ContextVar("_asked", default=None)


def _seconds(threads: int) -> float:
    torch.set_num_threads(threads)
    rng = torch.Generator().manual_seed(0)
    probe = torch.randn(_PROBE, _PROBE, generator=rng, dtype=torch.float64)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(probe.T, probe)
        torch.linalg.qr(probe, mode="r")
        spent.append(time.perf_counter() - start)
    return sum(spent[1:])


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, except within `fitting_threads`: derivatives of small models are small steps."""
    before = torch.get_num_threads()
    token = _asked.set(before)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _asked.reset(token)


@contextmanager
def fitting_threads(columns: int) -> Iterator[None]:
    """One thread where matrices are small or the cores are busy, else as many as were asked for.

    On cores that others use as well, threads that wait for one another make small operations a
    hundred times slower than one thread does.
    """
    before = torch.get_num_threads()
    most = _asked.get() or before
    try:
        if most > 1 and (columns <= _ALONE or _seconds(1) < _GAIN * _seconds(most)):
            torch.set_num_threads(1)
        else:
            torch.set_num_threads(most)
        yield
    finally:
        torch.set_num_threads(before)
