"""Every rule is tested by the other derivation, both directions."""

from collections.abc import Iterator

import pytest
import torch

from symfind.ops import registry
from tests.rules import (
    composed,
    controls,
    layers,
    linear_maps,
    movement,
    pointwise,
    recurrent,
    spans,
    spellings,
)
from tests.rules.harness import FALSE, Case, examine

CASES: list[Case] = [
    case
    for module in (
        pointwise,
        movement,
        linear_maps,
        layers,
        recurrent,
        composed,
        spans,
        spellings,
        controls,
    )
    for case in module.CASES
]
# Registered operations without a case, and why.
WITHOUT_CASE = {
    "aten._grouped_mm": "torch runs it in single precision only; grouped_mm_fallback is the same"
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rule(case: Case) -> None:
    outcome = examine(case)
    wanted = set(case.operations)
    assert wanted <= outcome.applied, f"not in the trace: {wanted - outcome.applied}"
    gaps = tuple(op.target for op, _ in outcome.derivation.lowered.gaps)
    assert gaps == case.rigid
    assert outcome.worst < FALSE, "a derived direction changes the output"
    assert outcome.derived <= outcome.measured
    if case.gap:
        assert outcome.derived < outcome.measured, "no longer a gap"
        pytest.xfail(f"{case.gap}: {outcome.derived} of {outcome.measured}")
    assert outcome.derived == outcome.measured


def test_every_rule_has_a_case() -> None:
    covered = {name for case in CASES for name in case.operations}
    assert set(registry.lower.names()) - covered == set(WITHOUT_CASE)


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
