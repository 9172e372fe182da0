"""What is derived of every rule case and every ground-truth row, as plain data.

`python -m tests.baseline.record` compares with what is written down, `--overwrite` writes it anew;
names after that limit it to cases whose names begin with one of them.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from symfind.analysis.derived import Derived
from symfind.count.counted import counted
from symfind.count.rank import directions
from symfind.count.symbols import Symbols, local_names
from symfind.load import Inputs, module_sizes, resolve
from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace_loaded
from tests.ground_truth.models import CASES as ROWS
from tests.rules.test_rules import CASES as RULES

PLACE = Path(__file__).with_name("baseline.jsonl")
WIDE = 4000  # parameters up to which the rank at a point is taken as well

Built = tuple[Any, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Entry:
    """One case: how it is built, and how it is looked at."""

    name: str
    build: Callable[[], Built]
    output: Literal["raw", "softmax"] = "raw"
    train: bool = False


def entries() -> Iterator[Entry]:
    """All cases, in order."""
    for case in RULES:
        yield Entry(f"rule {case.name}", lambda c=case: (*c.build(), {}), train=case.train)
    for row in ROWS:
        yield Entry(f"row {row.name}", row.build, row.output, row.train)


def observe(entry: Entry) -> dict[str, Any]:
    """What is derived: families with their counts, rank, factors, formula."""
    torch.manual_seed(0)
    model, args, kwargs = entry.build()
    loaded = resolve(model, Inputs(args, kwargs, {}))
    graph = trace_loaded(loaded, train=entry.train)
    names = {**module_sizes(loaded.model), "": loaded.sizes}
    derivation = derive(graph, entry.output)
    local = local_names(derivation.lowered.parameters, names)
    found = Derived(counted(graph, derivation, Symbols(loaded.sizes, local)))
    derivation = found.derivation
    return {
        "name": entry.name,
        "rank": _rank(found),
        "redundant": found.redundant,
        "formula": found.formula(),
        "families": sorted(_family(f) for f in derivation.families),
        "approximate": sorted(_family(f) for f in derivation.approximate),
        "factors": [
            [f.kind, f.group, f.sites, f.total, f.formula, list(f.parameters)]
            for f in (*found.standing(), *found.near)
        ],
        "gaps": [[u.op, u.effect] for u in found.gaps()],
    }


def _family(family: Any) -> str:
    return f"{family.kind} {family.count()} {' '.join(family.names)}"


def _rank(found: Derived) -> int | None:
    """The rank of all directions at one drawn point; None for models too large for that."""
    if found.parameters > WIDE:
        return None
    rng = torch.Generator().manual_seed(0)
    draw = {
        name: torch.randn(shape, generator=rng, dtype=torch.float64)
        for name, shape in found.shapes.items()
    }
    sizes = {name: value.numel() for name, value in draw.items()}
    moved = directions(Point(draw), found.derivation.families, sizes)
    if not moved.numel():
        return 0
    moved = moved / moved.norm(dim=0).clamp(min=1e-300)
    values = torch.linalg.svdvals(moved)
    return int((values > 1e-8 * values[0]).sum())


def recorded() -> dict[str, dict[str, Any]]:
    """What is written down, by name."""
    lines = PLACE.read_text().splitlines() if PLACE.exists() else []
    return {line["name"]: line for line in map(json.loads, lines)}


def main() -> int:
    """Compare, or write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("names", nargs="*", help="beginnings of names")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known, changed = recorded(), 0
    for entry in entries():
        if asked.names and not entry.name.startswith(tuple(asked.names)):
            continue
        here = json.loads(json.dumps(observe(entry)))
        for key, value in here.items():
            before = known.get(entry.name, {}).get(key)
            if before != value:
                changed += 1
                print(f"{entry.name}: {key}\n  - {before}\n  + {value}")
        known[entry.name] = here
    if asked.overwrite:
        order = [e.name for e in entries()]
        PLACE.write_text("".join(json.dumps(known[n]) + "\n" for n in order if n in known))
    return 0 if asked.overwrite else int(changed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
