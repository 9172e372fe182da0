"""Certificates over the zoos: how many models are certified at their own arguments, and why not.

Every model is loaded without weights and certified in a process of its own, which may take a
minute of the processor and 4 GiB. Run `python benchmarks/families.py [--json FILE] [suite ...]`;
suites are `causal`, `masked`, `image`, `seq2seq`, `timm` and `torchvision`. `SUITE:NAME` is one
model of a suite.
"""

import argparse
import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SECONDS = 60
MEMORY = 4 << 30
DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers",
          "encoder_layers", "num_decoder_layers")  # fmt: skip
TORCHVISION = ("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet",
               "mnasnet1_0", "mobilenet_v3_small", "r3d_18", "regnet_y_400mf", "resnet50",
               "resnext50_32x4d", "shufflenet_v2_x1_0", "swin_t", "vit_b_16")  # fmt: skip


def imported() -> Any:
    """transformers, as symfind imports it."""
    from symfind.load.operators import prepare_torchvision

    prepare_torchvision()
    import transformers

    return transformers


def classes(ending: str, step: int) -> list[str]:
    """Every so many of the classes of transformers with such a name."""
    transformers = imported()
    names = sorted(n for n in dir(transformers) if n.endswith(ending) and not n.startswith("Auto"))
    return [f"transformers:{name}" for name in names[::step]]


def modules_of_timm(step: int) -> list[str]:
    """The first model of every so many modules of timm."""
    import timm

    return [f"timm:{timm.list_models(module=m)[0]}" for m in sorted(timm.list_modules())[::step]]


def suite(name: str) -> list[str]:
    """The specs of a suite."""
    match name:
        case "causal":
            return classes("ForCausalLM", 4)
        case "masked":
            return classes("ForMaskedLM", 4)
        case "image":
            return classes("ForImageClassification", 4)
        case "seq2seq":
            return classes("ForConditionalGeneration", 8)
        case "timm":
            return modules_of_timm(4)
        case "torchvision":
            return [f"torchvision:{n}" for n in TORCHVISION]
    raise SystemExit(f"no suite {name!r}")


SUITES = ("causal", "masked", "image", "seq2seq", "timm", "torchvision")


def settings(spec: str, shallow: bool) -> dict[str, Any]:
    """Two layers, where the config of a language model counts them under a usual name."""
    if not shallow:
        return {}
    transformers = imported()
    config = getattr(transformers, spec.partition(":")[2]).config_class()
    known = [n for n in DEPTHS if isinstance(config.__dict__.get(n), int)]
    return {known[0]: 2} if known else {}


def certify(spec: str, shallow: bool) -> dict[str, Any]:
    """Analyse one model, in this process."""
    from symfind import analyze

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    row: dict[str, Any] = {"spec": spec}
    try:
        report = analyze(spec, settings=settings(spec, shallow), verify=False)
        c = report.certificate
        row |= {
            "parameters": report.dimension.parameters,
            "redundant": report.dimension.redundant,
            "status": c.status,
            "reason": c.reason,
            "rebuilt": bool(c.members),
            "twins": [(t.parameters, t.nullity, t.redundant) for t in c.twins],
            "words": c.words,
        }
    except Exception as error:
        row |= {"status": "refused", "reason": str(error).splitlines()[0]}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss << 10
    row |= {"timing": report.timing.__dict__} if "parameters" in row else {}
    row |= {"seconds": round(usage.ru_utime + usage.ru_stime, 1), "gib": round(peak / 2**30, 1)}
    if peak > MEMORY:
        row |= {"status": "out of memory"}
    return row


def rows(wanted: list[str]) -> Iterator[dict[str, Any]]:
    """One row for every model, each made in a process of its own."""
    for name in wanted:
        kind, _, one = name.partition(":")
        for spec in [one] if one else suite(kind):
            command = [sys.executable, __file__, "--one", spec]
            done = subprocess.run(
                [*command, "--shallow"] if kind in ("causal", "masked", "seq2seq") else command,
                capture_output=True, text=True,
            )  # fmt: skip
            last = (done.stdout.strip().splitlines() or [""])[-1]
            row = json.loads(last) if last.startswith("{") else {"spec": spec, "status": "time"}
            yield {"suite": kind, **row}


def main() -> None:
    """Print one row for every model, and the share of each suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one")
    parser.add_argument("--shallow", action="store_true")
    asked = parser.parse_args()
    if asked.one:
        warnings.simplefilter("ignore")
        print(json.dumps(certify(asked.one, asked.shallow)))
        return
    found = []
    for row in rows(asked.suites or list(SUITES)):
        found.append(row)
        why = (row.get("reason") or "").replace("|", "/")
        print(
            f"| {row['suite']} | {row['spec']} | {row['status']} | "
            f"{'rebuilt' if row.get('rebuilt') else ''} | {row.get('seconds', '')} | {why} |",
            flush=True,
        )
        if asked.json:
            asked.json.write_text("".join(json.dumps(r) + "\n" for r in found))
    for kind in dict.fromkeys(r["suite"] for r in found):
        mine = [r for r in found if r["suite"] == kind]
        good = sum(r["status"] == "complete" for r in mine)
        print(f"{kind}: {good} of {len(mine)} complete")


if __name__ == "__main__":
    main()
