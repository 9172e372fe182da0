"""Simple real Lie algebras and their names.

Complex type and the dimension of a maximal compact subalgebra (the negative squares of the Killing
form) tell the real forms apart (Helgason, Differential Geometry, Lie Groups, and Symmetric Spaces,
chapter X, table V), but for coincidences that begin at dimension 153, where all names that fit are
given. The isomorphisms in low dimension are not listed anywhere: so(p,q), sl, su, sp of the same
type and the same compact part are the same algebra.
"""

from dataclasses import dataclass

MOST_ISOMORPHIC = 4  # rank up to which forms of one type and one compact part are isomorphic

_SAME_TYPE = {
    ("A", 1): [("A", 1), ("B", 1), ("C", 1)],
    ("B", 2): [("B", 2), ("C", 2)],
    ("A", 3): [("A", 3), ("D", 3)],
}

_EXCEPTIONAL = {
    # dimension of the maximal compact subalgebra of each real form, compact form first
    ("G", 2): [14, 6],
    ("F", 4): [52, 36, 24],
    ("E", 6): [78, 52, 46, 38, 36],
    ("E", 7): [133, 79, 69, 63],
    ("E", 8): [248, 136, 120],
}
_MINUSCULE = {("G", 2): 7, ("F", 4): 26, ("E", 6): 27, ("E", 7): 56, ("E", 8): 248}


@dataclass(frozen=True)
class Form:
    """A named simple real Lie algebra.

    Attributes:
        name: as in `so(1,3)`.
        compact: dimension of a maximal compact subalgebra.
        size: real dimension of the representation that defines it.
        field: what commutes with that representation: R, C or H.
    """

    name: str
    compact: int
    size: int
    field: str


def forms(letter: str, rank: int, complex: bool) -> list[Form]:
    """Named real algebras of a complex type; the complex algebra itself if `complex`."""
    found = []
    for series, n in _SAME_TYPE.get((letter, rank), [(letter, rank)]):
        found += list(_complex(series, n) if complex else _real(series, n))
    return found


def orthogonal(p: int, q: int, prefix: str = "so") -> str:
    """`so(p,q)` in its customary spelling, time first from four dimensions on: so(1,3), so(2,1)."""
    small, large = sorted((p, q))
    if small == 0:
        return f"{'e' if prefix == 'iso' else prefix}({large})"
    if small + large < 4:
        small, large = large, small
    return f"{prefix}({small},{large})"


def respelled(name: str) -> str | None:
    """The same algebra with p and q exchanged, so(3,1) for so(1,3); None for other names."""
    head, _, rest = name.partition("(")
    inside = rest.rstrip(")").split(",")
    if head not in ("so", "su", "sp", "iso", "sim", "u") or len(inside) != 2:
        return None
    p, q = inside
    return f"{head}({q},{p})" if q.isdigit() and p != q else None


def _real(letter: str, rank: int):  # type: ignore[no-untyped-def]
    match letter:
        case "A":
            n = rank + 1
            yield Form(f"sl({n},R)", n * (n - 1) // 2, n, "R")
            for q in range(n // 2 + 1):
                p = n - q
                kind = "H" if (n, q) == (2, 0) else "C"
                name = f"su({p},{q})" if q else f"su({n})"
                yield Form(name, p * p + q * q - 1, 2 * n, kind)
            if n % 2 == 0:
                m = n // 2
                yield Form(f"sl({m},H)", m * (2 * m + 1), 4 * m, "H")
        case "B" | "D":
            n = 2 * rank + (letter == "B")
            for q in range(n // 2 + 1):
                p = n - q
                compact = (p * (p - 1) + q * (q - 1)) // 2
                yield Form(orthogonal(p, q), compact, n, "R")
            if letter == "D":
                yield Form(f"so*({n})", rank * rank, 2 * n, "H")
        case "C":
            yield Form(f"sp({2 * rank},R)", rank * rank, 2 * rank, "R")
            for q in range(rank // 2 + 1):
                p = rank - q
                name = f"sp({p},{q})" if q else f"sp({rank})"
                yield Form(name, p * (2 * p + 1) + q * (2 * q + 1), 4 * rank, "H")
        case _:
            whole = _EXCEPTIONAL[letter, rank][0]
            for compact in _EXCEPTIONAL[letter, rank]:
                index = f"({whole - 2 * compact})" if compact < whole else ""
                name = f"{letter.lower()}{rank}{index}"
                yield Form(name, compact, _MINUSCULE[letter, rank], "R")


def _complex(letter: str, rank: int):  # type: ignore[no-untyped-def]
    match letter:
        case "A":
            n = rank + 1
            yield Form(f"sl({n},C)", n * n - 1, 2 * n, "C")
            if n == 2:
                # the only so(p,q) whose complexification is not simple but which is
                yield Form(orthogonal(1, 3), 3, 4, "R")
        case "B" | "D":
            n = 2 * rank + (letter == "B")
            yield Form(f"so({n},C)", n * (n - 1) // 2, 2 * n, "C")
        case "C":
            yield Form(f"sp({2 * rank},C)", rank * (2 * rank + 1), 4 * rank, "C")
        case _:
            whole = _EXCEPTIONAL[letter, rank][0]
            yield Form(f"{letter.lower()}{rank}(C)", whole, 2 * _MINUSCULE[letter, rank], "C")
