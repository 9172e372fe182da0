"""Scales between modules, read off the records of a report: who writes a channel, who reads it."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from symfind.action.record import Action, Record
from symfind.errors import InputError
from symfind.report.model import Report


@dataclass(frozen=True)
class Part:
    """Entries of a module along its channels, where not all of them take part.

    Attributes:
        module: whose.
        start: the first of them.
        stop: behind the last; equal to `start` where they are no range.
        total: of all.
    """

    module: str
    start: int
    stop: int
    total: int

    def __str__(self) -> str:
        """`entries 16 to 32 of 64`."""
        if self.start == self.stop:
            return f"only some of the {self.total} channels"
        return f"channels {self.start} to {self.stop} of {self.total}"


@dataclass(frozen=True)
class Pair:
    """Positive scales of channels: the `smooth` modules divide by them, the `balance` multiply.

    Attributes:
        smooth: modules that write the channels.
        balance: modules that read them.
        repeats: how many channels of a reader share a scale, at most.
        parts: of modules of which only a part takes part.
        about: where scales act about a point: `1 + weight`, empty for none.
        norm: whether what writes is entrywise (a norm).
    """

    smooth: tuple[str, ...]
    balance: tuple[str, ...]
    repeats: int = 1
    parts: tuple[Part, ...] = ()
    about: str = ""
    norm: bool = False

    @property
    def whole(self) -> bool:
        """Whether all channels of every module take part, one by one."""
        return not self.parts

    @property
    def said(self) -> bool:
        """Whether a mapping says it: one that names a packed writer means its last channels."""
        return all(p.module in self.smooth and p.start < p.stop == p.total for p in self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a mapping does not say."""
        notes = [f"acts on {part} of {part.module.rpartition('.')[2]}" for part in self.parts]
        if self.repeats > 1:
            notes.append(f"{self.repeats} channels of a reader share each scale")
        if self.about:
            notes.append(f"acts on {self.about}")
        return tuple(notes)


def pairs(report: Report) -> list[Pair]:
    """All pairs of a report, layer by layer, in the order of its factors."""
    found: list[Pair] = []
    for factor in report.factors:
        for generator in factor.recorded():
            pair = _pair(generator.record)
            if pair is not None and pair not in found:
                found.append(pair)
    return found


def modules_of(report: Report) -> list[str]:
    """The modules that hold trained tensors."""
    return list(dict.fromkeys(module(name) for name in report.model.tensors))


def module(tensor: str) -> str:
    """The module of a tensor; the tensor itself where its module holds several weights."""
    head, _, last = tensor.rpartition(".")
    return head if head and last in ("weight", "bias") else tensor


def _pair(record: Record) -> Pair | None:
    element = record.element
    actions = [a for a in record.actions if a.act in ("scale", "multiply")]
    if element.kind == "scale" and element.copies and not any(element.ties):
        if {a.exponent for a in actions} != {1.0, -1.0}:
            return None
        sides = [[a for a in actions if a.exponent == e] for e in (1.0, -1.0)]
    elif element.kind == "matrix" and element.algebra == "general":
        sides = [[a for a in actions if a.dual is dual] for dual in (False, True)]
    else:
        return None
    if not all(sides):
        return None
    one, two = sides
    if _writes(two) and not _writes(one):
        one, two = two, one
    if _writes(two) or not _writes(one):
        return None  # two that write, as query and key do
    numbers = [a.origin.number for a in one if a.origin is not None and entrywise(a)]
    about = next((f"{-n:g} + weight" for n in numbers if n is not None and n < 0), "")
    return Pair(
        _modules(one), _modules(two), max(map(_repeats, actions)), _parts(actions), about,
        all(entrywise(a) for a in one),
    )  # fmt: skip


def _modules(actions: Sequence[Action]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(module(a.tensor) for a in actions))


def _writes(actions: Sequence[Action]) -> bool:
    """Whether modules write the channels: a tensor of channels alone does, else rows do."""
    return any(entrywise(a) for a in actions) or all(_first(a) for a in actions)


def entrywise(action: Action) -> bool:
    """Whether every dimension of a tensor counts channels: a gain, or a bias."""
    return len(_free(action)) == len(action.shape)


def _first(action: Action) -> bool:
    """Whether channels stand before what they are computed from: rows, also of stacked experts."""
    free = _free(action)
    return not [d for d in range(channels(action)) if d not in free]


def _free(action: Action) -> set[int]:
    indices = action.block.indices if action.block else ()
    return {i.dim for i in indices if i.role in ("acted", "copy")}


def channels(action: Action) -> int:
    """The dimension along which a scale or matrix acts: that of its last index."""
    indices = action.block.indices if action.block else ()
    acted = [i.dim for i in indices if i.role == "acted"]
    copies = sorted((i.copy, i.dim) for i in indices if i.role == "copy")
    return (acted or [d for _, d in copies[-1:]] or [0])[0]


def _repeats(action: Action) -> int:
    total, dim = 1, channels(action)
    for i in action.block.indices if action.block else ():
        total *= i.size if i.role == "alike" and i.dim == dim else 1
    return total


def _parts(actions: Sequence[Action]) -> tuple[Part, ...]:
    """Modules of which blocks do not make up all channels."""
    places: dict[str, set[int]] = {}
    count: dict[str, int] = {}
    for a in actions:
        places.setdefault(a.tensor, set()).update(_positions(a))
        entries = math.prod(i.size for i in a.block.indices) if a.block else math.prod(a.shape)
        count[a.tensor] = count.get(a.tensor, 0) + entries
    parts: dict[str, Part] = {}
    for a in actions:
        own, total = places[a.tensor], a.shape[channels(a)]
        slices = count[a.tensor] * total == len(own) * math.prod(a.shape)  # whole along the rest
        if len(own) < total or not slices:
            start = min(own)
            together = slices and start + len(own) == max(own) + 1
            parts[module(a.tensor)] = Part(
                module(a.tensor), start, start + len(own) * together, total
            )
    return tuple(parts.values())


def _positions(action: Action) -> set[int]:
    """Which entries along the channels a block has."""
    dim, block = channels(action), action.block
    if block is None:
        return set(range(action.shape[dim]))
    if str(dim) in block.orders:
        return set(block.orders[str(dim)])
    places = {block.offsets[dim]}
    for i in block.indices:
        if i.dim == dim:
            places = {at + k * i.stride for at in places for k in range(i.size)}
    return places


# patterns --------------------------------------------------------------------------------
def gathered(found: Sequence[Pair]) -> list[tuple[Pair, list[Pair]]]:
    """Pairs that differ in numbers of layers only: a pattern, and all that it stands for."""
    alike: dict[Pair, list[Pair]] = {}
    for pair in found:
        parts = tuple(replace(p, module=_starred([p.module])[0]) for p in pair.parts)
        key = replace(
            pair, smooth=_starred(pair.smooth), balance=_starred(pair.balance), parts=parts
        )
        alike.setdefault(key, []).append(pair)
    return list(alike.items())


def _starred(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.sub(r"(?<![^.])\d+(?![^.])", "*", name) for name in names))


def pattern(names: Sequence[str], modules: Iterable[str]) -> str:
    """A regular expression, after `re:`, that matches these modules and no others.

    Args:
        names: modules that differ in numbers only.
        modules: all that there are.
    """
    parts = [name.split(".") for name in names]
    pieces = []
    for column in zip(*parts, strict=True):
        values = list(dict.fromkeys(column))
        if len(values) == 1:
            pieces.append(re.escape(values[0]))
        else:
            pieces.append((values, r"\d+"))
    wide = r"\.".join(p if isinstance(p, str) else p[1] for p in pieces)
    if {m for m in modules if re.fullmatch(wide, m)} == set(names):
        first = next((i for i, p in enumerate(pieces) if not isinstance(p, str)), None)
        short = "." if first is None else wide
        if first is not None:
            short = r"\.".join(
                p if isinstance(p, str) else p[1] for p in pieces[max(first - 1, 0) :]
            )
            return f"re:.*{short}$"
        return names[0] if short == "." else f"re:{wide}$"
    exact = r"\.".join(p if isinstance(p, str) else f"({'|'.join(p[0])})" for p in pieces)
    return f"re:^{exact}$"


def matching(text: str, modules: Iterable[str]) -> list[str]:
    """The modules that an entry of a mapping names: by regular expression, or by its end.

    Raises:
        InputError: it is no regular expression.
    """
    if text.startswith("re:"):
        try:
            found = re.compile(text[3:])
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(f"{text} is no regular expression: {error}") from error
        return [m for m in modules if found.match(m)]
    return [m for m in modules if m == text or m.endswith(f".{text}")]
