"""Names of groups, and where they act."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family

_SHOWN = 6  # tensors


@dataclass(frozen=True)
class Description:
    """A group at one site."""

    group: str
    algebra: str
    single: int  # dimension at one site
    axes: str
    source: str = ""


def describe(family: Family) -> Description:
    """What a family is called, and where it acts."""
    if isinstance(family, MatrixFamily):
        return _matrix(family)
    n = family.count()
    group = f"R^{n}" if n > 1 else "R"
    if isinstance(family, ScalingFamily):
        axes = "; ".join(
            _where(m.source, m.cell, m.places) for m in family.scaling.members[:_SHOWN]
        )
        source = "Dinh et al. 2017; Neyshabur et al. 2015"
        return Description(f"GL+(1, {group[0]})" + group[1:], f"R^{n}", n, axes, source)
    axes = ""
    if isinstance(family, ShiftFamily) and family.cell is not None:
        axes = _where(family.seed, family.cell, family.free)
    return Description(group, f"R^{n}", n, axes)


def _matrix(family: MatrixFamily) -> Description:
    n = family.axis.size
    source = ""
    match family.type:
        case "general":
            group, algebra = f"GL({n}, R)", f"gl({n})"
        case "affine-stabiliser":
            group, algebra = f"GL({n - 1}, R)", f"gl({n - 1})"
        case "columns":
            group, algebra = f"R^{n - 1} x| GL+(1, R)", f"R^{n - 1} + R"
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
    axes = "; ".join(_where(m.source, m.cell, (m.atom,)) for m in family.members)
    return Description(group, algebra, family.single(), axes, source)


def _where(source: Any, cell: int, atoms: Sequence[int]) -> str:
    block = source.cells[cell]
    parts = [f"dim {block.places[a][0]} (size {block.atoms[a].size})" for a in atoms]
    split = "" if len(source.cells) == 1 else f" block {cell + 1} of {len(source.cells)}"
    return f"{source.key}{split}: " + (", ".join(parts) or "as a whole")
