"""Which algebra the fields span, by `symfind.lie`."""

import warnings
from dataclasses import dataclass

from torch import Tensor

from symfind.errors import AlgebraError
from symfind.lie import Identification, identify
from symfind.transforms.basis import fractions
from symfind.transforms.fields import Dictionary

MOST = 120  # generators that are named
MOST_EXACT = 24  # coordinates, up to which rational fields are named exactly
_CLOSED = 1e-6


@dataclass(frozen=True)
class Named:
    """A name, or why there is none.

    Attributes:
        name: of the algebra that the affine fields, or all, span; empty where there is none.
        identification: what it rests on.
        of: how many generators it names, the last of them.
        reason: why not all are named.
    """

    name: str
    identification: Identification | None
    of: int
    reason: str = ""


def named(dictionary: Dictionary, coefficients: Tensor, tolerance: float = _CLOSED) -> Named:
    """The algebra that fields [k, n, monomials] span; those of degree two stand before others.

    Fields of degree two need not close: their brackets have degree three. Then the affine ones are
    named, which do.
    """
    if not len(coefficients):
        return Named("0", None, 0)
    first = dictionary.size + dictionary.constant
    curved = int((coefficients[:, :, first:].abs().amax((1, 2)) > 0).sum()) if (
        dictionary.degree > 1) else 0  # fmt: skip
    if len(coefficients) > MOST:
        return Named("", None, 0, f"{len(coefficients)} generators are too many to be named")
    try:
        if curved:
            return _of_functions(dictionary, coefficients, tolerance)
        return _of_matrices(dictionary, coefficients, tolerance)
    except AlgebraError as error:
        if not curved:
            return Named("", None, 0, str(error))
    flat = Dictionary(dictionary.size, dictionary.constant, 1)
    rest = named(flat, coefficients[curved:, :, :first], tolerance)
    reason = f"brackets of the {curved} fields of degree 2 leave their span"
    return Named(rest.name, rest.identification, rest.of, reason)


def _of_matrices(dictionary: Dictionary, coefficients: Tensor, tolerance: float) -> Named:
    matrices = dictionary.matrices(coefficients)
    exact = fractions(matrices) if dictionary.size <= MOST_EXACT else None
    k, n = matrices.shape[:2]
    given = (
        matrices.numpy() if exact is None
        else [[exact[(i * n + r) * n : (i * n + r + 1) * n] for r in range(n)] for i in range(k)]
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = identify(given, tolerance=tolerance)
    return Named(found.name, found, k)


def _of_functions(dictionary: Dictionary, coefficients: Tensor, tolerance: float) -> Named:
    fields = [lambda x, c=c: dictionary.field(c, x) for c in coefficients]
    found = identify(fields, size=dictionary.size, tolerance=tolerance)
    return Named(found.name, found, len(coefficients))


def as_matrices(dictionary: Dictionary, coefficients: Tensor) -> list[list[list[float]]]:
    """Affine fields as nested lists."""
    return dictionary.matrices(coefficients).tolist()


def text(dictionary: Dictionary, coefficients: Tensor, least: float = 1e-9, most: int = 12) -> str:
    """A field as text, `x1 ∂0 - x0 ∂1`, cut after some terms.

    Args:
        dictionary: of the field.
        coefficients: [n, monomials].
        least: size of a term that is shown, relative to the largest.
        most: terms that are shown.
    """
    size = float(coefficients.abs().max())
    places = (coefficients.abs() > least * size).nonzero().tolist()
    shown = [
        _term(float(coefficients[i, m]), dictionary.term(dictionary.monomials[m]), i)
        for i, m in places[:most]
    ]
    joined = " ".join(shown).removeprefix("+ ")
    return f"{joined} and {len(places) - most} more" if places[most:] else joined


def _term(value: float, monomial: str, i: int) -> str:
    sign, size = ("-", -value) if value < 0 else ("+", value)
    number = "" if f"{size:.3g}" == "1" else f"{size:.4g} "
    return f"{sign} {number}{monomial + ' ' if monomial else ''}∂{i}"
