"""The field GF(p) for p < 2^31, on torch tensors.

Residues are int64 in [0, p). Sums and contractions run on torch's own float64 kernels, which are
exact as long as every partial sum is an integer below 2^53, in whatever order they add: where
that needs shorter numbers, one factor is cut into limbs of a few bits each (as FFLAS does for dense
linear algebra over word-size fields; Dumas, Giorgi, Pernet, "Dense linear algebra over
word-size prime fields: the FFLAS and FFPACK packages", 2008, section 3).
"""

import math
import random
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from symfind.errors import ExactError, InputError
from symfind.residues.together import whole

MANTISSA = 53  # bits in which float64 holds integers exactly
WORD = 31  # bits of a prime: products of two residues fit into int64
LEAST, MOST = 2 ** (WORD - 1), 2**WORD
PRIMES = 50_697_537  # between LEAST and MOST: pi(2^31) - pi(2^30)


class Field:
    """GF(p).

    Args:
        prime: p, at least 2^16 and less than 2^31.

    Raises:
        InputError: it is no such prime.
    """

    def __init__(self, prime: int) -> None:
        from sympy import isprime

        if not (2**16 <= prime < MOST and isprime(prime)):
            raise InputError(
                f"{prime} cannot be the modulus: give a prime between 2**16 and 2**31, or none"
            )
        self.prime = prime

    @classmethod
    def draw(cls, rng: random.Random) -> "Field":
        """A field with p uniform among the primes between 2^30 and 2^31."""
        from sympy import isprime

        while True:
            candidate = rng.randrange(LEAST + 1, MOST, 2)
            if isprime(candidate):
                return cls(candidate)

    def random(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Uniform residues."""
        return torch.randint(self.prime, shape, generator=rng)

    def reduce(self, integers: Tensor) -> Tensor:
        """Residues of integers, given as int64 or exactly as float64."""
        return integers.long() % self.prime

    def fraction(self, value: Fraction) -> int:
        """The residue of a rational number; raises ZeroDivisionError where p divides below."""
        if value.denominator % self.prime == 0:
            raise ZeroDivisionError
        return value.numerator * pow(value.denominator, -1, self.prime) % self.prime

    def encode(self, values: Tensor) -> Tensor:
        """Residues of finite float64 numbers, each of which is a dyadic rational."""
        mantissa, exponent = torch.frexp(values)
        integers = (mantissa * 2.0**MANTISSA).long() % self.prime
        shifts, place = torch.unique(exponent.long() - MANTISSA, return_inverse=True)
        powers = [pow(2, int(shift), self.prime) for shift in shifts]
        return integers * torch.tensor(powers, dtype=torch.int64)[place] % self.prime

    def inverse(self, residues: Tensor) -> Tensor:
        """Multiplicative inverses; raises ZeroDivisionError where there is a zero."""
        if bool((whole(residues) == 0).any()):
            raise ZeroDivisionError
        result, exponent = torch.ones_like(residues), self.prime - 2
        while exponent:  # little Fermat
            if exponent & 1:
                result = result * residues % self.prime
            residues, exponent = residues * residues % self.prime, exponent >> 1
        return result

    @cached_property
    def _room(self) -> int:
        return MANTISSA - self.prime.bit_length()

    def check_sum(self, terms: int) -> None:
        """Make sure that so many residues can be added; raises ExactError."""
        if math.log2(max(terms, 1)) > self._room:
            raise ExactError(f"a sum of {terms:,} terms is too long for exact arithmetic")

    def limbs(self, residues: Tensor, terms: int) -> "Limbs":
        """Cut residues so that sums of ``terms`` products with other residues stay exact."""
        bits = self._room - math.ceil(math.log2(max(terms, 1)))
        if bits < 1:
            raise ExactError(f"a contraction of {terms:,} terms is too long for exact arithmetic")
        count = -(-self.prime.bit_length() // bits)
        mask = (1 << bits) - 1
        return Limbs(
            self, bits, [(residues >> (bits * i) & mask).double() for i in reversed(range(count))]
        )


class Limbs:
    """Residues as Σ 2^(bits i) limb_i, from the most significant limb down."""

    def __init__(self, field: Field, bits: int, parts: list[Tensor]) -> None:
        self.field, self.bits, self.parts = field, bits, parts

    def contract(self, product: Callable[[Tensor], Tensor]) -> Tensor:
        """The residues of ``product(self)``, linear in self, by Horner's rule."""
        total: Tensor | None = None
        for part in self.parts:
            term = product(part).long()
            total = term if total is None else (total << self.bits) + term
            total = total % self.field.prime
        assert total is not None
        return total
