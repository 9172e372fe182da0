"""What index maps say is what movements do: states never understate, steps are exact."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.graph.build import Construction
from symfind.graph.index_map import Way
from symfind.graph.primitives import Movement, Node
from symfind.solve.point.values import Environment
from symfind.solve.transport import state as states
from symfind.solve.transport import steps
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical

Make = Callable[[Construction, Node], Node]


def picked(b: Construction, x: Node) -> Node:
    order = b.source("constant", [5])
    order.compute = lambda: torch.tensor([2, 0, 1, 1, 2])  # type: ignore[attr-defined]
    return b.take(x, 1, order)


def joined(b: Construction, x: Node) -> Node:
    return b.join([b.source("constant", [2, 4, 4, 1]), x], 1)


def split_and_joined(b: Construction, x: Node) -> Node:
    y = b.view(x, (2, 3, 2, 2))
    return b.join([b.narrow(y, 1, 1, 2), b.narrow(y, 1, 0, 1)], 1)


MOVES: dict[str, Make] = {
    "flattened": lambda b, x: b.view(x, (6, 4)),
    "split": lambda b, x: b.view(x, (2, 3, 2, 2)),
    "permuted": lambda b, x: b.permute(x, (2, 0, 3, 1)),
    "repeated": lambda b, x: b.expand(x, (5, 2, 3, 4, 6)),
    "range": lambda b, x: b.narrow(x, 2, 1, 2),
    "joined": joined,
    "picked": picked,
    "split and joined": split_and_joined,
}
STATES = st.lists(st.sampled_from([CONSTANT, ARBITRARY]), min_size=4, max_size=4)


def moved(name: str) -> tuple[Construction, Node, Node]:
    """A wire of shape [2, 3, 4, 1], and what a movement makes of it."""
    b = Construction()
    x = b.source("parameter", [2, 3, 4, 1], key="x")
    y = MOVES[name](b, x)
    assert isinstance(y, Movement)
    return b, x, y


def perturbation(x: Node, state: State, seed: int) -> Tensor:
    """Random, of size one where it is constant."""
    shape = [1 if s == CONSTANT else n for s, n in zip(state, x.shape, strict=True)]
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def value(y: Node, x: Tensor) -> Tensor:
    """The wire y where x is given, and every constant is zero."""
    zeros = {"": torch.zeros(())}
    env = Environment({"x": x}, constants=zeros)
    for node in _behind(y):
        if not node.inputs and node.fixed:
            made = getattr(node, "compute", None)
            found = made() if made is not None else None
            env._values[id(node)] = (
                torch.zeros(node.shape, dtype=torch.float64) if found is None else found
            )
    if any(r.way is Way.PICKED for r in y.index_map()):
        return x.index_select(y.dim, y.picks.value())  # type: ignore[attr-defined]
    return env.value(y)


def _behind(y: Node) -> list[Node]:
    return [y, *(z for x in y.inputs for z in _behind(x))]


def overstated(y: Node, state: State, change: Tensor) -> bool:
    """Whether a change varies no more than a state says."""
    env = Environment({}, None)
    for c, cell in enumerate(y.cells):
        block = env.take(y, c, change)
        for a, (d, i) in enumerate(cell.places):
            dim = state[d]
            if isinstance(dim, tuple) and dim[0] != cell.choice[d]:
                if bool((block != 0).any()):
                    return False
            still = dim == CONSTANT or (isinstance(dim, tuple) and i not in dim[1])
            if still and not torch.equal(block, block.narrow(a, 0, 1).expand_as(block)):
                return False
    return True


def carried(x: Node, y: Node, state: State, t: Tensor) -> tuple[State, Tensor]:
    """A perturbation carried along the wires from x to y by states and steps."""
    if y is x:
        return state, t
    env = Environment({})
    at = next(i for i, z in enumerate(y.inputs) if x in _behind(z))
    state, t = carried(x, y.inputs[at], state, t)
    new = states.forth(y, at, state)
    assert new is not None
    return new, steps.forth(y, at)(env, t)


@pytest.mark.parametrize("name", MOVES)
@settings(derandomize=True, deadline=None, max_examples=16)
@given(wanted=STATES, seed=st.integers(0, 3))
def test_forth(name: str, wanted: list, seed: int) -> None:
    _, x, y = moved(name)
    if name == "split and joined":
        return  # by two ways: see the test of the way back
    state = canonical(x, wanted)
    t = perturbation(x, state, seed)
    change = value(y, t.expand(x.shape))
    new, out = carried(x, y, state, t)
    assert overstated(y, new, change)
    if not states.scattered(y, y.inputs.index(x) if x in y.inputs else 0, state):
        assert torch.equal(out.expand(y.shape), change)


@pytest.mark.parametrize("name", [n for n in MOVES if n not in ("picked", "joined")])
@settings(derandomize=True, deadline=None, max_examples=16)
@given(st.data())
def test_back_is_undone_by_forth(name: str, data: st.DataObject) -> None:
    _, x, y = moved(name)
    env = Environment({})
    rank = len(y.axes)
    wanted = data.draw(
        st.lists(st.sampled_from([CONSTANT, ARBITRARY]), min_size=rank, max_size=rank)
    )
    state = canonical(y, wanted)
    t = perturbation(y, state, data.draw(st.integers(0, 3)))
    total = torch.zeros(y.shape, dtype=torch.float64)
    for at in range(len(y.inputs)):
        if states.back(y, at, state) is None:
            return  # it would have to vary along copies
        total += steps.forth(y, at)(env, steps.back(y, at)(env, t)).expand(y.shape)
    assert torch.equal(total, t.expand(y.shape))


def test_a_block_outside_of_a_range_is_not_read() -> None:
    b = Construction()
    x = b.source("parameter", [6], key="x")
    first, rest = b.narrow(x, 0, 0, 2), b.narrow(x, 0, 2, 4)
    begin, end = ((cell.choice[0], frozenset({0})) for cell in x.cells)
    assert states.forth(first, 0, (end,)) is None and states.forth(rest, 0, (begin,)) is None
    assert states.forth(first, 0, (begin,)) == (ARBITRARY,)
    assert states.back(rest, 0, (ARBITRARY,)) == (end,)
