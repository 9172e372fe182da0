"""Symmetries of whole models without any rule: discovered, measured, derived.

Every row is a small transformer or mixer of the ground truth (`tests/ground_truth/models.py`), in a
process of its own with one thread. `discovered` comes from derivatives alone, `nullity` is the
measured rank defect, `derived` what the rules give: three counts that do not know of each other.
Run `python benchmarks/discovery.py [name ...]`; the exit code is 1 where two counts differ.
"""

import sys
import time
from typing import Any

from measure import Failed, measured, serve


def discovered(name: str) -> dict[str, Any]:
    """One row."""
    import symfind
    from symfind.load import Inputs
    from tests.ground_truth.models import WHOLE

    case = next(case for case in WHOLE if case.name == name)
    model, args, kwargs = case.build()
    start, begin = time.perf_counter(), time.process_time()
    found = symfind.discover(model, Inputs(args, kwargs, dict(case.bounds)))
    return {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - begin,
        "parameters": found.parameters,
        "nullity": found.nullity,
        "discovered": found.dimension,
        "exact": sum(generator.exact for generator in found.generators),
        "derived": found.comparison.redundant,
        "searched": found.searched,
        "fields": found.fields,
        "status": found.status,
    }


def main() -> int:
    """Print one line for every row; 1 where counts differ."""
    from tests.ground_truth.models import WHOLE

    head = ("row", "parameters", "nullity", "discovered", "exact", "derived", "searched",
            "fields", "processor", "wall", "memory")  # fmt: skip
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    wrong = 0
    for name in sys.argv[1:] or [case.name for case in WHOLE]:
        try:
            row = measured(__file__, name, threads=1)
        except Failed as error:
            print(f"| {name} | {error} |", flush=True)
            wrong += 1
            continue
        wrong += not row["nullity"] == row["discovered"] == row["derived"]
        print(
            f"| {name} | {row['parameters']} | {row['nullity']} | {row['discovered']} "
            f"| {row['exact']} | {row['derived']} | {row['searched']} | {row['fields']:,} "
            f"| {row['processor']:.0f} s | {row['seconds']:.0f} s | {row['gigabytes']:.2f} GB |",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    if not serve(discovered):
        sys.exit(main())
