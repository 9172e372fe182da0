"""Certificates over the zoos: how many models are certified at their own arguments, and why not.

Every model is loaded without weights and certified in a process of its own, which gets no more
than a minute of the processor and 4 GiB of memory: what is resident, as a file that is mapped and
not read takes none. No formula in the arguments is looked for: all of that
minute is for the certificate. Run `python benchmarks/families.py
[--json FILE] [suite ...]`; suites are `causal`, `masked`, `image`, `seq2seq`, `timm` and
`torchvision`. `SUITE:NAME` is one model of a suite. Models with a row in the file are not looked
at again.

`python benchmarks/families.py formulas [spec ...]` holds formulas against what is derived at other
members of the same family, the factories of `benchmarks/factories.py` without a spec.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SECONDS = 60
MEMORY = 4 << 30
DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers",
          "encoder_layers", "num_decoder_layers", "num_self_attends_per_block")  # fmt: skip
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
    from symfind.load.operators import prepare_torchvision

    prepare_torchvision()
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
    threading.Thread(target=_guard, args=(dict(row),), daemon=True).start()
    try:
        report = analyze(
            spec, settings=settings(spec, shallow), verify=False, formula=False, progress=_told
        )
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
        first = (str(error).splitlines() or [""])[0]
        row |= {"status": "refused", "reason": first or type(error).__name__}
    row |= {"timing": report.timing.__dict__} if "parameters" in row else {}
    row |= _used()
    if _peak() > MEMORY or "MemoryError" in row["reason"]:
        row |= {"status": "memory"}
    return row


def _peak() -> int:
    """The most bytes that were resident at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _used() -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = usage.ru_utime + usage.ru_stime
    return {"seconds": round(seconds, 1), "gib": round(_peak() / 2**30, 1)}


def _guard(row: dict[str, Any]) -> None:
    """End the process once it has used more memory than it gets."""
    while _peak() <= MEMORY:
        time.sleep(0.05)
    print(json.dumps({**row, "status": "memory", "reason": _begun[-1], **_used()}), flush=True)
    os._exit(0)


_begun = [""]


def _told(text: str) -> None:
    """What was begun last, for those who wonder where a minute went."""
    _begun[-1] = text
    print(text, file=sys.stderr, flush=True)


FACTORIES = ("bottleneck", "autoencoder", "affine", "cnn", "resnet", "unet", "grouped", "queries",
             "tied", "untied", "mixture", "vision", "mixer", "nested", "recurrent",
             "adapted")  # fmt: skip
_TRIED = 6  # members at which a formula is held against what is derived


def formulas(specs: list[str]) -> None:
    """One line for every family: its formula, and at how many members it is right."""
    here = Path(__file__).with_name("factories.py")
    for spec in specs or [f"{here}:{name}" for name in FACTORIES]:
        name = spec.rpartition(":")[2]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        formula, where, (right, outside, wrong) = _held(spec)
        seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        print(f"| {name} | `{formula}` | {where} | {right} | {outside} | {wrong} | {seconds:.1f} |",
              flush=True)  # fmt: skip


def _held(spec: str) -> tuple[str, str, tuple[int, int, int]]:
    """A formula, its conditions, and at how many members it is right, silent and wrong."""
    import symfind
    from symfind.family import Family
    from symfind.formulas.fitted import Fitted
    from symfind.formulas.sampled import Sampled
    from symfind.formulas.values import value

    session = symfind.open(spec)
    found = session.fitted
    if not isinstance(found, Fitted):
        return str(session.counted.redundant), "no formula", (0, 0, 0)
    family = Family.of(session.loaded, session.graph)
    assert family is not None
    start = family.base if not found.start else found.start
    seen = Sampled(family, session.output, start, 60.0)
    rng, counts = random.Random(99), [0, 0, 0]
    for _ in range(20 * _TRIED):
        if sum(counts) == _TRIED:
            break
        some = {p: rng.choice([1, 2, 5, start[p] + 1, start[p] + 2, 2 * start[p],
                               start[rng.choice(list(seen.sizes.names))]])
                for p in seen.sizes.names if rng.random() < 0.5}  # fmt: skip
        row = seen.at(some) if any(start[p] != n for p, n in some.items()) else None
        if row is None:
            continue
        inside = all(holds(words, row.at) for words in found.where)
        counts[0 if value(found.expression, row.at) == row.total else 2 if inside else 1] += 1
    return str(found.expression), ", ".join(found.where), (counts[0], counts[1], counts[2])


def holds(words: str, at: Mapping[str, int]) -> bool:
    """Whether sizes fulfil a condition of a domain."""
    if words.endswith(" even"):
        return at[words.removesuffix(" even")] % 2 == 0
    whole, found, part = words.partition(" multiple of ")
    if found:
        return at[whole] % at[part] == 0
    for sign, right in ((">=", int.__ge__), (">", int.__gt__), ("=", int.__eq__)):
        left, found, rest = words.partition(sign)
        if found:
            if left not in at:
                return True  # an argument that only changes with another
            return right(at[left], at[rest] if rest in at else int(rest))
    raise ValueError(words)


def rows(wanted: list[str], known: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row for every model, each made in a process of its own unless it is known."""
    for name in wanted:
        kind, _, one = name.partition(":")
        for spec in [one] if one else suite(kind):
            if f"{kind} {spec}" in known:
                yield known[f"{kind} {spec}"]
                continue
            command = [sys.executable, __file__, "--one", spec]
            done = subprocess.run(
                [*command, "--shallow"] if kind in ("causal", "masked", "seq2seq") else command,
                capture_output=True, text=True,
            )  # fmt: skip
            last = (done.stdout.strip().splitlines() or [""])[-1]
            row = json.loads(last) if last.startswith("{") else _ended(spec, done)
            yield {"suite": kind, **row}


def _ended(spec: str, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """A row of a process that was ended, with what it had begun."""
    begun = (done.stderr.strip().splitlines() or [""])[-1]
    status = "time" if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else "ended"
    return {"spec": spec, "status": status, "reason": begun[:200]}


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
    if asked.suites[:1] == ["formulas"]:
        formulas(asked.suites[1:])
        return
    found = []
    there = asked.json and asked.json.exists()
    before = map(json.loads, asked.json.read_text().splitlines() if there else [])
    known = {f"{row['suite']} {row['spec']}": row for row in before}
    for row in rows(asked.suites or list(SUITES), known):
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
