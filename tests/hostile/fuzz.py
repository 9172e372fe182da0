"""Hostile calls over all commands: `python -m tests.hostile.fuzz --count 300 --seed 0`."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.hostile.cases import Case, draw
from tests.hostile.commands import on_any_model, with_all
from tests.hostile.judge import faults


def drawn(count: int, seed: int, commands: bool) -> list[Case]:
    """So many cases."""
    if not commands:
        return draw(count, seed)
    rng = random.Random(seed)
    cases = with_all()
    rng.shuffle(cases)
    return [*cases, *(on_any_model(rng) for _ in range(count - len(cases)))][:count]


def main() -> int:
    """Run so many cases; how many failed decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--commands", action="store_true", help="those that read more than a model")
    arguments = parser.parse_args()
    cases = drawn(arguments.count, arguments.seed, arguments.commands)
    cases = [c for c in cases if arguments.only in c.name]
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
