"""Rotations of SpinQuant: which modules write and read a stream, held against what is derived."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symfind.export.mappings import Scales
from symfind.export.pairs import module
from symfind.export.reading import nested
from symfind.export.verdicts import Checked, Verdict, listed, read_by
from symfind.report.explained import Wire
from symfind.report.model import Factor, Report

WRITERS = ("embedding", "attn_o", "mlp_out")
READERS = ("attn_q", "attn_k", "attn_v", "mlp_in", "lm_head")
ALL = ("R1", "R2")


def spun(content: Any) -> Iterator[tuple[Mapping[str, Any], Sequence[str]]]:
    """Mappings of SpinQuant, wherever they are nested, with the rotations that are asked for."""
    for found in nested(content, lambda one: _maps(one) or _maps(one.get("mappings"))):
        if _maps(found):
            yield found, ALL
        else:
            asked = found.get("rotations")
            yield found["mappings"], ALL if asked is None else _texts(asked)


def _maps(found: Any) -> bool:
    return isinstance(found, Mapping) and "attn_o" in found and (
        "embedding" in found or "attn_v" in found
    )  # fmt: skip


def check(
    mapping: Mapping[str, Any], report: Report, scales: Scales, asked: Sequence[str] = ALL
) -> list[Checked]:
    """R1, the rotation of the residual stream, and R2, that of the values of every head.

    Args:
        mapping: names or patterns of modules by their part.
        report: with records.
        scales: modules and pairs.
        asked: which of the two are to be made.
    """
    parts = {key: scales.named(_texts(mapping.get(key))) for key in (*WRITERS, *READERS)}
    absent = [f"{key}: {mapping[key]}" for key, found in parts.items()
              if mapping.get(key) and not found]  # fmt: skip
    first = f"R1: {', '.join(WRITERS)} -> {', '.join(READERS)}"
    result = []
    if "R1" in asked and absent:
        result = [Checked(first, "unmatched", f"the model has no module {'; '.join(absent)}")]
    elif "R1" in asked:
        writes, reads = ({m for k in keys for m in parts[k]} for keys in (WRITERS, READERS))
        result = [Checked(first, *_stream(writes, reads, report, scales.wires))]
    if "R2" in asked and parts["attn_v"] and parts["attn_o"]:
        second = scales.check(str(mapping["attn_v"]), [str(mapping["attn_o"])])
        result.append(Checked(f"R2: {second.entry}", second.verdict, second.reason))
    return result


def _texts(given: Any) -> list[str]:
    return [str(text) for text in (given if isinstance(given, (list, tuple)) else [given]) if text]


def _stream(
    writes: set[str], reads: set[str], report: Report, wires: Sequence[Wire]
) -> tuple[Verdict, str]:
    streams = [sides_of(f) for f in report.factors if f.kind == "rotation"]
    if not streams:
        return "broken", _why(wires) or "no rotation of a residual stream is derived"
    own = max(streams, key=lambda s: len(writes & set(s[0])) + len(reads & set(s[1])))
    extra = [(writes - set(own[0]), "write"), (reads - set(own[1]), "read")]
    for names, verb in extra:
        if names:
            return "broken", f"{listed(names)} {verb}s no such stream"
    missing = [m for m in own[0] if m not in writes]
    if missing:
        return "incomplete", f"{listed(missing)} writes this stream as well"
    missing = [m for m in own[1] if m not in reads]
    if missing:
        return "incomplete", f"{read_by(missing)} this stream as well"
    if any(r.element.algebra == "stabiliser" for f in report.factors for r in f.records):
        return "incomplete", "the rotation has to keep the all-ones vector: means are taken off"
    return "exact", ""


def _why(wires: Sequence[Wire]) -> str:
    """What stands against a rotation of the stream."""
    for wire in wires:
        if wire.role == "residual stream" and wire.rotated and not wire.group:
            return "; ".join(r.words for r in wire.reasons if not r.leaves)
    return ""


def sides_of(factor: Factor) -> tuple[list[str], list[str]]:
    """Modules that write and that read what a matrix acts on, over all places."""
    writes: dict[str, None] = {}
    reads: dict[str, None] = {}
    for generator in factor.recorded():
        acting = [a for a in generator.record.actions if a.act == "multiply"]
        # rows of a matrix are written; what is dual to them reads
        turned = next((a.dual for a in acting if a.side == "left"), False)
        for a in acting:
            if len(a.shape) > 1:
                (writes if a.dual is turned else reads)[module(a.tensor)] = None
    return list(writes), list(reads)
