"""What families add on twins, in terms of sizes: numbers that a joined table of constants gave."""

import sympy

from symfind.algebra.axes import Axis
from symfind.count.symbols import AxisSymbols
from symfind.count.tally import described

# H is as wide as what is normalised, S as what is joined to it besides
SIZES = [(8, 5), (14, 10), (12, 8), (11, 10), (13, 12), (13, 11), (15, 13), (12, 11), (17, 15)]


def _described(lack: list[int], rank: list[int], wide: bool = True) -> tuple[object, object]:
    h, s = Axis(768), Axis(512)
    symbols = AxisSymbols()
    at = [{h: one, s: two} for one, two in SIZES]
    full = symbols.get(h) * (symbols.get(h) + symbols.get(s))
    found = described(full, lack, rank, at, [h, s], symbols, wide)
    return found, (full, symbols.get(h), symbols.get(s))


def test_little_that_is_added_is_a_product_of_differences() -> None:
    """S (H − S − 1) of H (H + S): what is missing is no sum of two monomials."""
    rank = [s * (h - s - 1) for h, s in SIZES]
    lack = [h * (h + s) - r for (h, s), r in zip(SIZES, rank, strict=True)]
    found, (_, h, s) = _described(lack, rank)
    assert found is not None and sympy.expand(found - s * (h - s - 1)) == 0
    assert _described(lack, rank, wide=False)[0] is None


def test_little_that_is_missing_is_a_sum_less_a_number() -> None:
    lack = [h + s - 3 for h, s in SIZES]
    rank = [h * (h + s) - n for (h, s), n in zip(SIZES, lack, strict=True)]
    found, (full, h, s) = _described(lack, rank)
    assert found is not None and sympy.expand(full - found - (h + s - 3)) == 0
