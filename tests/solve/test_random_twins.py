"""On random networks, counting through twins gives what counting at the own sizes gives."""

import torch
from hypothesis import HealthCheck, assume, event, given, note, settings

from symfind.count import tally as count
from symfind.count.symbols import Symbols
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.analysis.random_models import Network, Spec, networks

LARGEST = 600


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_twins_count_as_own_sizes_do(spec: Spec) -> None:
    torch.manual_seed(0)
    model = Network(spec)
    assume(0 < sum(p.numel() for p in model.parameters()) <= LARGEST)
    graph = trace(model, (model.example(8, torch.Generator().manual_seed(0)),), {})
    derived = derive(graph)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}

    def counted(own: int) -> tuple[int, int, bool]:
        count.OWN_PARAMETERS = own
        found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
        note(f"{[(t.family.kind, t.family.names, t.algebra, t.orbit) for t in found]}")
        known = all(t.known for t in found)
        return sum(t.algebra for t in found), sum(t.orbit for t in found), known

    before = count.OWN_PARAMETERS
    try:
        own, twins = counted(LARGEST), counted(-1)
    finally:
        count.OWN_PARAMETERS = before
    assert own[2]
    # What no polynomial describes is left out, which is said.
    assert twins == own if twins[2] else twins[:2] < own[:2]
    event("known" if twins[2] else "open")
