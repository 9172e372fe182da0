"""Processes on this machine: each model in one of its own, under a limit of time and memory."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import types
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from symfind.sweeping.job import Job
from symfind.sweeping.limits import Limits, cores, processor, resident
from symfind.sweeping.record import failure
from symfind.sweeping.worker import work

ZOOS = "SYMFIND_ZOOS"  # read by `symfind.sweeping.warm`

Outcome = tuple[Job, dict[str, Any], str | None]  # a job, its record, the JSON of its report

_TICK = 0.2  # seconds between two looks at a process
_PRELOADED = ["symfind.sweeping.worker", "symfind.sweeping.warm"]


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    connection: Connection
    log: Path
    started: float


def run_local(
    jobs: Sequence[Job], limits: Limits, count: int | None = None, whole: bool = False
) -> Iterator[Outcome]:
    """Analyse jobs, several at a time, and yield each as it ends.

    Args:
        jobs: what to analyse.
        limits: of each process; one that passes them is killed, and its record says so.
        count: how many at a time; as many as there are processors where not given.
        whole: whether reports are wanted beside the records.
    """
    count = max(1, min(count or cores(), len(jobs) or 1))
    threads = max(1, cores() // count)
    context = _context(jobs)
    waiting, running = deque(jobs), list[_Running]()
    with tempfile.TemporaryDirectory(prefix="symfind.") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < count:
                    job = waiting.popleft()
                    log = Path(folder) / job.key
                    running.append(_start(context, job, log, threads, whole))
                wait([r.connection for r in running], timeout=_TICK)
                for one in list(running):
                    ended = _outcome(one, limits)
                    if ended is not None:
                        running.remove(one)
                        yield one.job, *ended
        finally:
            for one in running:
                _end(one)


def _context(jobs: Sequence[Job]) -> Any:
    """One process that has imported what analyses need, of which the others are forked."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    heads = {job.spec.partition(":")[0] for job in jobs}
    with _patched(ZOOS, " ".join(sorted(heads & {"torchvision", "timm", "transformers"}))):
        forkserver.ensure_running()
    return context


@contextlib.contextmanager
def _patched(name: str, value: str) -> Iterator[None]:
    """A variable of the environment, for processes that are started inside."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _start(context: Any, job: Job, log: Path, threads: int, whole: bool) -> _Running:
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=work, args=(job, theirs, str(log), threads, whole), daemon=True
    )
    with _no_script():
        process.start()
    theirs.close()
    return _Running(job, process, mine, log, time.monotonic())


@contextlib.contextmanager
def _no_script() -> Iterator[None]:
    """A new process imports the script that was started, and a script may start a sweep itself."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _outcome(one: _Running, limits: Limits) -> tuple[dict[str, Any], str | None] | None:
    """The record of a process that has ended or has to, None where it may go on."""
    seconds = time.monotonic() - one.started
    if one.connection.poll():
        try:
            result, report = one.connection.recv()
        except (EOFError, OSError):
            one.process.join()
            result, report = failure("crash", _last_words(one)), None
    elif limits.seconds is not None and seconds > limits.seconds:
        result, report = failure("time", f"stopped after {limits.seconds:g} s"), None
    elif limits.processor is not None and processor(one.process.pid or 0) > limits.processor:
        words = f"stopped after {limits.processor:g} s of the processor"
        result, report = failure("time", words), None
    elif limits.gigabytes is not None and resident(one.process.pid or 0) > limits.gigabytes:
        result, report = failure("memory", f"stopped above {limits.gigabytes:g} GB"), None
    else:
        return None
    _end(one)
    result.setdefault("seconds", round(seconds, 2))
    return {**one.job.described(), **result}, report


def _end(one: _Running) -> None:
    if one.process.is_alive():
        one.process.join(0.2)
        one.process.kill()
    one.process.join()
    one.connection.close()


def _last_words(one: _Running) -> str:
    """How a process ended that said nothing, and the line before that."""
    code = one.process.exitcode or 0
    try:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    except ValueError:
        how = f"killed by signal {-code}"
    with contextlib.suppress(OSError):
        lines = one.log.read_text(errors="replace").strip().splitlines()
        fatal = [line for line in lines if line.startswith("Fatal")] or lines[-1:]
        if fatal:
            how += f": {fatal[0].strip()}"
    return how if os.name == "posix" else f"ended with {code}"
