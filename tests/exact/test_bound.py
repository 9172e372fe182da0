"""Degrees and heights are bounds: on the polynomials themselves, and on how often ranks drop."""

import math
import random
from fractions import Fraction

import sympy
import torch
from torch import nn

from symfind.exact.interpret import interpret
from symfind.exact.subject import Subject
from symfind.exact.trial import Cell, Trial
from symfind.residues.bound import Bound, miss
from symfind.residues.field import Field
from symfind.residues.tape import Tape
from symfind.trace import trace
from tests.exact.models import Monomial, Quotient


def bound_of(model: nn.Module, x: torch.Tensor) -> Bound:
    graph, field = trace(model, (x,), {}), Field(2**31 - 1)
    rng = torch.Generator().manual_seed(0)
    tape = Tape(field)

    def variable(real: torch.Tensor, active: bool):
        return tape.variable(real.detach().double(), field.random(tuple(real.shape), rng), active)

    parameters = {n: variable(p, True) for n, p in model.named_parameters()}
    (y,) = interpret(graph, tape, parameters, {op.key: variable(x, False) for op in graph.inputs})
    return y.bound


def symbols(name: str, *shape: int) -> sympy.Matrix:
    return sympy.Matrix(*shape, lambda i, j: sympy.Symbol(f"{name}{i}_{j}"))


def one_norm(polynomial: sympy.Poly) -> Fraction:
    return sum(abs(Fraction(int(c.p), int(c.q))) for c in polynomial.coeffs())


def test_of_a_monomial_network() -> None:
    bound = bound_of(Monomial(2, 2, 3, 1), torch.ones(1, 2))
    w, v, x = symbols("w", 3, 2), symbols("v", 1, 3), symbols("x", 2, 1)
    output = (v * (w * x).applyfunc(lambda z: z**2))[0]
    polynomial = sympy.Poly(sympy.expand(output))
    assert polynomial.total_degree() == bound.degree == 5
    assert one_norm(polynomial) <= 2**bound.norm * (1 + 1e-12)
    assert (bound.scale, bound.divisors) == (1, {})


def test_of_rational_constants() -> None:
    class Scaled(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (super().forward(x) * 0.375).mean(1) - 0.1

    bound = bound_of(Scaled(2, 3), torch.ones(1, 2))
    # 3/8 of three terms of 1-norm 3 over 3, and the double next to 1/10
    assert bound.scale % (8 * 3) == 0 and bound.scale % Fraction(0.1).denominator == 0
    assert 0.375 * 3 + 0.1 <= 2**bound.norm


def test_of_a_quotient() -> None:
    bound = bound_of(Quotient(), torch.ones(2, 3))
    # one denominator for both rows: the product of two polynomials of degree 2 and 1-norm 4
    (divisor,) = bound.divisors
    assert bound.divisors[divisor] == 1
    assert divisor.degree == 4
    assert 2 * math.log2(4) <= divisor.norm <= 2 * math.log2(6) + 1e-9
    assert bound.degree == 2 + 2


def test_ranks_drop_no_more_often_than_bounded() -> None:
    """Modulo a small prime it does happen: 65537 is small enough to see with a large degree."""
    model = Monomial(3, 2, 2, 1)
    subject = Subject.of(model, torch.ones(6, 2), (), {}, False, 0)
    rng, field = random.Random(0), Field(65537)
    cell, ranks, bounds = Cell(subject, 0), [], []
    for _ in range(40):
        trial = Trial(cell, field, rng, False)
        trial.extend(1)
        ranks.append(trial.rank)
        bounds.append(trial.miss(65537))
    assert max(ranks) == 4
    missed = sum(rank < 4 for rank in ranks)
    assert missed <= max(1, 3 * len(ranks) * max(bounds))
    assert all(0 < bound < 1e-2 for bound in bounds)


def test_bound_on_a_miss() -> None:
    # a minor of size 10 of slopes of degree 4 modulo a prime of 31 bits
    points = 10 * 4 / 65537
    assert miss([Bound(5)], 10, 0, fixed_prime=65537) == points
    drawn = miss([Bound(5)], 10, 0)
    assert 10 * 4 / 2**31 < drawn < 1e-6
    assert miss([Bound(5)], 10, 2**30) == 1.0
    assert miss([Bound(2**40)], 10, 0) == 1.0
