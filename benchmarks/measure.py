"""One measurement in a process of its own, so that its time and its peak of memory are its own."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WORKER = "--worker"

# A benchmark is run as a script, so that the repository itself is not on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


class Failed(Exception):
    """A measurement that ended in an error; the message is its last line."""


def measured(script: str, *arguments: object, threads: int | None = None) -> dict[str, Any]:
    """Run `script` in a fresh process and return what its worker measured.

    Args:
        script: the file that calls `serve`.
        arguments: passed to the worker as text; None is left out.
        threads: of the linear algebra; as in this process where not given.

    Returns:
        The worker's own figures, and `gigabytes`: the peak of memory of its process, unless the
        worker gives it.

    Raises:
        Failed: the process ended with an error.
    """
    words = [str(a) for a in arguments if a is not None]
    fixed = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, script, _WORKER, *words],
        capture_output=True, text=True, check=False, env={**os.environ, **fixed},
    )  # fmt: skip
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def serve(worker: Callable[..., dict[str, Any]]) -> bool:
    """In a process that `measured` started, do the work and print its figures; else do nothing."""
    if sys.argv[1:2] != [_WORKER]:
        return False
    figures = worker(*sys.argv[2:])
    print(json.dumps({"gigabytes": peak(), **figures}))
    return True


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock time that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak(device: str = "cpu") -> float:
    """Peak memory of this process so far, in gigabytes: its own, or that of another device."""
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
