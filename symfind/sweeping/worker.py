"""One analysis inside a process of its own."""

import faulthandler
import os
import signal
import sys
import threading
import time
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from symfind.errors import InputError, UnknownSetting
from symfind.sweeping.job import Job
from symfind.sweeping.record import failure, record, texts

if TYPE_CHECKING:
    from symfind.conserve.model import Conserved
    from symfind.report.model import Report
    from symfind.session import Session


def work(job: Job, connection: Connection, log: str, threads: int, whole: bool) -> None:
    """Analyse, send the record, and end; what the model prints goes to a file.

    Args:
        job: what to analyse.
        connection: where to send the record, with the JSON of the report or None beside it.
        log: the file.
        threads: of the linear algebra.
        whole: whether the report is wanted.
    """
    _apart(log, threads)
    start = time.perf_counter()
    result, report = examined(job)
    result["seconds"] = round(time.perf_counter() - start, 2)
    text = report.without_timing().to_json() if whole and report is not None else None
    connection.send(({**result, **_used()}, text))
    connection.close()
    os._exit(0)  # whatever threads the model has left behind


def examined(job: Job) -> tuple[dict[str, Any], "Report | None"]:
    """The record of one job, and the report where there is one."""
    try:
        report, laws, operations, session = _analysed(job)
    except MemoryError as error:
        return failure("memory", f"not enough memory: {error}"), None
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return failure(type(error).__name__, first), None
    count = None if laws is None or laws.open else laws.count
    result = record(report, count, operations)
    if job.options.texts:
        result["texts"] = texts(session.explain(), laws)
    return result, report


def _analysed(job: Job) -> tuple["Report", "Conserved | None", int, "Session"]:
    from symfind.ops.support import reached
    from symfind.session import open

    o = job.options
    settings = {**job.preferred, **job.settings}
    while True:
        try:
            session = open(
                job.spec, None, o.output, o.device, o.seed,
                train=o.train, inputs=job.inputs, settings=settings,
            )  # fmt: skip
            break
        except UnknownSetting as error:
            if error.setting not in job.preferred or error.setting in job.settings:
                raise
            del settings[error.setting]
    report = session.report(o.verify, o.certify, budget=o.budget, formula=o.formula)
    operations = len(reached(session.graph))
    if not o.laws:
        return report, None, operations, session
    try:
        laws = session.laws(check=False)
    except InputError:  # too large to verify generators on it
        return report, None, operations, session
    return report, laws, operations, session


def _apart(log: str, threads: int) -> None:
    """Nothing that happens here reaches the terminal, and nothing outlives who asked for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keyboard interrupts the sweep, not a model
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    faulthandler.enable(2)
    threading.Thread(target=_watch, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _watch() -> None:
    """End with the process that asked, even where that was killed."""
    asking = parent_process()
    if asking is not None:
        asking.join()
        os._exit(1)


def _used() -> dict[str, Any]:
    """Processor time and peak of memory of this process."""
    try:
        import resource
    except ImportError:  # no such thing on this system
        return {}
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return {
        "processor": round(used.ru_utime + used.ru_stime, 2),
        "gigabytes": round(used.ru_maxrss / unit, 3),
    }
