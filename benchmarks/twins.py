"""Certificates of architectures at their published sizes, on twins: what was measured, and when.

Every model is loaded and traced without weights, as the catalog describes it. Run
`python benchmarks/twins.py [name ...]`; names are those of the catalog's pages.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from symfind import analyze  # noqa: E402
from symfind.catalog.entries import entries  # noqa: E402

NAMES = ("gpt2", "llama-2-7b", "vit-b-16", "resnet50", "bert-base", "t5-small", "vgg16",
         "densenet121", "mobilenet-v2", "mixer-b-16")  # fmt: skip


def main() -> None:
    """Print one row for every model."""
    known = {entry.slug: entry for entry in entries()}
    print("| model | redundant | status | twins: parameters, nullity | seconds |")
    print("|---|---:|---|---|---:|")
    for name in sys.argv[1:] or NAMES:
        entry = known[name]
        start = time.perf_counter()
        report = analyze(
            entry.spec, inputs=entry.inputs, settings=dict(entry.settings), verify=False
        )
        spent = time.perf_counter() - start
        certificate = report.certificate
        twins = "; ".join(f"{t.parameters:,}, {t.nullity:,}" for t in certificate.twins)
        status = f"{certificate.status} {certificate.reason}".strip()
        print(
            f"| {name} | {report.dimension.redundant:,} | {status} | {twins} "
            f"| {certificate_seconds(report):.0f} of {spent:.0f} |",
            flush=True,
        )


def certificate_seconds(report: object) -> float:
    """What the certificate took of the whole."""
    return float(report.timing.certify or 0.0)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
