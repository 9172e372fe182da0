"""Why a group is there, or is not: the largest that a wire could carry, and what cuts it down."""

import textwrap
from dataclasses import dataclass

_SHOWN = 6  # reasons of a wire
_NUMBERING = ("experts", "groups")  # no vectors: they say which of several matrices acts


@dataclass(frozen=True)
class Reason:
    """One operation that cuts a group down, wherever layers repeat it.

    Attributes:
        words: what it does.
        where: the line of the user's source.
        module: in which module, with * for numbers.
        leaves: the group that it would leave by itself; empty for none.
        restores: what would undo it; empty where nothing but another operation would.
        count: how often it is met.
    """

    words: str
    where: str = ""
    module: str = ""
    leaves: str = ""
    restores: str = ""
    count: int = 1


@dataclass(frozen=True)
class Wire:
    """A wire between parameters, and the matrices that could act on it.

    Attributes:
        name: role, module, who writes and who reads it.
        role: of the wire.
        size: n.
        largest: GL(n, R).
        group: what is left of it; empty for nothing but scales at most.
        reasons: what cuts it down, what leaves nothing last.
        writers: tensors that write it.
        readers: tensors that read it.
        rotated: whether lengths along it are what is kept: a rotation could be expected.
        almost: whether nothing but diagonals stands against a group.
        copies: how many wires are alike.
        heads: how many matrices each of them carries, where it belongs to attention.
    """

    name: str
    role: str
    size: int
    largest: str
    group: str
    reasons: tuple[Reason, ...] = ()
    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    rotated: bool = False
    almost: bool = False
    copies: int = 1
    heads: int = 1

    @property
    def tensors(self) -> tuple[str, ...]:
        """All that write or read it."""
        return tuple(dict.fromkeys((*self.writers, *self.readers)))

    @property
    def telling(self) -> bool:
        """Whether a group could be looked for here: it is written, and ends inside the model."""
        ends = any("an input" in r.words or "an output" in r.words for r in self.reasons)
        joined = bool(self.writers and self.readers) or self.role in ("query · key", "hidden units")
        return bool(self.writers) and joined and not ends and self.role not in _NUMBERING

    @property
    def kept(self) -> str:
        """The group that would be left without what leaves nothing."""
        left = [r.leaves for r in self.reasons if r.leaves]
        skew = any(g.startswith("SO(") for g in left)
        ones = any(g == f"GL({self.size - 1}, R)" for g in left)
        pairs = [g for g in left if "^" in g]
        if pairs:
            return pairs[0].replace("GL(1, C)", "SO(2)") if skew else pairs[0]
        if skew:
            return f"SO({self.size - 1 if ones else self.size})"
        return f"GL({self.size - 1 if ones else self.size}, R)"


@dataclass(frozen=True)
class Explanation:
    """Wires that were asked about.

    Attributes:
        model: its name.
        wires: the widest first.
        note: what is to be said of all of them.
    """

    model: str
    wires: tuple[Wire, ...]
    note: str = ""

    def __str__(self) -> str:
        """As `symfind explain` prints it."""
        return render(self)


def render(found: Explanation, full: bool = False, width: int = 80) -> str:
    """What cuts every wire down, as text."""
    parts = [found.model]
    if found.note:
        parts += ["", *_fold(found.note, width, "")]
    if not (found.wires or found.note):
        parts += ["", "No wire between parameters matches what was asked."]
    for wire in found.wires:
        parts += ["", *_wire(wire, full, width)]
    return "\n".join(parts) + "\n"


def _wire(wire: Wire, full: bool, width: int) -> list[str]:
    lines = _fold(f"{wire.name}{_spread(wire)}", width, "")
    left = f"carries {wire.group}" if wire.group else "carries no matrices"
    lines += _fold(f"could carry {wire.largest}; {left}", width, "  ")
    shown = wire.reasons if full else wire.reasons[:_SHOWN]
    for reason in shown:
        times = f" ({reason.count} times)" if reason.count > 1 else ""
        leaves = f" -> {reason.leaves}" if reason.leaves else ""
        lines += _fold(f"- {reason.words}{leaves}{times}", width, "  ", "    ")
        place = "; ".join(part for part in (reason.module, reason.where) if part)
        lines += _fold(place, width, "      ") if place else []
    if len(wire.reasons) > len(shown):
        lines.append(f"  - and {len(wire.reasons) - len(shown)} more; --details shows them")
    undo = list(dict.fromkeys(r.restores for r in wire.reasons if r.restores))
    if undo and wire.almost:
        lines += _fold(f"for {wire.kept}: {'; and '.join(undo)}", width, "  ", "    ")
    return lines


def _spread(wire: Wire) -> str:
    """How many there are: layers, and heads of attention."""
    heads = f"{wire.heads} head{'s' if wire.heads > 1 else ''}"
    layers = f"{wire.copies} layers" if wire.copies > 1 else ""
    if wire.role in ("query · key", "value"):
        return f" ({layers} × {heads})" if layers else f" ({heads})"
    return f" ({layers})" if layers else ""


def _fold(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
    )  # fmt: skip
