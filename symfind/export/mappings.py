"""Mappings of AWQ and SmoothQuant: a writer and its readers, held against derived scales."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symfind.export.pairs import Pair, matching
from symfind.export.verdicts import Checked, Verdict, listed, read_by, worst
from symfind.report.explained import Wire


@dataclass(frozen=True)
class Scales:
    """What mappings are held against.

    Attributes:
        modules: names of all that hold trained tensors.
        pairs: derived scales.
        wires: explanations, which say what stands against others.
        aliases: modules whose tensors are those of other modules (tied), by name.
    """

    modules: Sequence[str]
    pairs: Sequence[Pair]
    wires: Sequence[Wire] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def named(self, patterns: Sequence[str]) -> list[str]:
        """The modules that patterns name, tied ones by the name of their tensor."""
        found = [m for text in patterns for m in matching(text, self.modules)]
        return list(dict.fromkeys(self.aliases.get(m, m) for m in found))

    def check(self, smooth: str, balance: Sequence[str]) -> Checked:
        """One entry, over all layers."""
        entry = f"{smooth} -> {', '.join(balance)}"
        found = self.resolved(smooth, balance)
        if not found or not any(near for _, near in found):
            missing = smooth if not found else ", ".join(balance)
            return Checked(entry, "unmatched", f"the model has no module {missing}")
        return worst(entry, [self._one(writer, set(near)) for writer, near in found])

    def resolved(self, smooth: str, balance: Sequence[str]) -> list[tuple[str, list[str]]]:
        """Every writer that an entry names, with those of its readers that belong to it."""
        writers, readers = self.named([smooth]), self.named(balance)
        return [(w, [r for r in readers if _belongs(w, r, writers)]) for w in writers]

    def _one(self, writer: str, readers: set[str]) -> tuple[Verdict, str]:
        own = [p for p in self.pairs if writer in p.smooth]
        if not own:
            return "broken", f"no scale of the channels of {writer} is free{self._why(writer)}"
        pair = max(own, key=lambda p: (len(readers & set(p.balance)), -len(p.balance)))
        extra, missing = readers - set(pair.balance), set(pair.balance) - readers
        others = [s for s in pair.smooth if s != writer]
        if extra:
            return "broken", f"{read_by(extra)} other channels than those of {writer}"
        if missing:
            return "incomplete", f"{read_by(missing)} these channels as well"
        if others:
            return "incomplete", f"{listed(others)} writes these channels as well"
        return ("exact" if pair.said else "incomplete"), "; ".join(pair.notes)

    def _why(self, writer: str) -> str:
        """What stands against it, where an explanation knows: of its channels, or of its gains."""
        gain = re.compile(rf"(?<!\w){re.escape(writer.rpartition('.')[2])}\.weight")
        for wire in self.wires:
            written = any(n.startswith(f"{writer}.") for n in wire.writers)
            words = [r.words for r in wire.reasons
                     if not r.leaves and (written or gain.search(r.words))]  # fmt: skip
            if words:
                return f": {words[0]}"
        return ""


def _belongs(writer: str, reader: str, writers: Sequence[str]) -> bool:
    """Whether a reader is one of this writer's: in its layer, and no other writer is nearer."""
    if len(writers) == 1:
        return True
    shared = _shared(writer, reader)
    if shared < 0:
        return False
    return shared >= max(_shared(other, reader) for other in writers)


def _shared(one: str, two: str) -> int:
    """How many modules contain both; -1 where their paths part at a number, in two layers."""
    paths = list(zip(one.split("."), two.split("."), strict=False))
    parted = next((i for i, (a, b) in enumerate(paths) if a != b), len(paths))
    if parted < len(paths) and all(part.isdigit() for part in paths[parted]):
        return -1
    return parted


def entries(content: Any, seen: set[int] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Pairs of a writer and its readers, wherever they are nested; what YAML repeats, once."""
    seen = set() if seen is None else seen
    if id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, Mapping):
        pair = _named(content)
        if pair is not None:
            yield pair
            return
        for value in content.values():
            yield from entries(value, seen)
    elif isinstance(content, (list, tuple)):
        if _paired(content):
            yield content[1], list(content[0])
            return
        for value in content:
            yield from entries(value, seen)


_NAMES = (("smooth_layer", "balance_layers"), ("smooth_layers", "balance_layers"),
          ("norm", "linears"))  # fmt: skip


def _named(content: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """An entry of AWQ, SmoothQuant, or of the norms of SpinQuant."""
    for one, many in _NAMES:
        if one in content and many in content:
            readers = content[many]
            readers = readers if isinstance(readers, (list, tuple)) else [readers]
            return str(content[one]), [str(r) for r in readers]
    return None


def _paired(content: Sequence[Any]) -> bool:
    return (
        len(content) == 2
        and isinstance(content[0], (list, tuple))
        and isinstance(content[1], str)
        and all(isinstance(b, str) for b in content[0])
    )
