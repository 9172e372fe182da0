"""Products of gains that stand between an unknown matrix and the root of its class."""

from collections import Counter

Gain = tuple[int, int]  # (node index, cell) of a parameter-only wire along one atom
Potential = tuple[tuple[Gain, int], ...]  # exponents of gains: X = Γ^e X' Γ^-e
NONE: Potential = ()
Image = tuple[bool, Potential]  # X = Γ^e X' Γ^-e, or the same of its dual −X'ᵀ


def combine(a: Potential, b: Potential, sign: int = 1) -> Potential:
    """Γ^a Γ^(sign b)."""
    if not b:
        return a
    total = Counter(dict(a))
    for gain, e in b:
        total[gain] += sign * e
    return tuple(sorted((g, e) for g, e in total.items() if e))


def compose(own: Image, above: Image) -> Image:
    """X_u = Γ^e D_d(X_parent), where X_parent = Γ^f D_g(X_root)."""
    (d, e), (g, f) = own, above
    return d ^ g, combine(e, f, -1 if d else 1)
