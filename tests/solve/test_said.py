"""A derivation says where it looked no further, and which sizes its formula names."""

import torch
from torch import Tensor, nn

from symfind.analysis.derived import Derived
from symfind.count.counted import counted
from symfind.count.symbols import Symbols
from symfind.graph.build import Construction
from symfind.load import Inputs, resolve
from symfind.solve.families.together import MOST
from symfind.solve.limits import Limits
from symfind.solve.solver import derive
from symfind.solve.spans.zeros import LARGEST, Zeros
from symfind.trace import trace_loaded


def derived(model: nn.Module, *shape: int) -> Derived:
    loaded = resolve(model, Inputs((torch.randn(shape),), {}, {}))
    graph = trace_loaded(loaded)
    return Derived(counted(graph, derive(graph), Symbols(loaded.sizes)))


def chain(length: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(length)), nn.Tanh())


def test_a_path_that_is_not_followed_to_its_end_is_a_gap() -> None:
    assert not derived(chain(3), 8, 3).gaps()
    (gap,) = derived(chain(12), 8, 3).gaps()
    assert gap.op == "limit" and "parallel paths" in gap.effect and gap.nodes


class Summed(nn.Module):
    """Two maps with biases of one width, read by a map without."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, width), nn.Linear(3, width)
        self.read = nn.Linear(width, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.one(x.tanh()) + self.two(x.sigmoid()))


def test_translations_that_are_not_solved_for_together_are_a_gap_unless_all_is_found() -> None:
    assert not derived(Summed(4), 8, 3).gaps()
    large = derived(Summed(MOST), 8, 3)
    (gap,) = (one for one in large.gaps() if one.op == "limit")
    assert f"more than {MOST} unknowns" in gap.effect and gap.nodes
    assert not any(one.op == "limit" for one in large.gaps(complete=True))


def test_biases_that_a_function_reads_are_no_unknowns() -> None:
    """All of them is seen, whatever else is added: the system is as small as what may pass."""
    deep = nn.Sequential(*(nn.Sequential(nn.Linear(60, 60), nn.Tanh()) for _ in range(8)))
    assert not derived(deep, 8, 60).gaps()


def test_a_constant_too_large_to_be_looked_through_is_noted() -> None:
    limits = Limits()
    b = Construction()
    large, data = (b.source(role, [LARGEST + 1]) for role in ("constant", "input"))
    small = b.source("constant", [3])
    zeros = Zeros(limits)
    for node in (small, data):
        zeros.of(node)
    assert not limits.found
    zeros.of(large)
    (places,) = limits.found.values()
    assert places == [f"wire {large.index}"]


def test_sizes_are_those_of_the_formula() -> None:
    found = derived(nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2)), 8, 3)
    assert found.formula() == "d_32" and found.sizes() == {"d_32": 32}
