"""Hostile calls over all commands: `python -m tests.hostile.fuzz --count 300 --seed 0`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.hostile.cases import draw
from tests.hostile.judge import faults


def main() -> int:
    """Run so many cases; how many failed decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    arguments = parser.parse_args()
    cases = [c for c in draw(arguments.count, arguments.seed) if arguments.only in c.name]
    failed = 0
    for number, case in enumerate(cases):
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            found = faults(case, Path(folder))
        failed += bool(found)
        spent = time.process_time() - start
        print(
            f"{number:4} {spent:5.1f} s {'FAULT' if found else 'ok   '} {case.name!r}", flush=True
        )
        for line in found:
            print(f"      {line}", flush=True)
    print(f"{len(cases)} cases, {failed} faults")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
