"""Scales between modules, read off the records of a report: who writes a channel, who reads it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from symfind.action.record import Action, Record
from symfind.errors import InputError
from symfind.report.model import Report


@dataclass(frozen=True)
class Pair:
    """Positive scales of channels: the `smooth` modules divide by them, the `balance` multiply.

    Attributes:
        smooth: modules that write the channels.
        balance: modules that read them.
        repeats: how many channels of a reader share a scale, at most.
        whole: whether all channels of every module take part, one by one.
        about: where scales act about a point: `1 + weight`, empty for none.
        norm: whether what writes is entrywise (a norm).
    """

    smooth: tuple[str, ...]
    balance: tuple[str, ...]
    repeats: int = 1
    whole: bool = True
    about: str = ""
    norm: bool = False


def pairs(report: Report) -> list[Pair]:
    """All pairs of a report, layer by layer, in the order of its factors."""
    found: list[Pair] = []
    for factor in report.factors:
        for generator in factor.recorded():
            pair = _pair(generator.record)
            if pair is not None and pair not in found:
                found.append(pair)
    return found


def module(tensor: str) -> str:
    """The module of a tensor; the tensor itself where its module holds several weights."""
    head, _, last = tensor.rpartition(".")
    return head if head and last in ("weight", "bias") else tensor


def _pair(record: Record) -> Pair | None:
    element = record.element
    actions = [a for a in record.actions if a.act in ("scale", "multiply")]
    if element.kind == "scale" and len(element.copies) == 1 and not any(element.ties):
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
    smooth, balance = (_modules(side) for side in (one, two))
    numbers = [a.origin.number for a in one if a.origin is not None and len(a.shape) == 1]
    about = next((f"{-n:g} + weight" for n in numbers if n is not None and n < 0), "")
    norm = all(len(a.shape) == 1 for a in one)
    return Pair(smooth, balance, max(map(_repeats, actions)), _covers(actions), about, norm)


def _modules(actions: Sequence[Action]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(module(a.tensor) for a in actions))


def _writes(actions: Sequence[Action]) -> bool:
    """Whether modules write the channels: a tensor of one dimension does, else rows do."""
    if any(len(a.shape) == 1 for a in actions):
        return True
    return all(_dim(a) == 0 for a in actions)


def _dim(action: Action) -> int:
    indices = action.block.indices if action.block else ()
    found = [i.dim for i in indices if i.role == "acted"]
    return (found or [i.dim for i in indices if i.role == "copy"] or [0])[0]


def _repeats(action: Action) -> int:
    total, dim = 1, _dim(action)
    for i in action.block.indices if action.block else ():
        total *= i.size if i.role == "alike" and i.dim == dim else 1
    return total


def _covers(actions: Sequence[Action]) -> bool:
    """Whether blocks of every tensor make up all of the channels."""
    covered: dict[str, int] = {}
    shapes = {a.tensor: a.shape for a in actions}
    for a in actions:
        count = 1
        for i in a.block.indices if a.block else ():
            count *= i.size
        covered[a.tensor] = covered.get(a.tensor, 0) + count
    sizes = {name: _product(shape) for name, shape in shapes.items()}
    return all(covered[name] == sizes[name] for name in sizes)


def _product(shape: Iterable[int]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


# patterns --------------------------------------------------------------------------------
def gathered(found: Sequence[Pair]) -> list[tuple[Pair, list[Pair]]]:
    """Pairs that differ in numbers of layers only: a pattern, and all that it stands for."""
    alike: dict[Pair, list[Pair]] = {}
    for pair in found:
        key = replace(pair, smooth=_starred(pair.smooth), balance=_starred(pair.balance))
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
