"""On random networks, counting through twins gives what counting at the own sizes gives."""

from unittest.mock import patch

import torch
from hypothesis import HealthCheck, assume, event, given, note, settings

from symfind.count import tally
from symfind.count.symbols import Symbols
from symfind.count.tally import Tally
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

    def counted(own: int) -> dict[int, Tally]:
        with patch.object(tally, "OWN_PARAMETERS", own):
            found = tally.tally(derived.families, derived.parameters, shapes, Symbols({}))
        note(f"{[(t.family.kind, t.family.names, t.algebra, t.orbit) for t in found]}")
        return {id(t.family): t for t in found}

    own, twins = counted(LARGEST), counted(-1)
    assert own.keys() == twins.keys()
    for key, through in twins.items():
        exact = own[key]
        assert exact.known
        if through.known:
            assert (through.algebra, through.orbit) == (exact.algebra, exact.orbit)
        else:  # what no polynomial describes is left out, which is said
            assert (through.algebra, through.orbit) == (0, 0)
    event("known" if all(t.known for t in twins.values()) else "open")
