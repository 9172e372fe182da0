"""A graph that is recorded says the same as one that is exported."""

import pytest

from tests.ground_truth.models import CASES, Case
from tests.trace.compared import of_case, of_spec

SAMPLE = [
    "torchvision:mobilenet_v3_small", "torchvision:shufflenet_v2_x0_5",
    "transformers:MixtralForCausalLM", "transformers:T5ForConditionalGeneration",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES[::6], ids=lambda case: case.name)
def test_rows_of_the_ground_truth(case: Case) -> None:
    recorded, exported = of_case(case)
    assert recorded == exported


@pytest.mark.parametrize("spec", SAMPLE)
def test_models_of_zoos(spec: str) -> None:
    pytest.importorskip(spec.partition(":")[0])
    recorded, exported = of_spec(spec)
    assert recorded == exported
