"""Matrices of low rank do what the same matrices do when all their entries are used."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import symfind.algebra.thin as thin_module
import symfind.solve.families.family as family_module
from symfind.algebra.exponential import exponential
from symfind.algebra.thin import WIDE, Thin, drawn, thin
from symfind.solve.families.family import MatrixFamily
from symfind.solve.point.evaluate import Point
from symfind.solve.point.generator import BoundGenerator
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Function, verify
from tests.ground_truth.models import CASES

NAMES = ("linear-5-4-3-6", "rmsnorm", "multihead-self", "vit-2", "gpt2-2-tied", "lora")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("lead", [[], [2, 3]])
def test_what_is_drawn_is_thin_and_its_exponential_that_of_the_matrix(lead: list[int]) -> None:
    x = drawn(lead, WIDE, rng()) / WIDE
    found = thin(x)
    assert found is not None
    torch.testing.assert_close(found.left @ found.right.mT, x, rtol=0, atol=1e-13)
    flow = found.exponential(0.3)
    eye = torch.eye(WIDE, dtype=torch.float64)
    torch.testing.assert_close(flow.left @ flow.right.mT + eye, exponential(0.3 * x))
    back = (-found.transposed).exponential(0.3)
    torch.testing.assert_close(back.left @ back.right.mT + eye, exponential(-0.3 * x.mT))


def test_other_matrices_are_not_thin() -> None:
    assert thin(torch.randn(WIDE, WIDE, generator=rng(), dtype=torch.float64)) is None
    almost = drawn([], WIDE, rng()) + 1e-6 * torch.eye(WIDE, dtype=torch.float64)
    assert thin(almost) is None
    assert thin(torch.zeros(WIDE - 1, WIDE - 1)) is None  # too small to gain anything


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda c: c.name)
def test_families_move_alike_by_products_and_by_entries(case, monkeypatch) -> None:
    model, args, kwargs = (*case.build(), {})[:3]
    graph = trace(model, args, kwargs or {}, train=case.train)
    theta = {
        n: torch.randn(tuple(op.shape), generator=rng(), dtype=torch.float64)
        for n, op in graph.parameters.items()
    }
    families = [f for f in derive(graph).families if isinstance(f, MatrixFamily) and f.count()]
    assert families
    point = Point(theta)
    for module in (family_module, thin_module):
        monkeypatch.setattr(module, "WIDE", 2)
    coefficients = [f.draw(rng(i)) for i, f in enumerate(families)]
    few = [(point.direction(f, c), point.flow(f, c, 0.1))
           for f, c in zip(families, coefficients, strict=True)]  # fmt: skip
    monkeypatch.setattr(thin_module, "WIDE", 10**9)
    dense = [(point.direction(f, c), point.flow(f, c, 0.1))
             for f, c in zip(families, coefficients, strict=True)]  # fmt: skip
    for one, other in zip(few, dense, strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_a_false_group_is_rejected_by_thin_elements(seed: int) -> None:
    """The group of a linear layer, where a function of each unit stands in its place."""
    width = WIDE + 2
    layers = {"a": nn.Linear(5, width, bias=False), "b": nn.Linear(width, 3, bias=False)}
    model = nn.Sequential(OrderedDict(layers))
    graph = trace(model, (torch.randn(2, 5),), {})
    (family,) = (f for f in derive(graph).families if isinstance(f, MatrixFamily))
    true = BoundGenerator("true", family)
    bent = nn.Sequential(OrderedDict(a=layers["a"], between=nn.Tanh(), b=layers["b"]))
    for net, status in ((model, "verified"), (bent, "failed")):
        function = Function(net, (torch.randn(4, 5, generator=rng(seed)),))
        assert verify(function, [true], rng=rng(seed)).status == status


def test_minus_and_transpose() -> None:
    x = Thin(torch.randn(4, 1), torch.randn(4, 1))
    torch.testing.assert_close((-x.transposed).left @ x.left.mT, -x.right @ x.left.mT)
