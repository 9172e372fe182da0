"""What was counted of one family is said of another by the indices of that one."""

import torch
from torch import nn

from symfind.algebra.axes import atoms
from symfind.count.symbols import AxisSymbols
from symfind.trace import trace
from symfind.twin.formula import count

WIDTH = 48  # twice, so that both hidden layers are built alike


def test_equal_widths_keep_their_own_symbols() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(6, WIDTH), nn.BatchNorm1d(WIDTH), nn.Tanh(),
              nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Tanh(),
              nn.Linear(WIDTH, 9)]  # fmt: skip
    graph = trace(nn.Sequential(*layers).eval(), (torch.randn(4, 6),), {})
    symbols = AxisSymbols()
    found = [t for t in count(graph, "raw", symbols).tallies if t.orbit]
    assert len(found) == 4  # of each layer a scale, and its bias with that of the norm
    for t in found:
        mine = {a.root for s in t.family.sources for x in s.axes for a in atoms(x)}
        assert t.orbit == WIDTH
        assert {symbols.axis(x).root for x in t.orbit_formula.free_symbols} <= mine
    assert len({str(t.orbit_formula) for t in found}) == 2
