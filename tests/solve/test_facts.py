"""What is said of a wire holds: it stays within its span, and what is unseen changes nothing."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.graph.build import Construction
from symfind.graph.indices import Still, indices
from symfind.graph.primitives import Node, Source
from symfind.solve.bonds.classes import Classes
from symfind.solve.point.values import Environment
from symfind.solve.sight.rows import form
from symfind.solve.sight.seen import Sight
from symfind.solve.spans.linear import complement
from symfind.solve.spans.reached import Spans
from symfind.solve.spans.relations import AffineRelations

ROWS = 40  # of data: more than any span has dimensions
quick = settings(derandomize=True, deadline=None, max_examples=40)


class Net:
    """A chain of layers on data of shape [ROWS, 3], built one by one."""

    def __init__(self, seed: int) -> None:
        self.b = Construction()
        self.rng = torch.Generator().manual_seed(seed)
        self.theta: dict[str, Tensor] = {}
        self.x = self.b.source("input", [ROWS, 3], key="x")
        self.wire = self.x

    def weight(self, *shape: int) -> Node:
        name = f"w{len(self.theta)}"
        self.theta[name] = torch.randn(shape, generator=self.rng, dtype=torch.float64)
        return self.b.source("parameter", shape, key=name)

    def linear(self, width: int) -> Node:
        w = self.weight(width, self.wire.shape[-1])
        self.wire = self.b.contract([self.wire, w], ["ni", "oi"], "no")
        return w

    def shifted(self) -> None:
        self.wire = self.b.add(self.wire, self.weight(self.wire.shape[-1]))

    def gained(self) -> None:
        self.wire = self.b.product(self.wire, self.weight(self.wire.shape[-1]))

    def doubled(self) -> None:
        self.wire = self.b.add(self.wire, self.b.scale(self.wire, 2.0))

    def joined(self) -> None:
        self.wire = self.b.join([self.wire, self.wire], 1)

    def halved(self) -> None:
        n = self.wire.shape[-1]
        if n > 1:
            self.wire = self.b.narrow(self.wire, 1, 0, n // 2)

    def split(self) -> None:
        n = self.wire.shape[-1]
        self.wire = self.b.view(self.b.view(self.wire, (ROWS, 1, n)), (ROWS, n))

    def env(self, theta: dict[str, Tensor] | None = None) -> Environment:
        for i, node in enumerate(self.b.nodes):
            node.index = i
        data = torch.randn(self.x.shape, generator=torch.Generator().manual_seed(7))
        return Environment(theta or self.theta, constants={"x": data.double()})


STEPS: dict[str, Callable[[Net], object]] = {
    "wider": lambda net: net.linear(6),
    "narrower": lambda net: net.linear(2),
    "shifted": Net.shifted,
    "gained": Net.gained,
    "doubled": Net.doubled,
    "joined": Net.joined,
    "halved": Net.halved,
    "split": Net.split,
}
CHAIN = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6)


@quick
@given(CHAIN, st.integers(0, 2))
def test_a_wire_stays_within_its_span(chain: list[str], seed: int) -> None:
    net = Net(seed)
    for name in chain:
        STEPS[name](net)
    env = net.env()
    values = env.value(net.wire).T
    n = values.shape[0]
    span = Spans(AffineRelations()).reached(net.wire, 1)
    rank = int(torch.linalg.matrix_rank(values - values[:, :1], rtol=1e-9))
    if span is None:
        return
    assert rank <= span.rank(None) <= n
    left = values if span.offset is None else values - span.offset(env)[:, None]
    kappa = complement(span.basis(env), n - span.rank(None))
    assert float((kappa.T @ left).abs().sum()) < 1e-8


@quick
@given(CHAIN, st.integers(0, 2))
def test_what_is_unseen_changes_nothing(chain: list[str], seed: int) -> None:
    net = Net(seed)
    first = net.linear(6)
    for name in chain:
        STEPS[name](net)
    net.linear(3)  # so that nothing is seen but through a weight
    net.b.output(net.wire)
    env = net.env()
    (outputs, _) = indices(first)
    seen = Sight(AffineRelations()).seen(first, form([outputs], ()))
    if seen is None:
        return
    k = complement(seen.rows(env).reshape(-1, 6).T, 6 - seen.rank(None))
    moved = dict(net.theta)
    moved["w0"] = moved["w0"] + k.sum(1)[:, None] * torch.randn(1, 3, dtype=torch.float64)
    change = net.env(moved).value(net.wire) - env.value(net.wire)
    assert float(change.abs().max()) < 1e-8


@pytest.mark.parametrize(("chain", "rank"), [
    (["narrower", "wider"], 2), (["wider"], 3), (["narrower", "shifted", "joined"], 4),
    (["narrower", "wider", "gained"], 2),
])  # fmt: skip
def test_spans_are_as_small_as_can_be(chain: list[str], rank: int) -> None:
    net = Net(0)
    for name in chain:
        STEPS[name](net)
    span = Spans(AffineRelations()).reached(net.wire, 1)
    assert (net.wire.shape[1] if span is None else span.rank(None)) == rank


def test_a_bond_wider_than_its_reader_is_unseen_in_part() -> None:
    net = Net(0)
    first = net.linear(6)
    net.linear(2)
    net.b.output(net.wire)
    net.env()
    (outputs, _) = indices(first)
    seen = Sight(AffineRelations()).seen(first, form([outputs], ()))
    assert seen is not None and seen.rank(None) == 2


def test_copies_are_still() -> None:
    b = Construction()
    w = b.source("parameter", [3, 1], key="w")
    wide = b.expand(w, [3, 4])
    both = b.add(wide, b.source("parameter", [4], key="v"))
    for i, node in enumerate(b.nodes):
        node.index = i
    assert Still().along(wide) == {(1, 0)}
    assert not Still().along(both)
    assert Still().along(b.permute(wide, (1, 0))) == {(0, 0)}


@quick
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(-3, 3)), max_size=12))
def test_classes_know_every_image_of_the_root(links: list[tuple[int, int, int]]) -> None:
    """Integers under addition: an image is a difference of heights."""
    classes: Classes[int] = Classes(8, lambda v: 0, lambda own, above: own + above)
    height = dict.fromkeys(range(8), 0)
    group = {v: {v} for v in range(8)}
    for a, b, d in links:
        (root, mine), (other, theirs) = classes.find(a), classes.find(b)
        if root != other:  # b is d above a
            classes.join(root, other, mine + d - theirs)
            shift = height[a] + d - height[b]
            for v in group[b]:
                height[v] += shift
            group[a] |= group[b]
            for v in group[a]:
                group[v] = group[a]
    for v in range(8):
        root, image = classes.find(v)
        assert root in group[v] and image == height[v] - height[root]


def test_a_source_is_everything() -> None:
    b = Construction()
    x = b.source("input", [5, 3], key="x")
    assert isinstance(x, Source)
    x.index = 0
    assert Spans(AffineRelations()).reached(x, 1) is None
