"""Names of groups, and how their generators act, in text and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symfind.algebra.axes import Axis
from symfind.solve.family import Family, MatrixFamily, NullFamily, ScalingFamily, ShiftFamily
from symfind.solve.matrices import Member


@dataclass(frozen=True)
class Description:
    """A group at one site."""

    group: str
    algebra: str
    single: int  # dimension at one site
    copies: int  # sites of one family (heads, groups)
    text: str
    latex: str
    axes: str
    source: str = ""


def describe(family: Family) -> Description:
    """What a family is called and how it acts."""
    if isinstance(family, MatrixFamily):
        return _matrix(family)
    n = family.count()
    if isinstance(family, ScalingFamily):
        text = ", ".join(
            f"{m.source.key} -> {_power(m.exponent)} {m.source.key}" for m in _few(family)
        )
        latex = r",\; ".join(
            rf"{_tex(m.source.key)} \mapsto {_power_tex(m.exponent)}\,{_tex(m.source.key)}"
            for m in _few(family)
        )
        axes = "; ".join(_where(m.source, m.cell, m.places) for m in _few(family))
        return Description(f"GL+(1, R)^{n}" if n > 1 else "GL+(1, R)", f"R^{n}", n, 1, text, latex,
                           axes, "Dinh et al. 2017; Neyshabur et al. 2015")  # fmt: skip
    moved = list(family.names)
    first, rest = moved[0], moved[1:]
    if family.kind == "scaling" and isinstance(family, NullFamily):
        text, latex = _anchored(family)
    elif family.kind == "inert":
        text, latex = f"{first} -> anything", rf"{_tex(first)} \mapsto \text{{anything}}"
    else:
        text = f"{first} -> {first} + delta"
        latex = rf"{_tex(first)} \mapsto {_tex(first)} + \delta"
        if rest:
            text += ", taken back by " + ", ".join(rest)
            latex += r",\ \text{taken back by } " + r",\ ".join(map(_tex, rest))
        if family.kind == "shift" and isinstance(family, NullFamily):
            text = text.replace("delta", "k s^T, k seen by no reader")
            latex = latex.replace(r"\delta", r"k\,s^{\top}")
        if family.kind == "reach":
            text = text.replace("delta", "s kappa^T")
            latex = latex.replace(r"\delta", r"s\,\kappa^{\top}")
    axes = ""
    if isinstance(family, ShiftFamily) and family.cell is not None:
        axes = _where(family.seed, family.cell, family.free)
    return Description(f"R^{n}" if n > 1 else "R", f"R^{n}", n, 1, text, latex, axes)


def _anchored(family: NullFamily) -> tuple[str, str]:
    """Scales that end in a shift: e^t of some parameters, t of the others."""
    scaled = {s.key for s in family.scaled}
    parts = [(n, n in scaled) for n in family.names]
    text = ", ".join(f"{n} -> {'e^(kt) ' + n if many else n + ' + kt'}" for n, many in parts)
    latex = r",\; ".join(
        rf"{_tex(n)} \mapsto " + (rf"e^{{kt}}\,{_tex(n)}" if many else rf"{_tex(n)} + kt")
        for n, many in parts
    )
    return text, latex


def _matrix(family: MatrixFamily) -> Description:
    n = family.axis.size
    single = family.single()
    copies = family.count() // single
    source = ""
    match family.type:
        case "general":
            group, algebra = f"GL({n}, R)", f"gl({n})"
        case "affine-stabiliser":
            group, algebra = f"GL({n - 1}, R)", f"gl({n - 1})"
        case "orthogonal":
            group, algebra = f"SO({n})", f"so({n})"
            source = "Ashkboos et al. 2024 (SliceGPT)"
        case "stabiliser":
            group, algebra = f"SO({n - 1})", f"so({n - 1})"
            source = "Ashkboos et al. 2024 (SliceGPT)"
        case _:
            k = family.paired()
            rest = n - 2 * k
            one = "GL(1, C)" if family.type == "complex" else "SO(2)"
            low = "gl(1,C)" if family.type == "complex" else "so(2)"
            group, algebra = f"{one}^{k}", f"{low}^{k}"
            if rest:
                tail = (f"GL({rest}, R)", f"gl({rest})")
                if family.type != "complex":
                    tail = (f"SO({rest})", f"so({rest})")
                group, algebra = f"{group} x {tail[0]}", f"{algebra} + {tail[1]}"
    skew = bool(family.bond.skew)
    letter = "R" if skew else "A"
    text = ", ".join(_acts(m, letter, skew) for m in family.members[:6])
    latex = r",\; ".join(_acts_tex(m, letter, skew) for m in family.members[:6])
    if len(family.members) > 6:
        text += f", ... ({len(family.members)} tensors)"
        latex += r",\; \ldots"
    axes = "; ".join(_where(m.source, m.cell, (m.atom,)) for m in family.members)
    return Description(group, algebra, single, copies, text, latex, axes, source)


def _acts(member: Member, letter: str, skew: bool) -> str:
    element = letter
    if member.dual and not skew:
        element = f"{letter}^-T"
    if member.potential:
        element = f"G {element} G^-1" if not (member.dual and skew) else f"G^-1 {element} G"
    return f"{member.source.key}[{_dim(member)}] -> {element}"


def _acts_tex(member: Member, letter: str, skew: bool) -> str:
    element = letter
    if member.dual and not skew:
        element = rf"{letter}^{{-\top}}"
    if member.potential:
        element = rf"\Gamma^{{\mp 1}} {element}\, \Gamma^{{\pm 1}}"
    name = _tex(member.source.key)
    return rf"{name} \mapsto {element} \cdot_{{{_dim(member)}}} {name}"


def _dim(member: Member) -> int:
    return member.source.cells[member.cell].places[member.atom][0]


def _where(source: Any, cell: int, atoms: Sequence[int]) -> str:
    block = source.cells[cell]
    parts = [f"dim {block.places[a][0]} (size {_size(block.atoms[a])})" for a in atoms]
    split = "" if len(source.cells) == 1 else f" block {cell + 1} of {len(source.cells)}"
    return f"{source.key}{split}: " + (", ".join(parts) or "as a whole")


def _size(axis: Axis) -> int:
    return axis.size


def _few(family: ScalingFamily) -> list:
    return family.scaling.members[:6]


def _power(exponent: float) -> str:
    return "s" if exponent == 1 else f"s^{exponent:g}"


def _power_tex(exponent: float) -> str:
    return "s" if exponent == 1 else f"s^{{{exponent:g}}}"


def _tex(name: str) -> str:
    return r"\mathtt{" + name.replace("_", r"\_") + "}"
