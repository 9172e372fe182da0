"""Certificates over the zoos: how many models are certified at their own arguments, and why not.

Every model is loaded without weights and certified in a process of its own, which may take 75
seconds of the processor in all (the certificate a minute) and 4 GiB.
Run `python benchmarks/families.py [--json FILE] [suite ...]`; suites are `causal`, `masked`,
`image`, `seq2seq`, `timm` and `torchvision`. `SUITE:SPEC` is one model of a suite. With `--json`
every row is kept at once, and a row that is there already is not measured again.
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

SECONDS = 75
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


def classes(ending: str, first: int, step: int) -> list[str]:
    """Every so many of the classes of transformers with such a name."""
    transformers = imported()
    names = sorted(n for n in dir(transformers) if n.endswith(ending) and not n.startswith("Auto"))
    return [f"transformers:{name}" for name in names[first::step]]


def modules_of_timm(first: int, step: int) -> list[str]:
    """The first model of every so many modules of timm."""
    imported()
    import timm

    modules = sorted(timm.list_modules())[first::step]
    return [f"timm:{timm.list_models(module=m)[0]}" for m in modules]


def suite(name: str) -> list[str]:
    """The specs of a suite."""
    match name:
        case "causal":
            return classes("ForCausalLM", 2, 6)
        case "masked":
            return classes("ForMaskedLM", 1, 5)
        case "image":
            return classes("ForImageClassification", 0, 4)
        case "seq2seq":
            return classes("ForConditionalGeneration", 3, 14)
        case "timm":
            return modules_of_timm(1, 5)
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
            "members": bool(c.members),
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


def row_of(suite_name: str, spec: str) -> dict[str, Any]:
    """One row, made in a process of its own."""
    command = [sys.executable, __file__, "--one", spec]
    shallow = suite_name in ("causal", "masked", "seq2seq")
    done = subprocess.run(
        [*command, "--shallow"] if shallow else command, capture_output=True, text=True
    )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    row = json.loads(last) if last.startswith("{") else {"spec": spec, "status": "time"}
    return {"suite": suite_name, **row}


def rows(wanted: list[str], file: Path | None) -> Iterator[dict[str, Any]]:
    """One row for every model; those that a file holds are read from it, others added to it."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    known = {(r["suite"], r["spec"]): r for r in map(json.loads, lines)}
    for name in wanted:
        kind, _, one = name.partition(":")
        for spec in [one] if one else suite(kind):
            row = known.get((kind, spec)) or row_of(kind, spec)
            if file and (kind, spec) not in known:
                with file.open("a") as out:
                    out.write(json.dumps(row) + "\n")
            yield row


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    why = (row.get("reason") or "").replace("|", "/")
    on = "" if row["status"] != "complete" else "member" if row.get("members") else "twin"
    kind, name = row["suite"], row["spec"].partition(":")[2]
    return f"| {kind} | {name} | {row['status']} | {on} | {row.get('seconds', '')} | {why} |"


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
    for row in rows(asked.suites or list(SUITES), asked.json):
        found.append(row)
        print(line(row), flush=True)
    print("\n| suite | models | certified | incomplete | undetermined | skipped | refused | time |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    kinds = ("complete", "incomplete", "undetermined", "skipped", "refused", "time")
    for name in dict.fromkeys(r["suite"] for r in found):
        mine = [r["status"] for r in found if r["suite"] == name]
        print(f"| {name} | {len(mine)} | {' | '.join(str(mine.count(k)) for k in kinds)} |")


if __name__ == "__main__":
    main()
