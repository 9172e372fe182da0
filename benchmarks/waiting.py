"""What a user waits for: `analyze` with all defaults, in processor time, beside the import alone.

Every run is a process of its own on one thread, import of torch included; the figure is the median
of several runs, of user and system time together, so that other work on the machine counts little.
"over" is its ratio to a process that imports torch and symfind and does nothing else. Run
`python benchmarks/waiting.py [--runs N] [spec ...]`.
"""

import argparse
import resource
from statistics import median
from typing import Any

from measure import Failed, measured, serve

SPECS = (
    "examples/mlp.py",
    "torchvision:resnet18",
    "torchvision:vit_b_16",
    "transformers:GPT2LMHeadModel",
)
NOTHING = "import"


def worker(spec: str) -> dict[str, Any]:
    """One analysis, and all the time of this process."""
    import torch  # noqa: F401

    import symfind

    stages: dict[str, Any] = {}
    if spec != NOTHING:
        report = symfind.analyze(spec)
        stages = {"certificate": report.certificate.status, "verified": report.verification.status}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": used.ru_utime + used.ru_stime, **stages}


def several(spec: str, runs: int) -> dict[str, Any]:
    """The run of median time."""
    done = [measured(__file__, spec, threads=1) for _ in range(runs)]
    middle = median(one["seconds"] for one in done)
    return min(done, key=lambda one: abs(one["seconds"] - middle))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    least = several(NOTHING, chosen.runs)["seconds"]
    print(f"{NOTHING:30} {least:6.1f} s")
    for spec in chosen.specs:
        try:
            row = several(spec, chosen.runs)
        except Failed as error:
            print(f"{spec:30} {error}")
            continue
        print(f"{spec:30} {row['seconds']:6.1f} s   {row['seconds'] / least:5.1f} over   "
              f"{row['certificate']}, {row['verified']}   {row['gigabytes']:.1f} GB")  # fmt: skip


if __name__ == "__main__" and not serve(worker):
    main()
