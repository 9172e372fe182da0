"""Generators in words: `0.weight -> A 0.weight, 2.weight -> -2.weight A (A = E[0,1])`."""

import string
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor

_LETTERS = [c for c in string.ascii_uppercase if c not in "EN"]  # unit matrices, kernels
_SHOWN = 4  # entries of one matrix of coefficients that are spelled out


class TermLike(Protocol):
    """What is needed of a term."""

    @property
    def tensor(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def coefficients(self) -> dict: ...  # noqa: D102
    def values(self) -> Tensor: ...  # noqa: D102


def describe(terms: Sequence[TermLike]) -> str:
    """How a generator acts: infinitesimal changes, with their matrices in brackets.

    Matrices that are equal up to sign and transposition share a letter.
    """
    moves: dict[str, list[str]] = {}
    known: list[tuple[str, Tensor]] = []
    legend = []
    for term in terms:
        values = term.values()
        name = _named(values, known)
        if name is None:
            letter = _letter(len(known))
            letter = letter if len(term.shape) > 1 else letter.lower()
            known.append((letter, values))
            legend.append(f"{letter} = {spell(term)}")
            name = ("", letter)
        sign, symbol = name
        moves.setdefault(term.tensor, []).append(
            (sign or "+") + " " + term.text.replace("{}", symbol)
        )
    shown = []
    for tensor, changes in moves.items():
        text = " ".join(changes).removeprefix("+ ")
        shown.append(f"{tensor} -> {text.replace('- ', '-', 1) if text[0] == '-' else text}")
    return ", ".join(shown) + f" ({', '.join(legend)})"


def _letter(index: int) -> str:
    more = index // len(_LETTERS)
    return _LETTERS[index % len(_LETTERS)] + (str(more) if more else "")


def _named(values: Tensor, known: Sequence[tuple[str, Tensor]]) -> tuple[str, str] | None:
    """Sign and symbol of a matrix in terms of those that have a letter."""
    for letter, other in known:
        for turned, mark in ((other, ""), (other.mT if other.ndim == 2 else other, "^T")):
            if turned.shape != values.shape:
                continue
            for sign, scale in (("", 1.0), ("-", -1.0)):
                if torch.allclose(values, scale * turned, rtol=0, atol=1e-12):
                    return sign, letter + mark
    return None


def spell(term: TermLike) -> str:
    """The coefficients as a sum of unit matrices or vectors: `E[0,1] - 1/2 E[1,0]`."""
    identity = _identity(term)
    if identity:
        return identity
    signs, parts = [], []
    for place, value in list(term.coefficients.items())[:_SHOWN]:
        number = Fraction(value) if isinstance(value, str) else value
        size = abs(number)
        unit = (f"E[{place}]" if len(term.shape) > 1 else f"e[{place}]") if place else ""
        shown = str(size) if isinstance(size, Fraction) else f"{size:.4g}"
        signs.append("-" if number < 0 else "+")
        parts.append(f"{'' if size == 1 and unit else shown} {unit}".strip())
    text = ("-" if signs[0] == "-" else "") + parts[0]
    text += "".join(f" {sign} {part}" for sign, part in zip(signs[1:], parts[1:], strict=True))
    more = len(term.coefficients) - _SHOWN
    return f"{text} + {more} more" if more > 0 else text


def _identity(term: TermLike) -> str:
    """`I` for a unit matrix of more than two rows, or a multiple of it."""
    values = term.values()
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 2:
        return ""
    first = values[0, 0]
    if first == 0 or not torch.equal(values, first * torch.eye(len(values), dtype=values.dtype)):
        return ""
    number = next(iter(term.coefficients.values()))
    if number == "1":
        return "I"
    return "-I" if number == "-1" else f"{number} I"


def pattern(terms: Sequence[TermLike]) -> str:
    """How a generator acts, whatever its coefficients: what generators of one kind share."""
    moves: dict[str, list[str]] = {}
    for term in terms:
        letter = "A" if len(term.shape) > 1 else "a"
        moves.setdefault(term.tensor, []).append(term.text.replace("{}", letter))
    return ", ".join(f"{tensor} -> {' + '.join(parts)}" for tensor, parts in moves.items())
