"""Recipes of llm-compressor: smoothing mappings, and rotations of SpinQuant."""

from collections.abc import Sequence
from typing import Any

from symfind.export.pairs import Pair, gathered, module, pairs, pattern
from symfind.report.model import Report


def modules_of(report: Report) -> list[str]:
    """The modules that hold trained tensors."""
    return list(dict.fromkeys(module(name) for name in report.model.tensors))


def mappings(report: Report, norms: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries with `smooth_layer` and `balance_layers`, and notes on what no entry can say.

    Args:
        report: with records.
        norms: only what norms write.
    """
    modules = modules_of(report)
    entries: list[dict[str, Any]] = []
    notes: list[str] = []
    for key, same in gathered(pairs(report)):
        sides = _sides(same, modules)
        said = f"{' and '.join(key.smooth)} -> {', '.join(key.balance)}"
        if norms and not key.norm:
            continue
        if not key.whole:
            notes.append(f"{said}: only some of the channels, which a mapping cannot say")
            continue
        if len(sides[0]) != 1:
            notes.append(f"{said}: several modules write these channels together")
            continue
        entries.append({"smooth_layer": sides[0][0], "balance_layers": sides[1]})
        if key.repeats > 1:
            notes.append(f"{said}: {key.repeats} channels of a reader share each scale")
        if key.about:
            notes.append(f"{said}: the scale acts on {key.about}, not on the weight alone")
    return entries, notes


def _sides(same: Sequence[Pair], modules: Sequence[str]) -> tuple[list[str], list[str]]:
    smooth = [[p.smooth[i] for p in same] for i in range(len(same[0].smooth))]
    balance = [[p.balance[i] for p in same] for i in range(len(same[0].balance))]
    return [pattern(n, modules) for n in smooth], [pattern(n, modules) for n in balance]


def awq(report: Report) -> str:
    """A recipe with the mappings of AWQModifier."""
    entries, notes = mappings(report)
    lines = ["quant_stage:", "  quant_modifiers:", "    AWQModifier:", "      mappings:"]
    for e in entries:
        lines.append(f"        - smooth_layer: {_quoted(e['smooth_layer'])}")
        lines.append(f"          balance_layers: [{', '.join(map(_quoted, e['balance_layers']))}]")
    return _yaml(lines if entries else [*lines[:-1], "      mappings: []"], notes)


def smoothquant(report: Report) -> str:
    """A recipe with the mappings of SmoothQuantModifier: readers, then the norm before them."""
    entries, notes = mappings(report, norms=True)
    lines = ["quant_stage:", "  quant_modifiers:", "    SmoothQuantModifier:", "      mappings:"]
    for e in entries:
        readers = ", ".join(map(_quoted, e["balance_layers"]))
        lines.append(f"        - [[{readers}], {_quoted(e['smooth_layer'])}]")
    return _yaml(lines if entries else [*lines[:-1], "      mappings: []"], notes)


def spinquant(report: Report) -> str:
    """Rotations: R1 of the residual stream with the norms to be fused, R2 of values by head."""
    modules, lines, notes = modules_of(report), [], []
    lines += ["quant_stage:", "  quant_modifiers:", "    SpinQuantModifier:"]
    streams = [f for f in report.factors if f.kind == "rotation" and len(f.places) == 1]
    values = [f for f in report.factors if f.kind == "gauge" and f.group.startswith("GL(")]
    r2 = [_sides_of(f) for f in values]
    r2 = [sides for sides in r2 if all(sides)]
    chosen = [name for name, there in (("R1", streams), ("R2", r2)) if there]
    lines.append(f"      rotations: [{', '.join(chosen)}]")
    lines.append("      mappings:")
    for factor in streams:
        writes, reads = _sides_of(factor)
        lines.append(f"        # R1: {factor.group}, W -> R W of what writes, W R^T of what reads")
        lines.append(f"        r1_writes: [{', '.join(_patterns(writes, modules))}]")
        lines.append(f"        r1_reads: [{', '.join(_patterns(reads, modules))}]")
        if "SO(" in factor.group and factor.records[0].element.algebra == "stabiliser":
            notes.append("R1 must keep the all-ones vector: means are taken off in the norms")
    for writes, reads in r2:
        lines.append("        # R2: one matrix for every head")
        lines.append(f"        r2_writes: [{', '.join(_patterns(writes, modules))}]")
        lines.append(f"        r2_reads: [{', '.join(_patterns(reads, modules))}]")
    if not streams:
        lines[-1:] = [lines[-1]] if r2 else ["      mappings: {}"]
        for item in report.absent:
            notes.append(f"no R1: {item.group} of the {item.site}; but {'; '.join(item.because)}")
    lines.append("      norm_mappings:")
    norms, _ = mappings(report, norms=True)
    for e in norms:
        lines.append(f"        - norm: {_quoted(e['smooth_layer'])}")
        lines.append(f"          linears: [{', '.join(map(_quoted, e['balance_layers']))}]")
    if not norms:
        lines[-1] = "      norm_mappings: []"
    return _yaml(lines, notes)


def _sides_of(factor: Any) -> tuple[list[str], list[str]]:
    """Modules that write and that read what a matrix acts on, over all places."""
    writes: dict[str, None] = {}
    reads: dict[str, None] = {}
    for generator in factor.recorded():
        for a in generator.record.actions:
            if a.act != "multiply" or len(a.shape) < 2:
                continue
            first = a.side != "right"
            table = a.side == "right" and not a.dual  # rows of a table are what it writes
            (writes if first or table else reads)[module(a.tensor)] = None
    return list(writes), list(reads)


def _patterns(names: Sequence[str], modules: Sequence[str]) -> list[str]:
    import re

    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(re.sub(r"\d+", "*", name), []).append(name)
    return [_quoted(pattern(same, modules)) for same in alike.values()]


def _quoted(text: str) -> str:
    """A scalar of YAML in single quotes, in which nothing is escaped."""
    return "'" + text.replace("'", "''") + "'"


def _yaml(lines: Sequence[str], notes: Sequence[str]) -> str:
    return "\n".join([*(f"# {note}" for note in notes), *lines]) + "\n"
