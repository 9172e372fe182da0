"""Degrees and heights: how often a random evaluation modulo a random prime can mislead.

Every entry of a wire is N / (s D): N and D polynomials with integer coefficients in parameters and
inputs, s an integer, D common to the wire. A minor of the Jacobian that is not identically zero is
lost only where a random point hits its zeros (probability at most degree / p: Schwartz 1980, Zippel
1979) or the prime divides all of its coefficients (at most log_{2^30} of one of them many primes
can). Both are bounded here by interval-free bookkeeping: degrees add in products, and the sum of
absolute values of the coefficients (the 1-norm) is submultiplicative.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from symfind.residues.field import LEAST, PRIMES, WORD


@dataclass(frozen=True, eq=False)
class Divisor:
    """The product of all entries that one division divides by: its degree and log2 of 1-norm."""

    degree: int
    norm: float


@dataclass(frozen=True)
class Bound:
    """A bound on all entries of a wire.

    Attributes:
        degree: of N.
        norm: log2 of the 1-norm of N / s.
        scale: s.
        divisors: D as divisors with multiplicities.
    """

    degree: int = 0
    norm: float = 0.0
    scale: int = 1
    divisors: dict[Divisor, int] = field(default_factory=dict)

    @property
    def height(self) -> float:
        """log2 of the 1-norm of N."""
        return self.norm + math.log2(self.scale)

    @property
    def below(self) -> Divisor:
        """D as one polynomial."""
        return _product(self.divisors)

    def times(self, other: "Bound", terms: int = 1) -> "Bound":
        """Of sums of ``terms`` products."""
        divisors = dict(self.divisors)
        for divisor, power in other.divisors.items():
            divisors[divisor] = divisors.get(divisor, 0) + power
        norm = self.norm + other.norm + math.log2(max(terms, 1))
        return Bound(self.degree + other.degree, norm, self.scale * other.scale, divisors)

    def scaled(self, factor: Fraction) -> "Bound":
        """Of a rational multiple, not zero."""
        logarithm = math.log2(abs(factor.numerator)) - math.log2(factor.denominator)
        scale = self.scale * factor.denominator
        return Bound(self.degree, self.norm + logarithm, scale, self.divisors)

    def inverse(self, entries: int) -> "Bound":
        """Of the inverses of so many entries, over the product of all of them."""
        divisor = Divisor(entries * self.degree, entries * self.height)
        below, others = self.below, entries - 1
        degree = below.degree + others * self.degree
        norm = math.log2(self.scale) + below.norm + others * self.height
        return Bound(degree, norm, 1, {divisor: 1})

    @staticmethod
    def common(bounds: Iterable["Bound"], terms: int = 1) -> "Bound":
        """Of sums of ``terms`` entries of any of these, over a common denominator."""
        bounds = list(bounds)
        divisors: dict[Divisor, int] = {}
        for bound in bounds:
            for divisor, power in bound.divisors.items():
                divisors[divisor] = max(divisors.get(divisor, 0), power)
        degree, norm = 0, 0.0
        for bound in bounds:
            missing = _product({d: n - bound.divisors.get(d, 0) for d, n in divisors.items()})
            degree = max(degree, bound.degree + missing.degree)
            norm = max(norm, bound.norm + missing.norm)
        scale = math.lcm(*(bound.scale for bound in bounds))
        return Bound(degree, norm + math.log2(max(terms, 1)), scale, divisors)


def _product(divisors: dict[Divisor, int]) -> Divisor:
    degree = sum(d.degree * n for d, n in divisors.items())
    return Divisor(degree, sum(d.norm * n for d, n in divisors.items()))


def miss(
    outputs: Iterable[Bound], size: int, denominators: int, *, mixed: int = 1, fixed_prime: int = 0
) -> float:
    """Probability that the rank of a Jacobian comes out too small, at most.

    Args:
        outputs: bounds on the functions that are differentiated.
        size: of the largest minors.
        denominators: the degree of everything that is divided by; points where it vanishes are
            drawn again.
        mixed: how many rows each row is a random combination of.
        fixed_prime: the prime, where it was not drawn. Only the choice of the point is counted
            then.
    """
    degree, height = 0, 0.0
    for bound in outputs:
        below = bound.below
        # a row is multiplied by D²: (N' D - N D')
        degree = max(degree, bound.degree + below.degree - 1)
        slopes = math.log2(max(bound.degree + below.degree, 1))
        height = max(height, bound.height + below.norm + slopes)
    degree, height = degree + (mixed > 1), height + math.log2(mixed)
    points = (fixed_prime or LEAST) - denominators
    if points <= 0:
        return 1.0
    chance = size * degree / points
    if not fixed_prime:
        bits = size * (max(height, 0.0) + math.log2(max(size, 1)))
        chance += bits / (WORD - 1) / PRIMES
    return min(chance, 1.0)
