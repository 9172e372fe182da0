"""What the rules derive by themselves, where it is easy to derive too much."""

import pytest
import torch
from torch import Tensor

from symfind.discrete.part import sites_of, verified
from symfind.solve.point.generator import BoundGenerator
from symfind.solve.solver import Derivation, derive
from symfind.trace import trace
from symfind.verify import Function
from tests.rules.harness import FALSE, Case, examine
from tests.rules.twice import CURVED
from tests.solve.controls import BLOCKS, PLACES

SEEDS = 8
FAR = (0.3, 2.0)  # times after which a step has long been crossed


def _finite_groups(derivation: Derivation, function: Function) -> None:
    """Every finite group survives a random element of it."""
    shapes = {name: function.shapes[name] for name in function.names}
    spec, sites = sites_of(derivation, shapes)
    for seed in range(SEEDS):
        assert set(verified(sites, spec, function, seed)) == {site.id for site in sites}


@pytest.mark.parametrize("case", BLOCKS, ids=lambda case: case.name)
def test_blocks_move_together(case: Case) -> None:
    outcome = examine(case)
    assert outcome.worst < FALSE
    assert outcome.derived <= outcome.measured
    _finite_groups(outcome.derivation, _function(case))


def _function(case: Case) -> Function:
    torch.manual_seed(0)
    model, args = case.build()
    return Function(model, args, {})


def _moved(function: Function, generator: BoundGenerator, rng: torch.Generator, t: float) -> Tensor:
    theta = function.random_point(rng)
    after = {**theta, **generator.flow(theta, generator.coefficients(rng), t)}
    return (function(after) - function(theta)).abs().max()


@pytest.mark.parametrize("case", [*PLACES, *CURVED], ids=lambda case: case.name)
def test_nothing_moves_a_place(case: Case) -> None:
    """No derivative tells where a step lies: every family is followed far enough to cross one."""
    torch.manual_seed(0)
    model, args = case.build()
    derivation, function = derive(trace(model, args, {})), _function(case)
    for i, family in enumerate(derivation.families):
        generator = BoundGenerator(str(i), family)
        for seed in range(SEEDS):
            rng = torch.Generator().manual_seed(seed)
            for t in FAR:
                assert _moved(function, generator, rng, t) < 1e-9, (family.kind, family.names)
    _finite_groups(derivation, function)
