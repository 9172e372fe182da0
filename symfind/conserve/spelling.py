"""Conserved quantities in words: what h is for the families whose form is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from symfind.algebra.axes import Sizes, extent
from symfind.characters import tex_name
from symfind.graph import primitives as p
from symfind.solve.bonds.matrices import Member
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family
from symfind.solve.point.values import known_value

LETTERS = "ijklmnpqrs"


@dataclass(frozen=True)
class Spelling:
    """Text, LaTeX, and what its indices run over."""

    text: str
    latex: str
    range: str


def spell(family: Family, closed: int, linear: bool) -> Spelling:
    """Write the potentials of the `closed` combinations of a family that are gradients."""
    if isinstance(family, ScalingFamily) and closed == family.count():
        return _scaling(family)
    if isinstance(family, MatrixFamily):
        found = _matrix(family, closed)
        if found is not None:
            return found
    if linear and closed == family.count() and len(family.names) == 1:
        found = _sum(family)
        if found is not None:
            return found
    names = ", ".join(family.names)
    kind = "linear functions" if linear else "functions"
    tex = r",\ ".join(map(tex_name, family.names))
    return Spelling(
        f"{kind} of {names}", rf"\text{{{kind} of }}{tex}", f"{closed}, given by their gradients"
    )


def symmetric_part(family: MatrixFamily, sizes: Sizes | None = None) -> int:
    """Dimension of the symmetric matrices of a family, over all its copies."""
    n = extent(family.axis, sizes)
    match family.type:
        case "general":
            each = n * (n + 1) // 2
        case "affine-stabiliser":
            each = (n - 1) * n // 2
        case "complex":
            k = family.paired(sizes)
            rest = n - 2 * k
            each = k + rest * (rest + 1) // 2
        case _:
            each = 0
    return each * copies(family, sizes)


def copies(family: MatrixFamily, sizes: Sizes | None = None) -> int:
    """How many matrices of a family are independent (heads, groups)."""
    return family.count(sizes) // family.single(sizes)


def _matrix(family: MatrixFamily, closed: int) -> Spelling | None:
    """The Gram matrices of what is multiplied by X, minus those of its duals."""
    n = family.axis.size
    indices = _letters(len(family.indexed))
    text = _signed([(not m.dual, _gram(m, family, indices, plain=True)) for m in family.members])
    latex = _signed([(not m.dual, _gram(m, family, indices, plain=False)) for m in family.members])
    over = "".join(f", each {i} of {a.size}" for i, a in zip(indices, family.indexed, strict=True))
    bends = any(m.potential for m in family.members)
    if closed == copies(family) * n and family.type == "general" and (bends or n == 1):
        return Spelling(f"diag({text})", rf"\operatorname{{diag}}({latex})", f"{n} entries{over}")
    if closed != symmetric_part(family) or closed == 0 or bends:
        return None
    if family.type == "general":
        return Spelling(text, latex, f"symmetric {n}×{n}{over}")
    if family.type == "affine-stabiliser":
        return Spelling(
            f"Qᵀ({text})Q, Q ⟂ 1",
            rf"Q^{{\top}}({latex})Q,\ Q \perp \mathbf{{1}}",
            f"symmetric {n - 1}×{n - 1}{over}",
        )
    k = family.paired()
    if n == 2 * k:
        return Spelling(
            f"tr over each rotary pair of {text}",
            rf"\operatorname{{tr}}_{{p}}({latex})",
            f"{k} pairs{over}",
        )
    return None


def _gram(m: Member, family: MatrixFamily, indices: Sequence[str], *, plain: bool) -> str:
    """M Mᵀ with M the block of a tensor, its acted-on index first."""
    atoms = m.source.cells[m.cell].atoms
    fixed = {atoms.index(a): i for a, i in zip(family.indexed, indices, strict=True)}
    rest = [i for i in range(len(atoms)) if i != m.atom and i not in fixed]
    name = _block(m.source, m.cell, fixed, plain)
    top = "ᵀ" if plain else r"^{\top}"
    join = " " if plain else r"\,"
    first = not rest or m.atom < rest[0]
    return f"{name}{join}{name}{top}" if first else f"{name}{top}{join}{name}"


def _scaling(family: ScalingFamily) -> Spelling:
    """Σ exponent · |slice|²."""
    scaling = family.scaling
    indices = _letters(len(scaling.indexed))
    parts: dict[bool, list[tuple[bool, str]]] = {True: [], False: []}
    for follower in scaling.members:
        fixed = dict(zip(follower.places, indices, strict=True))
        size = abs(follower.exponent)
        for plain in (True, False):
            name = _block(follower.source, follower.cell, fixed, plain)
            whole = len(fixed) == len(follower.source.cells[follower.cell].atoms)
            scale = "" if size == 1 else f"{size:g}·" if plain else rf"{size:g}\,"
            square = "²" if plain else "^{2}"
            bar = ("", "") if whole else ("|", "|") if plain else (r"\lVert ", r" \rVert")
            term = f"{scale}{bar[0]}{name}{bar[1]}{square}"
            parts[plain].append((follower.exponent > 0, term))
    sizes = family._sizes(None)
    over = ", ".join(f"each {i} of {n}" for i, n in zip(indices, sizes, strict=True))
    tied = any(t is not None for t in scaling.ties)
    return Spelling(
        _signed(parts[True]),
        _signed(parts[False]),
        (over or "one") + (", summed over tied pairs" if tied else ""),
    )


def _sum(family: Family) -> Spelling | None:
    """A tensor whose changes are constant along some indices: its sums over them."""
    if not isinstance(family, ShiftFamily) or family.cell is None or family.actions:
        return None
    source, n = family.seed, len(family.seed.cells[family.cell].atoms)
    free = list(family.free)
    fixed = dict(zip(range(n), _letters(n), strict=True))
    summed = [fixed[i] for i in range(n) if i not in free]
    atoms = source.cells[family.cell].atoms
    over = ", ".join(f"each {fixed[i]} of {atoms[i].size}" for i in free) or "one"
    name, tex = (_block(source, family.cell, fixed, plain) for plain in (True, False))
    if not summed:
        return Spelling(name, tex, over)
    low = ",".join(summed)
    return Spelling(f"sum over {low} of {name}", rf"\textstyle\sum_{{{low}}} {tex}", over)


def _block(source: p.Source, cell: int, fixed: dict[int, str], plain: bool) -> str:
    """A tensor with letters at some of the atoms of one block, `:` at the others."""
    block = source.cells[cell]
    tags = []
    for dim in range(len(source.axes)):
        here = [a for a, (d, _) in enumerate(block.places) if d == dim]
        marks = [fixed.get(a, ":") for a in here]
        if not any(a in fixed for a in here):
            tags.append(":")
        else:
            tags.append(marks[0] if len(marks) == 1 else "(" + ",".join(marks) + ")")
    text = source.key if plain else tex_name(source.key)
    if len(source.cells) > 1:
        part = f"⟨{cell + 1}/{len(source.cells)}⟩"
        # in braces, as a transpose may follow
        text = text + part if plain else rf"{{{text}^{{({cell + 1})}}}}"
    if fixed:
        text = f"{text}[{','.join(tags)}]" if plain else f"{text}_{{{','.join(tags)}}}"
    return text if source.origin is None else f"({text}{_point(source.origin)})"


def _point(origin: p.Node) -> str:
    """What is added to a parameter that is scaled about another point than zero."""
    value = known_value(origin)
    if value is None or bool((value != value.reshape(-1)[0]).any()):
        return " + c"
    number = -float(value.reshape(-1)[0])
    return f" {'+' if number >= 0 else '−'} {abs(number):g}"


def _signed(terms: Sequence[tuple[bool, str]]) -> str:
    """Terms with their signs, the positive ones first."""
    ordered = sorted(terms, key=lambda t: not t[0])
    text = ""
    for plus, term in ordered:
        text += (" + " if plus else " − ") + term if text else term if plus else f"−{term}"
    return text


def _letters(n: int) -> list[str]:
    return list(LETTERS[:n]) if n <= len(LETTERS) else [f"i{k}" for k in range(n)]
