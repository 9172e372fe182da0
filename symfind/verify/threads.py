"""How many threads small linear algebra should use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ALONE = 4000  # parameters, below which threads can cost far more than they bring
_PROBE = 600
_GAIN = 1.3  # how much faster several threads should be


def _seconds(threads: int) -> float:
    torch.set_num_threads(threads)
    rng = torch.Generator().manual_seed(0)
    probe = torch.randn(_PROBE, _PROBE, generator=rng, dtype=torch.float64)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        torch.linalg.qr(probe, mode="r")
        spent.append(time.perf_counter() - start)
    return sum(spent[1:])


@contextmanager
def fitting_threads(parameters: int) -> Iterator[None]:
    """One thread where matrices are small or the cores are busy, else as many as before.

    On cores that others use as well, threads that wait for one another make small operations a
    hundred times slower than one thread does.
    """
    before = torch.get_num_threads()
    try:
        if before > 1 and (parameters <= _ALONE or _seconds(1) < _GAIN * _seconds(before)):
            torch.set_num_threads(1)
        else:
            torch.set_num_threads(before)
        yield
    finally:
        torch.set_num_threads(before)
