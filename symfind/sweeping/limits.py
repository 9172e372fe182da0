"""What one analysis may use, and how much a process uses now."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Of one process; None is no limit.

    Attributes:
        seconds: by the clock.
        gigabytes: of memory that is in use (the resident set).
        processor: seconds of the processor.
    """

    seconds: float | None = 300.0
    gigabytes: float | None = 4.0
    processor: float | None = None


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(pid: int) -> float:
    """Seconds of the processor that a process has used, zero where nobody can say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def resident(pid: int) -> float:
    """Gigabytes of memory that a process uses now, zero where nobody can say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError, IndexError):
        pass
    try:
        asked = ["ps", "-o", "rss=", "-p", str(pid)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return int(done.stdout) / 1e6
    except (OSError, ValueError):
        return 0.0
