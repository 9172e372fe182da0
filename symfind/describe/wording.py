"""How generators act, in text and LaTeX.

Entries are written as NumPy writes them, names without the path that they share.
"""

import os
from collections.abc import Sequence
from typing import Any

from symfind.characters import tex_name as _tex
from symfind.describe.notation import block
from symfind.solve.bonds.matrices import Member
from symfind.solve.bonds.scalings import Follower
from symfind.solve.families.combined import CombinedFamily
from symfind.solve.families.family import MatrixFamily, NullFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family

_SHOWN = 6  # tensors
_INDICES = "ijkl"


def action(family: Family) -> tuple[str, str]:
    """How a family acts, in text and in LaTeX."""
    if isinstance(family, MatrixFamily):
        return _multiplied(family)
    if isinstance(family, CombinedFamily):
        return _together(family)
    names = _short(family.names)
    if isinstance(family, ScalingFamily):
        return _rescaled(family, names)
    if family.kind == "scaling" and isinstance(family, NullFamily):
        return _anchored(family, names)
    return _added(family, names)


def _together(family: CombinedFamily) -> tuple[str, str]:
    """What all members do, with the power of each where it has one coefficient."""
    texts, formulas = [], []
    for member, mix in family.parts:
        text, latex = action(member)
        power = f"{float(mix):g}" if mix.numel() == 1 else ""
        texts.append(f"({text}) to the power {power}" if power not in ("", "1") else f"({text})")
        formulas.append(rf"({latex})^{{{power}}}" if power not in ("", "1") else f"({latex})")
    return "only together: " + " and ".join(texts), r"\,\circ\,".join(formulas)


def _rescaled(family: ScalingFamily, names: dict[str, str]) -> tuple[str, str]:
    moves = _scaled(family, names)
    scaled = {m.source.key for m in family.scaling.members}
    others = [name for key, name in names.items() if key not in scaled]
    text = _list([f"{entry} -> {_power(e)} {entry}" for entry, e in moves])
    latex = _list_tex(
        [rf"{_tex(entry)} \mapsto {_power_tex(e)}\,{_tex(entry)}" for entry, e in moves]
    )
    if others:  # scales about a point other than zero
        text += f", what that shifts taken back by {_list(others)}"
        latex += rf",\ \text{{shifts taken back by }} {_list_tex([_tex(o) for o in others])}"
    return text, latex


def _scaled(family: ScalingFamily, names: dict[str, str]) -> list[tuple[str, float]]:
    """Entries that follow a scale, with their exponents."""
    alike: dict[Any, list[Follower]] = {}
    for m in family.scaling.members:
        along = tuple(m.source.cells[m.cell].places[i] for i in m.places)
        alike.setdefault((m.source, m.exponent, along, m.places), []).append(m)
    result = []
    for (source, exponent, *_), members in alike.items():
        letters = dict(zip(members[0].places, _INDICES, strict=False))
        cells = [m.cell for m in members]
        result += [(e, exponent) for e in block(source, cells, letters, names[source.key])]
    return result


def _added(family: Family, names: dict[str, str]) -> tuple[str, str]:
    """What is added to a tensor, and what takes that back."""
    first, *rest = names.values()
    if family.kind == "inert":
        return f"{first} -> anything", rf"{_tex(first)} \mapsto \text{{anything}}"
    delta, delta_tex = "delta", r"\delta"
    if family.kind == "shift" and isinstance(family, NullFamily):
        delta, delta_tex = "k s^T, k seen by no reader", r"k\,s^{\top}"
    elif family.kind == "reach":
        delta, delta_tex = "s kappa^T", r"s\,\kappa^{\top}"
    elif isinstance(family, ShiftFamily) and family.free:
        first, index = _seed(family, first)
        delta, delta_tex = f"delta_{index}", rf"\delta_{{{index}}}"
    text = f"{first} -> {first} + {delta}"
    latex = rf"{_tex(first)} \mapsto {_tex(first)} + {delta_tex}"
    if rest:
        text += f", taken back by {_list(rest)}"
        latex += rf",\ \text{{taken back by }} {_list_tex([_tex(name) for name in rest])}"
    return text, latex


def _seed(family: ShiftFamily, name: str) -> tuple[str, str]:
    """The entries of a seed, and the indices on which what is added to them depends."""
    if family.cell is None:
        letters = dict(zip(family.free, _INDICES, strict=False))
        dims = [letters.get(d, ":") for d in range(len(family.seed.axes))]
        return f"{name}[{', '.join(dims)}]", "".join(letters.values())
    places = family.seed.cells[family.cell].places
    dims_of = {k: places[k][0] for k in family.free}
    whole = {
        d for d in dims_of.values()
        if all(k in dims_of for k, (dim, _) in enumerate(places) if dim == d)
    }  # fmt: skip
    # one index through a dimension, or one for each of the atoms in it that are free
    keys = {k: (d if d in whole else (d, k)) for k, d in dims_of.items()}
    names = dict(zip(dict.fromkeys(keys.values()), _INDICES, strict=False))
    letters = {k: names.get(key, "i") for k, key in keys.items()}
    (entry,) = block(family.seed, [family.cell], letters, name)
    return entry, "".join(names.values())


def _anchored(family: NullFamily, names: dict[str, str]) -> tuple[str, str]:
    """Scales that end in a shift: e^t of some parameters, t of the others."""
    scaled = {s.key for s in family.scaled}
    parts = [(short, name in scaled) for name, short in names.items()]
    text = [f"{n} -> {'e^(kt) ' + n if many else n + ' + kt'}" for n, many in parts]
    latex = [
        rf"{_tex(n)} \mapsto " + (rf"e^{{kt}}\,{_tex(n)}" if many else rf"{_tex(n)} + kt")
        for n, many in parts
    ]
    return _list(text), _list_tex(latex)


def _multiplied(family: MatrixFamily) -> tuple[str, str]:
    copies = family.count() // family.single()
    letter = "R" if family.bond.skew else "A"
    acts = _acts(family, letter)
    text = _list([one for one, _ in acts])
    latex = _list_tex([one for _, one in acts])
    if copies > 1:
        text += f"; {letter} has {copies} blocks of size {family.axis.size}"
        latex += rf",\quad {letter} = {letter}_1 \oplus \cdots \oplus {letter}_{{{copies}}}"
    if family.bond.columns:
        text += f"; {letter} = I + 1 k^T"
        latex += rf",\quad {letter} = I + \mathbf{{1}} k^{{\top}}"
    if any(m.potential for m in family.members):
        text += "; G is the diagonal of the gains in between"
        latex += r",\quad \Gamma = \operatorname{diag}(\text{gains in between})"
    return text, latex


def _acts(family: MatrixFamily, letter: str) -> list[tuple[str, str]]:
    """How every tensor changes, in text and LaTeX."""
    names = _short(family.names)
    alike: dict[Any, list[Member]] = {}
    for m in family.members:
        dim = m.source.cells[m.cell].places[m.atom][0]
        alike.setdefault((m.source, dim, m.dual, bool(m.potential)), []).append(m)
    result = []
    for (source, dim, dual, gains), members in alike.items():
        element, element_tex = _element(letter, dual, gains, transposed=False)
        for entry in block(source, [m.cell for m in members], {}, names[source.key]):
            tex = _tex(entry)
            if len(source.axes) == 2 and dim == 1:
                right, right_tex = _element(letter, dual, gains, transposed=True)
                result.append((f"{entry} -> {entry} {right}", rf"{tex} \mapsto {tex}\,{right_tex}"))
            elif len(source.axes) <= 2:
                result.append(
                    (f"{entry} -> {element} {entry}", rf"{tex} \mapsto {element_tex}\,{tex}")
                )
            else:
                result.append((
                    f"{entry} -> {element} {entry} along dim {dim}",
                    rf"{tex} \mapsto {element_tex} \cdot_{{{dim}}} {tex}",
                ))  # fmt: skip
    return result


def _element(letter: str, dual: bool, gains: bool, *, transposed: bool) -> tuple[str, str]:
    """The matrix that acts, where A acts on what is not dual; G is the diagonal of gains."""
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
    if (letter == "R" and dual) != transposed:
        return f"G^-1 {text} G", rf"\Gamma^{{-1}} {latex}\, \Gamma"
    return f"G {text} G^-1", rf"\Gamma\, {latex}\, \Gamma^{{-1}}"


def _short(names: Sequence[str]) -> dict[str, str]:
    """Names without the path of modules that all of them share."""
    paths = [name.split(".")[:-1] for name in names]
    shared = len(os.path.commonprefix(paths))
    # the module of a tensor belongs to its name
    shared = min([shared, *(max(len(path) - 1, 0) for path in paths)])
    return {name: ".".join(name.split(".")[shared:]) for name in names}


def _list(items: Sequence[str]) -> str:
    more = f", ... ({len(items)} in all)" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _list_tex(items: Sequence[str]) -> str:
    return r",\; ".join([*items[:_SHOWN], *([r"\ldots"] if len(items) > _SHOWN else [])])


def _power(exponent: float) -> str:
    return "s" if exponent == 1 else f"s^{exponent:g}"


def _power_tex(exponent: float) -> str:
    return "s" if exponent == 1 else f"s^{{{exponent:g}}}"
