"""Which wires an explanation is asked for, and what is said where names lead to none."""

import difflib
import re
from collections.abc import Mapping, Sequence

from symfind.describe.sites import starred
from symfind.errors import InputError
from symfind.load.loaded import Loaded
from symfind.report.explained import Explanation, Wire
from symfind.verify.shared import first_names

_NEAR = 5  # names that are offered


def asked(
    loaded: Loaded,
    wires: Sequence[Wire],
    rotation: bool = False,
    between: tuple[str, str] | None = None,
    at: str = "",
    everything: bool = False,
) -> Explanation:
    """The wires that are asked about, once the names have been found to lead somewhere.

    Args:
        loaded: the model.
        wires: all of them.
        rotation: see `chosen`.
        between: see `chosen`.
        at: see `chosen`.
        everything: see `chosen`.

    Raises:
        InputError: a name is no part of any of the model; the message lists the nearest.
    """
    model, tensors = loaded.name, first_names(loaded.model)
    parts = tuple(dict.fromkeys((*(between or ()), *([at] if at else []))))
    unknown = [p for p in parts if not (_has(tuple(tensors), p) or any(p in w.name for w in wires))]
    if unknown:
        said = "; and ".join(f"{part!r}{_hint(part, tuple(tensors), wires)}" for part in unknown)
        raise InputError(f"no tensor or wire of {model} has this in its name: {said}")
    first = {part: _first(part, wires, tensors) for part in parts}
    pair = (first[between[0]], first[between[1]]) if between else None
    return Explanation(model, *chosen(wires, rotation, pair, first[at] if at else "", everything))


def _first(part: str, wires: Sequence[Wire], tensors: Mapping[str, str]) -> str:
    """A part of a name; of a tensor that is another one (tied), the name of that."""
    if any(part in w.name or _has(w.tensors, part) for w in wires):
        return part
    return next((one for name, one in tensors.items() if part in name and name != one), part)


def _hint(part: str, tensors: Sequence[str], wires: Sequence[Wire]) -> str:
    return f" (the nearest: {', '.join(near(part, [*tensors, *(w.role for w in wires)]))})"


def near(part: str, names: Sequence[str]) -> list[str]:
    """Names, and what they end in or consist of, that a misspelt part may have meant.

    Of a name the run of as many words as the part has: `v_proj` for `w_proj`, not the whole path.
    """
    length = part.count(".") + 1
    runs: dict[str, None] = {}
    for name in dict.fromkeys(starred(f".{n}.")[1:-1] for n in names):
        words = [w for w in name.split(".") if w != "*"] if length == 1 else name.split(".")
        runs |= {".".join(words[i : i + length]): None for i in range(len(words) - length + 1)}
        runs[name] = None
    wanted = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", part).lower()
    lower = {run.lower(): run for run in runs}
    found = difflib.get_close_matches(wanted, list(lower), n=_NEAR, cutoff=0.0)
    return [lower[name] for name in found]


def chosen(
    wires: Sequence[Wire],
    rotation: bool = False,
    between: tuple[str, str] | None = None,
    at: str = "",
    everything: bool = False,
) -> tuple[tuple[Wire, ...], str]:
    """The wires that are asked about, and what is to be said of them.

    Args:
        wires: all of them.
        rotation: those along which lengths are kept, and residual streams; where none ends inside
            the model, those that end at inputs and outputs.
        between: parts of names of tensors, of which one writes and the other reads.
        at: part of the name of a tensor, or of a wire.
        everything: also what ends at inputs and outputs.
    """
    found, note = [w for w in wires if w.telling or everything], ""
    if rotation:
        turned = [w for w in wires if w.rotated or w.role == "residual stream"]
        found = [w for w in turned if w in found] or turned
    if at:
        found = [w for w in wires if at in w.name or _has(w.tensors, at)]
        note = "" if found else f"No wire between parameters is written or read by {at}."
    if between is not None:
        one, two = between
        sides = [[w for w in wires if _has(w.tensors, name)] for name in (one, two)]
        found = [w for w in wires if _has(w.writers, one) and _has(w.readers, two)]
        found = found or [
            w for w in wires
            if w.telling and _has(w.writers, one) and _has(w.writers, two)
            and w.role != "residual stream"
        ]  # fmt: skip
        if not found and sides[0] and sides[1]:
            note = f"No wire joins {one} and {two}: what one writes ends before the other reads."
            found = [
                w for w in wires
                if w.role != "residual stream"
                and (_has(w.writers, one) or _has(w.readers, two))
            ]  # fmt: skip
    return tuple(found), note


def _has(names: Sequence[str], part: str) -> bool:
    return any(part in name or part in starred(f".{name}.") for name in names)
