"""The measured nullity of every row: confirms that the models here are those of the table."""

import pytest
import torch

from symfind.verify.function import Call, Function
from symfind.verify.nullity import measure_nullity
from symfind.verify.sampling import draw_like
from tests.ground_truth.models import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_measured_nullity(case: Case) -> None:
    model, args, kwargs = case.build()
    function = Function(model, args, kwargs, train=case.train, output=case.output)

    def draw(rng: torch.Generator) -> Call:
        return Call(draw_like(args, rng, case.bounds), draw_like(kwargs, rng, case.bounds))

    measured = measure_nullity(function, draw, points=2)
    assert measured.parameters == case.parameters
    assert measured.status == "clear", measured.reason
    assert measured.nullity == case.nullity, measured
