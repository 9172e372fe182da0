"""Recipes of llm-compressor: smoothing mappings, and rotations of SpinQuant."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from symfind.export.pairs import Pair, gathered, module, modules_of, pairs, pattern
from symfind.export.rotations import sides_of
from symfind.report.explained import Wire
from symfind.report.model import Factor, Report


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
        if not key.said:
            notes.append(f"{said}: only some of the channels, which a mapping cannot say")
            continue
        if len(sides[0]) != 1:
            notes.append(f"{said}: several modules write these channels together")
            continue
        entries.append({"smooth_layer": sides[0][0], "balance_layers": sides[1]})
        notes += [f"{said}: {note}" for note in key.notes]
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
    return _yaml(*_some(entries, lines, notes))


def smoothquant(report: Report) -> str:
    """A recipe with the mappings of SmoothQuantModifier: readers, then the norm before them."""
    entries, notes = mappings(report, norms=True)
    lines = ["quant_stage:", "  quant_modifiers:", "    SmoothQuantModifier:", "      mappings:"]
    for e in entries:
        readers = ", ".join(map(_quoted, e["balance_layers"]))
        lines.append(f"        - [[{readers}], {_quoted(e['smooth_layer'])}]")
    return _yaml(*_some(entries, lines, notes))


def _some(
    entries: Sequence[Any], lines: list[str], notes: list[str]
) -> tuple[list[str], list[str]]:
    """Lines and notes, also where there is no entry."""
    if entries:
        return lines, notes
    return [*lines[:-1], "      mappings: []"], [*notes, "there is no pair that a mapping can name"]


def spinquant(report: Report, wires: Sequence[Wire] = (), aliases: Mapping[str, str] = {}) -> str:
    """Rotations of SpinQuantModifier: R1 of the residual stream, R2 of the values of every head.

    Args:
        report: with records.
        wires: which say what is attention.
        aliases: modules whose tensors are those of other modules (tied), by name.
    """
    modules = modules_of(report)
    streams = [f for f in report.factors if f.kind == "rotation" and len(f.places) == 1]
    values, unsaid = _values(report, wires)
    fields, notes = _mapping(streams, wires, modules, aliases)
    notes += unsaid
    if any(r.element.algebra == "stabiliser" for f in streams for r in f.records):
        notes.append("R1 must keep the all-ones vector: means are taken off in the norms")
    if not streams:
        absent = [f"no R1: {item.group} of the {item.site}; but {'; '.join(item.because)}"
                  for item in report.absent]  # fmt: skip
        notes += absent or ["no R1: no rotation of a residual stream"]
    named = bool(streams) and "embedding" in fields
    if streams and not named:
        notes.append("no R1: names do not tell which of these is the embedding")
    chosen = [name for name, there in (("R1", named), ("R2", values)) if there]
    lines = ["quant_stage:", "  quant_modifiers:", "    SpinQuantModifier:"]
    lines += [f"      rotations: [{', '.join(chosen)}]", "      mappings:"]
    lines += [f"        {key}: {value}" for key, value in fields.items()]
    lines.append("      norm_mappings:")
    norms, _ = mappings(report, norms=True)
    for e in norms:
        lines.append(f"        - norm: {_quoted(e['smooth_layer'])}")
        lines.append(f"          linears: [{', '.join(map(_quoted, e['balance_layers']))}]")
    if not norms:
        lines[-1] = "      norm_mappings: []"
    return _yaml(lines, notes)


def _values(report: Report, wires: Sequence[Wire]) -> tuple[list[Wire], list[str]]:
    """Heads whose values R2 may turn, and why not others: it knows the last channels at most."""
    values = [w for w in wires if w.role == "value" and w.group.startswith("GL(")]
    parts = {(n, str(part)) for p in pairs(report) if not p.said
             for part in p.parts if (n := part.module) in {*p.smooth, *p.balance}}  # fmt: skip
    cut = dict(parts)
    bad = [m for w in values for m in map(module, w.tensors) if m in cut]
    if not bad:
        return values, []
    return [], [f"no R2: {m} holds more than values, {cut[m]}" for m in dict.fromkeys(bad)]


def _mapping(
    streams: Sequence[Factor],
    wires: Sequence[Wire],
    modules: Sequence[str],
    aliases: Mapping[str, str],
) -> tuple[dict[str, str], list[str]]:
    """Which modules are what, and what that leaves out."""
    writes, reads = sides_of(streams[0]) if streams else ([], [])
    if not streams:
        stream = next((w for w in wires if w.role == "residual stream" and w.rotated), None)
        sides = (stream.writers, stream.readers) if stream else ((), ())
        writes, reads = (list(dict.fromkeys(map(module, side))) for side in sides)
    scores = [w for w in wires if w.role == "query · key"]
    values = [w for w in wires if w.role == "value"]
    query, key = _columns(scores, 2)
    value = [m for w in values for m in map(module, w.writers)]
    out = [m for w in values for m in map(module, w.readers)]
    if streams:
        query, key, value = _reading([query, key, value], reads)
    attention = {*query, *key, *value, *out}
    tables, heads = (_outside(side, attention) for side in (writes, reads))
    other = {first: name for name, first in aliases.items()}
    read_as = [other.get(m, m) if m in tables else m for m in heads]  # a table that is tied
    one = {"embedding": tables, "attn_q": query, "attn_k": key, "attn_v": value, "attn_o": out,
           "lm_head": read_as}  # fmt: skip
    fields, notes = {}, []
    for name, found in one.items():
        said = _patterns(found, [*modules, *aliases])
        if len(said) == 1:
            fields[name] = said[0]
        else:
            notes.append(f"{name}: {', '.join(said) or 'none found'}")
    parents = [m.rpartition(".")[0] for m in query]
    if any(parents):
        fields["attn"] = _patterns(parents, parents)[0]
    if values:
        fields["attn_head_dim"] = str(values[0].size)
    for name, side, known in (("mlp_in", reads, heads), ("mlp_out", writes, tables)):
        rest = [m for m in side if m not in attention and m not in known]
        fields[name] = f"[{', '.join(_patterns(rest, modules))}]"
    return fields, notes


def _reading(parts: list[list[str]], reads: Sequence[str]) -> list[list[str]]:
    """What reads the stream for queries, keys and values: themselves, or what latents come from."""
    if all(m in reads for part in parts for m in part):
        return parts
    parents = {m.rpartition(".")[0] for part in parts for m in part}
    found: dict[str, list[str]] = {}
    for m in reads:
        head, _, last = m.rpartition(".")
        if head in parents:
            found.setdefault(last, []).append(m)
    sides = list(found.values())
    return [sides[0], sides[-1], sides[-1]] if sides else parts


def _outside(modules: Sequence[str], attention: Collection[str]) -> list[str]:
    """Modules that belong to no layer."""
    plain = [m for m in modules if not any(part.isdigit() for part in m.split("."))]
    return [m for m in plain if m not in attention] or plain


def _columns(wires: Sequence[Wire], count: int) -> list[list[str]]:
    """The first writers of every layer, the second, and so on."""
    found: list[list[str]] = [[] for _ in range(count)]
    for wire in wires:
        names = list(dict.fromkeys(map(module, wire.writers)))
        step = max(len(names) // max(wire.copies, 1), 1)
        for i, name in enumerate(names):
            if i % step < count:
                found[i % step].append(name)
    return found


def _patterns(names: Sequence[str], modules: Sequence[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(re.sub(r"\d+", "*", name), []).append(name)
    return [_quoted(pattern(same, modules)) for same in alike.values()]


def _quoted(text: str) -> str:
    """A scalar of YAML in single quotes, in which nothing is escaped."""
    return "'" + text.replace("'", "''") + "'"


def _yaml(lines: Sequence[str], notes: Sequence[str]) -> str:
    return "\n".join([*(f"# {note}" for note in notes), *lines]) + "\n"
