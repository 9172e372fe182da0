"""Algebras of vector fields."""

import numpy as np
import pytest
import sympy as sp
import torch
from torch import nn

import symfind
from symfind.errors import AlgebraError, InputError

x, y, z = sp.symbols("x y z")
PLACE = (x, y, z)


def conformal() -> list[list[sp.Expr]]:
    square = sum(v * v for v in PLACE)
    shifts = [[int(i == j) for j in range(3)] for i in range(3)]
    turns = [[-y, x, 0], [-z, 0, x], [0, -z, y]]
    special = [[2 * u * v - (square if u == v else 0) for v in PLACE] for u in PLACE]
    return [*shifts, *turns, list(PLACE), *special]


def test_projective_line() -> None:
    found = symfind.identify([[1], [x], [x**2]], [x])
    assert found.exact and found.name == "sl(2,R)"
    # [d, x d] = d, [d, x² d] = 2 x d
    assert found.structure[0, 1].tolist() == [1, 0, 0]
    assert found.structure[0, 2].tolist() == [0, 2, 0]


def test_conformal_group_of_space() -> None:
    found = symfind.identify(conformal(), PLACE)
    assert found.dimension == 10 and found.killing_signature == (4, 6, 0)
    assert found.name == "so(1,4)"


def test_affine_fields_are_matrices() -> None:
    found = symfind.identify([[1, 0], [0, 1], [-y, x], [x, y]], [x, y])
    assert found.name == "sim(2)" and found.basis.shape == (4, 3, 3)


def test_closing_fields() -> None:
    with pytest.raises(AlgebraError):
        symfind.identify([[1], [x**2]], [x])
    assert symfind.identify([[1], [x**2]], [x], close=True).name == "sl(2,R)"


@pytest.mark.parametrize(
    "fields, word",
    [
        ([], "no generators"),
        ([[1, 2]], "components"),
        ([[sp.sin(x)]], "polynomial"),
        ([[y]], "poly"),
    ],
)
def test_what_cannot_be_read(fields, word: str) -> None:
    with pytest.raises(InputError, match=word):
        symfind.identify(fields, [x])


def test_functions() -> None:
    fields = [torch.ones_like, lambda t: t, lambda t: t**2]
    found = symfind.identify(fields, size=1)
    assert not found.exact and found.name == "sl(2,R)"
    assert np.allclose(found.structure[0, 2], [0, 2, 0])
    twice = symfind.identify([*fields, lambda t: 3 * t + t**2], size=1)
    assert twice.dimension == 3
    with pytest.raises(AlgebraError, match="bracket leaves"):
        symfind.identify([*fields, lambda t: t**3], size=1)


def test_functions_that_are_no_polynomials() -> None:
    # sl(2) in the coordinate t = log x
    fields = [lambda t: torch.exp(-t), torch.ones_like, torch.exp]
    assert symfind.identify(fields, size=1).name == "sl(2,R)"


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 2, bias=False), nn.Linear(2, 3)
        self.norm, self.c, self.d = nn.LayerNorm(4), nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.d(self.norm(self.c(torch.relu(self.b(self.a(x))))))


def test_factors_of_a_report() -> None:
    model = Layers()
    report = symfind.analyze(model, torch.randn(5, 3), certify="never")
    parameters = dict(model.named_parameters())
    found = {f.id: symfind.identify(f, parameters=parameters) for f in report.factors}
    for factor in report.factors:
        assert found[factor.id].dimension == factor.total
    kinds = {f.algebra: found[f.id] for f in report.factors if f.sites == 1}
    assert kinds["gl(2)"].name == "gl(2,R)"
    assert kinds["so(3)"].name == "so(3)"
    scalings = [found[f.id].name for f in report.factors if f.kind == "scaling"]
    assert sorted(scalings) == ["R^3", "R^4"]
    with pytest.raises(InputError, match="not among parameters"):
        symfind.identify(report.factors[0], parameters={})
