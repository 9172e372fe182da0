"""Names of Lie algebras as text and LaTeX."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from symfind.lie.linear import Array


@dataclass(frozen=True)
class Term:
    """A direct summand with its names.

    Attributes:
        name: the one that fits best.
        aliases: other names of the same algebra.
        basis: rows in the coordinates of the algebra it is a summand of.
        kind: simple, reductive, abelian, nilpotent, solvable or semidirect.
    """

    name: str
    kind: str
    basis: Array = field(repr=False, compare=False)
    aliases: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """Number of rows of the basis."""
        return len(self.basis)


def total(names: Iterable[str], lines: int = 0) -> str:
    """The name of a direct sum, `gl(3,R) ⊕ so(4)^2 ⊕ R^7`; `lines` is the number of R's."""
    parts = []
    counted = Counter(names)
    alone = len(counted) == 1 and not lines
    for name, times in counted.items():
        compound = "⊕" in name or "⋉" in name or "^" in name
        if times > 1:
            parts.append(f"({name})^{times}" if compound else f"{name}^{times}")
        else:
            parts.append(f"({name})" if "⋉" in name and not alone else name)
    if lines:
        parts.append(space(lines))
    return " ⊕ ".join(parts) if parts else "0"


def space(dimension: int) -> str:
    """The abelian algebra of a dimension, `R^3`."""
    return {0: "0", 1: "R"}.get(dimension, f"R^{dimension}")


def ordered(terms: Iterable[Term]) -> list[Term]:
    """Largest first, abelian last, then by name."""
    return sorted(terms, key=lambda t: (t.kind == "abelian", -t.dimension, t.name))


def name_of(terms: Iterable[Term]) -> str:
    """The name of the sum of some terms."""
    terms = ordered(terms)
    lines = sum(t.dimension for t in terms if t.name == space(t.dimension))
    return total((t.name for t in terms if t.name != space(t.dimension)), lines)


def other_names(terms: Iterable[Term], most: int = 16) -> tuple[str, ...]:
    """Names of a sum in which one kind of summand goes by another name."""
    terms = ordered(terms)
    found: dict[str, None] = {}
    for name in dict.fromkeys(t.name for t in terms):
        one = next(t for t in terms if t.name == name)
        for alias in one.aliases:
            if len(terms) == 1:
                found[alias] = None
                continue
            texts = [alias if t.name == name else t.name for t in terms]
            lines = sum(_lines(text) for text in texts)
            found[total((text for text in texts if not _lines(text)), lines)] = None
    found.pop(name_of(terms), None)
    return tuple(found)[:most]


def _lines(text: str) -> int:
    match = re.fullmatch(r"R(?:\^(\d+))?", text)
    return int(match[1] or 1) if match else 0


def latex(name: str) -> str:
    """The name in LaTeX, without dollar signs."""
    text = re.sub(r"\b(nil|solv)\(([\d,]+)\)", r"\\mathrm{\1}(\2)", name)
    text = re.sub(r"\(eigenvalues ([^)]*)\)", _eigenvalues, text)
    text = re.sub(r"(?<![\\\w{])([a-z]+)(\d*)(\*?)\(", _head, text)
    text = re.sub(r"(?<![\\\w{])([efg])(\d)(?![\d(])", r"\\mathfrak{\1}_{\2}", text)
    text = re.sub(r"(?<![\w{])([RCH])(?![\w}])", r"\\mathbb{\1}", text)
    text = re.sub(r"\^(\d+)", r"^{\1}", text)
    return text.replace("⊕", r"\oplus").replace("⋉", r"\ltimes")


def _eigenvalues(match: re.Match[str]) -> str:
    shown = match[1].replace("±", r"\pm ").replace("not diag", r"\text{not diag")
    return rf"(\text{{eigenvalues }} {shown}{'}' if 'not' in shown else ''})"


def _head(match: re.Match[str]) -> str:
    letters, index, star = match.groups()
    return rf"\mathfrak{{{letters}}}" + (f"_{{{index}}}" if index else "") + f"{star and '^*'}("


def eigenvalue_text(values: Array) -> str:
    """Eigenvalues up to a common real factor, the largest one of size 1: `1, -1/2` or `1±2i`."""
    largest = values[np.argmax(np.abs(values) - 1e-6 * (values.real < 0))]
    sign = -1 if largest.real < -1e-6 * abs(largest) else 1
    scaled = sign * values / abs(largest)
    shown = [_number(v) for v in scaled if v.imag > -1e-5]
    return ", ".join(sorted(shown, reverse=True))


def _number(value: complex) -> str:
    real, imag = (f"{round(x, 4) + 0.0:.4g}" for x in (value.real, value.imag))
    if abs(value.imag) <= 1e-4:
        return real
    return f"{'' if real == '0' else real}±{'' if imag == '1' else imag}i"
