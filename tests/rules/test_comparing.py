"""What a derivative does not see: scalings past comparisons are followed for a finite time."""

import pytest
import torch

from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Call, Function
from tests.rules.comparing import CASES
from tests.rules.harness import Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_threshold_is_crossed(case: Case) -> None:
    torch.manual_seed(1)
    model, args = case.build()
    function, rng = Function(model, args, {}), torch.Generator().manual_seed(1)
    theta = function.random_point(rng)
    call = Call(tuple(torch.randn(400, *x.shape[1:], dtype=torch.float64) for x in args), {})
    before = function(theta, call)
    for family in derive(trace(model, args, {})).families:
        c = torch.randn(family.count(), generator=rng, dtype=torch.float64)
        after = function({**theta, **Point(theta).flow(family, c, 1.0)}, call)
        assert torch.allclose(after, before, atol=1e-9, rtol=1e-9), family.names
