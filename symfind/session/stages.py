"""What a session keeps: everything that was checked on the model, and how long each part took."""

import gc
import math
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject, probed
from symfind.analysis.verification import VERIFIED_PARAMETERS, Verified
from symfind.errors import SymfindError
from symfind.report.discrete import Discrete
from symfind.report.model import Timing

T = TypeVar("T")
_SELDOM = 10_000, 20, 20  # objects, and small and middle collections, until the next


@dataclass(frozen=True)
class Checked:
    """The factors, those that failed set apart, with what was checked of them.

    Attributes:
        found: the factors.
        verified: the outcome of verification.
        discrete: permutations, signs and components.
    """

    found: Derived
    verified: Verified
    discrete: tuple[Discrete, ...]


class Clock:
    """How long each part took, when it was computed."""

    def __init__(self) -> None:
        """Nothing has been computed."""
        self.spent: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a part; of one that is computed again, the last time counts."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent[name] = round(time.perf_counter() - start, 3)

    def timing(self) -> Timing:
        """For a report."""
        return Timing(**self.spent)


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection of cycles, which would walk through all of a traced model again and again.

    What was made meanwhile is moved to the oldest generation without being looked at: the next
    small collection would walk through all of it, of which nearly everything stays.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # the caller's own stay where they are
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@contextmanager
def settled() -> Iterator[None]:
    """Collections of cycles that look at what is made from here on, and not at all before it.

    Every large one would walk through the modules of all libraries and the traced model again. They
    come more seldom, too: nearly all that is made stays until a small model is done with.
    """
    if gc.get_freeze_count():  # somebody else's, which could not be told from ours
        yield
        return
    before = gc.get_threshold()
    gc.freeze()
    if all(before):  # else they are switched off
        gc.set_threshold(*map(max, before, _SELDOM))
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def guarded(subject: Subject, compute: Callable[[], T], instead: Callable[[str], T]) -> T:
    """What is computed, or where that fails what stands in its place, told why.

    The last resort: nothing is claimed, and why is said.

    Raises:
        InputError: the model fails on its inputs, which is why the work within did.
    """
    try:
        return compute()
    except (SymfindError, MemoryError):
        raise
    except Exception as error:
        sizes = [math.prod(op.shape or ()) for op in subject.graph.parameters.values()]
        if sum(sizes) <= VERIFIED_PARAMETERS:
            # indices out of range show up here first; then that is what there is to say
            function = subject.function()
            probed(function, torch.Generator().manual_seed(subject.seed))
        where = (traceback.extract_tb(error.__traceback__) or [None])[-1]
        at = f" at {os.path.basename(where.filename)}:{where.lineno}" if where else ""
        why = f"nothing was derived: {type(error).__name__}: {error}{at}"
        warnings.warn(f"{why}; this is a fault of symfind, and nothing is claimed", stacklevel=2)
        return instead(why)
