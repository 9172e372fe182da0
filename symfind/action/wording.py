"""How a record acts, in text and LaTeX.

Entries are written as NumPy writes them, names without the path that they share, and every letter
is said to be what it is.
"""

import os
from collections.abc import Sequence
from typing import Any

from symfind.action.notation import bare, entries, straight
from symfind.action.record import Action, Record
from symfind.characters import tex_name as _tex

_SHOWN = 6  # tensors
_INDICES = "ijkl"
Lines = list[tuple[str, str]]


def wording(record: Record, kind: str = "", full: bool = False) -> tuple[str, str]:
    """How a family acts, in text and in LaTeX.

    Args:
        record: what acts.
        kind: of the factor, which names what is added.
        full: all tensors, however many.
    """
    names = short(record.tensors)
    match record.element.kind:
        case "matrix":
            return _multiplied(record, names, full)
        case "scale":
            return _rescaled(record, names, full)
    return _added(record, names, kind, full)


def short(names: Sequence[str]) -> dict[str, str]:
    """Names without the path of modules that all of them share."""
    paths = [name.split(".")[:-1] for name in names]
    shared = len(os.path.commonprefix(paths))
    # the module of a tensor belongs to its name
    shared = min([shared, *(max(len(path) - 1, 0) for path in paths)])
    return {name: ".".join(name.split(".")[shared:]) for name in names}


# scales ----------------------------------------------------------------------------------
def _rescaled(record: Record, names: dict[str, str], full: bool) -> tuple[str, str]:
    lines: Lines = []
    for actions in _alike([a for a in record.actions if a.act == "scale"]):
        first = actions[0]
        copies = {k: _INDICES[i.copy] for k, i in enumerate(_block(first).indices)
                  if i.role == "copy" and i.copy < len(_INDICES)}  # fmt: skip
        power = _power("s", first.exponent)
        for entry in entries(
            first.shape, [_block(a) for a in actions], copies, names[first.tensor]
        ):
            lines.append(_about(first, entry, f"{power} ", _power_tex("s", first.exponent) + r"\,"))
    text, latex = _together(lines, full)
    indices = "".join(_INDICES[: len(record.element.copies)])
    about = "s > 0" + (f", one for every {', '.join(indices)}" if indices else "")
    about += "".join(
        f", {rule}" for rule in record.element.constraints if rule.startswith("is equal")
    )
    text, latex = f"{text}; {about}", rf"{latex},\quad s > 0"
    others = [names[a.tensor] for a in record.actions if a.act in ("follow", "field")]
    text += _shifted(record, names, others)
    if others:  # scales about a point other than zero
        latex += rf",\ \text{{shifts taken back by }} {_join_tex([_tex(o) for o in others])}"
    return text, latex


def _shifted(record: Record, names: dict[str, str], others: Sequence[str]) -> str:
    text = f"; what that shifts is taken back by {', '.join(others)}" if others else ""
    reads = [
        name for a in record.actions if a.origin is not None and a.origin.program is not None
        for name in a.origin.program.reads
    ]  # fmt: skip
    if any(a.origin is not None and a.origin.program is not None for a in record.actions):
        names = {**names, **short(list(dict.fromkeys([*names, *reads])))}
        known = ", ".join(names[n] for n in dict.fromkeys(reads)) or "constants of the model"
        text += f"; o is the origin, computed from {known}"
    return text


def _about(action: Action, entry: str, factor: str, factor_tex: str, right: str = "",
           right_tex: str = "") -> tuple[str, str]:  # fmt: skip
    """The image of entries under a factor, about the origin of the tensor."""
    tex, same = _tex(bare(entry)), bare(entry)
    if action.origin is None:
        image, image_tex = f"{factor}{same}{right}", rf"{factor_tex}{tex}{right_tex}"
    else:
        n = action.origin.number
        plus = "- o" if n is None else f"+ {-n:g}" if n < 0 else f"- {n:g}"
        back = "+ o" if n is None else f"- {-n:g}" if n < 0 else f"+ {n:g}"
        image = f"{factor}({same} {plus}){right} {back}"
        image_tex = rf"{factor_tex}({tex} {plus}){right_tex} {back}"
    return f"{entry} -> {image}", rf"{tex} \mapsto {image_tex}"


# matrices --------------------------------------------------------------------------------
def _multiplied(record: Record, names: dict[str, str], full: bool) -> tuple[str, str]:
    orthogonal = record.element.algebra in ("orthogonal", "stabiliser", "rotations")
    letter = "R" if orthogonal else "A"
    lines: Lines = []
    notes: list[str] = []
    for actions in _alike([a for a in record.actions if a.act == "multiply"]):
        first = actions[0]
        blocks = [_block(a) for a in actions]
        for entry in entries(first.shape, blocks, {}, names[first.tensor]):
            lines.append(_times(first, entry, letter))
        notes += _repeats(first, names[first.tensor], letter)
    text, latex = _together(lines, full)
    text = "; ".join([text, *_rules(record, letter, full), *dict.fromkeys(notes)])
    copies = _count(record.element.copies)
    if copies > 1:
        latex += rf",\quad {letter} = {letter}_1 \oplus \cdots \oplus {letter}_{{{copies}}}"
    if any(a.gains for a in record.actions):
        latex += r",\quad \Gamma = \operatorname{diag}(\text{gains in between})"
    others = [names[a.tensor] for a in record.actions if a.act == "follow"]
    return text + _shifted(record, names, others), latex


def _times(action: Action, entry: str, letter: str) -> tuple[str, str]:
    """A block multiplied along its acted index."""
    (dim,) = {i.dim for i in _block(action).indices if i.role == "acted"}
    if action.side == "right":
        right, right_tex = _element(letter, action, transposed=True)
        return _about(action, entry, "", "", f" {right}", rf"\,{right_tex}")
    element, element_tex = _element(letter, action, transposed=False)
    if len(action.shape) <= 2:
        return _about(action, entry, f"{element} ", rf"{element_tex}\,")
    return _about(action, entry, f"{element} ", rf"{element_tex} \cdot_{{{dim}}} ",
                  f" along dim {dim}")  # fmt: skip


def _rules(record: Record, letter: str, full: bool) -> list[str]:
    """What elements obey, and how many there are."""
    spec = record.element
    rules = []
    copies = _count(spec.copies)
    if copies > 1:
        rules.append(f"{letter} has {copies} blocks of size {spec.size}")
    said = [r for r in spec.constraints if r not in ("is invertible", "has positive determinant")]
    if said:
        rules.append(f"{'each block' if copies > 1 else letter} {_prose(said)}")
    gains = dict.fromkeys(g.value.text for a in record.actions for g in a.gains)
    if gains:
        known = _join(list(gains), full)
        rules.append(f"G is the diagonal of the gains in between: {known}")
    return rules


def _prose(rules: Sequence[str]) -> str:
    *first, last = rules
    return f"{', '.join(first)} and {last}" if first else last


def _repeats(action: Action, name: str, letter: str) -> list[str]:
    """Where the rows of a tensor hold each block several times, or one for every entry."""
    block = _block(action)
    (dim,) = {i.dim for i in block.indices if i.role == "acted"}
    alike = _count([i.size for i in block.indices if i.role == "alike" and i.dim == dim])
    return [f"{name} holds every block of {letter} {alike} times"] if alike > 1 else []


def _element(letter: str, action: Action, *, transposed: bool) -> tuple[str, str]:
    """The matrix that acts, where A acts on what is not dual; G is the diagonal of gains."""
    dual, gains = action.dual, bool(action.gains)
    if letter == "R":  # orthogonal: its own dual
        power, power_tex = ("^T", r"^{\top}") if transposed else ("", "")
    else:
        power, power_tex = {
            (False, False): ("", ""),
            (False, True): ("^T", r"^{\top}"),
            (True, False): ("^-T", r"^{-\top}"),
            (True, True): ("^-1", r"^{-1}"),
        }[dual, transposed]
    text, latex = letter + power, letter + power_tex
    if not gains:
        return text, latex
    inverse = (sum(g.exponent for g in action.gains) < 0) != transposed
    if inverse:
        return f"G^-1 {text} G", rf"\Gamma^{{-1}} {latex}\, \Gamma"
    return f"G {text} G^-1", rf"\Gamma\, {latex}\, \Gamma^{{-1}}"


# shifts ----------------------------------------------------------------------------------
_UNNAMED = {
    "reach": ("s kappa^T", r"s\,\kappa^{\top}",
              "kappa x = c for every value x that is read here; s is free"),
    "lonely": ("s kappa^T", r"s\,\kappa^{\top}",
               "kappa x = c for every value x that is read here, and s c is zero or seen by no "
               "reader; s is free otherwise"),
    "shift": ("k s^T", r"k\,s^{\top}", "k is seen by no reader; s is free"),
}  # fmt: skip


def _added(record: Record, names: dict[str, str], kind: str, full: bool) -> tuple[str, str]:
    """What is added to a tensor, and what takes that back."""
    first, *rest = record.actions
    name = names[first.tensor]
    if kind == "inert":
        return f"{name} -> anything", rf"{_tex(name)} \mapsto \text{{anything}}"
    delta, delta_tex, about = "delta", r"\delta", ""
    if record.element.kind == "field":
        alone = kind == "reach" and not rest  # nothing takes back what is constant
        delta, delta_tex, about = _UNNAMED.get("lonely" if alone else kind, (delta, delta_tex, ""))
    elif first.block is not None and record.element.copies:
        name, index = _seed(first, name)
        delta, delta_tex = f"delta_{index}", rf"\delta_{{{index}}}"
    text = f"{name} -> {bare(name)} + {delta}"
    latex = rf"{_tex(bare(name))} \mapsto {_tex(bare(name))} + {delta_tex}"
    others = [names[a.tensor] for a in rest]
    if others:
        text += f", taken back by {_join(others, full)}"
        latex += rf",\ \text{{taken back by }} {_join_tex([_tex(o) for o in others])}"
    return (f"{text}; {about}" if about else text), latex


def _seed(action: Action, name: str) -> tuple[str, str]:
    """The entries of a seed, and the indices on which what is added to them depends."""
    block = _block(action)
    free = {k: i.dim for k, i in enumerate(block.indices) if i.role == "copy"}
    own = {d: [i for i in block.indices if i.dim == d] for d in free.values()}
    whole = {
        d for d, along in own.items()
        if all(i.role == "copy" for i in along)
        and straight([i.size for i in along], [i.stride for i in along])
    }  # fmt: skip
    # one index through a dimension, or one for each of the indices in it that are free
    keys = {k: (d if d in whole else (d, k)) for k, d in free.items()}
    letters = dict(zip(dict.fromkeys(keys.values()), _INDICES, strict=False))
    chosen = {k: letters.get(key, "i") for k, key in keys.items()}
    (entry,) = entries(action.shape, [block], chosen, name)
    return entry, "".join(letters.values())


# lists -----------------------------------------------------------------------------------
def _alike(actions: Sequence[Action]) -> list[list[Action]]:
    """Actions on blocks of one tensor that differ in where the blocks begin only."""
    found: dict[Any, list[Action]] = {}
    for a in actions:
        along = tuple((i.dim, i.role, i.copy, k) for k, i in enumerate(_block(a).indices)
                      if i.role != "alike")  # fmt: skip
        key = (a.tensor, a.exponent, a.dual, a.side, along, len(a.gains), a.origin is None)
        found.setdefault(key, []).append(a)
    return list(found.values())


def _block(action: Action) -> Any:
    assert action.block is not None
    return action.block


def _together(lines: Lines, full: bool) -> tuple[str, str]:
    return _join([a for a, _ in lines], full), _join_tex([b for _, b in lines])


def _join(items: Sequence[str], full: bool) -> str:
    if full or len(items) <= _SHOWN:
        return ", ".join(items)
    return ", ".join(items[:_SHOWN]) + f", ... ({len(items)} in all)"


def _join_tex(items: Sequence[str]) -> str:
    return r",\; ".join([*items[:_SHOWN], *([r"\ldots"] if len(items) > _SHOWN else [])])


def _count(sizes: Sequence[int]) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total


def _power(letter: str, exponent: float) -> str:
    return letter if exponent == 1 else f"{letter}^{exponent:g}"


def _power_tex(letter: str, exponent: float) -> str:
    return letter if exponent == 1 else f"{letter}^{{{exponent:g}}}"
