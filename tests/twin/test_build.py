"""Graphs rebuilt: at their own sizes they are the same function, at others they run."""

import pytest
import torch

from symfind.points.facts import kinks
from symfind.trace import Graph, Op, execute, trace
from symfind.twin import Unbuildable, build, build_twin
from symfind.twin.dense import appended, thinned
from symfind.twin.depth import KEPT, runs, shortened
from symfind.twin.module import TwinFunction
from symfind.twin.relations import relate
from tests.ground_truth.models import CASES, Case
from tests.twin.subjects import Appending, Handwritten, Inverted, Separable, examples_of, traced

OWN = {
    "handwritten": (Handwritten, lambda: torch.randint(61, (2, 20))),
    "separable": (Separable, lambda: torch.randn(2, 3, 32, 32)),
}


def generic(graph):
    return {
        name: torch.randn(op.shape, dtype=torch.float64) for name, op in graph.parameters.items()
    }


def check_unchanged(graph, inputs) -> None:
    theta = generic(graph)
    twin = build_twin(graph, examples=inputs, unchanged=True)
    for name, op in graph.parameters.items():
        assert twin.graph.parameters[name].shape == op.shape
    expected = execute(graph, theta, inputs)
    found = execute(twin.graph, theta, inputs)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_with_unchanged_sizes_a_graph_is_what_it_was(case: Case) -> None:
    check_unchanged(*traced(case))


@pytest.mark.parametrize("name", OWN)
def test_own_code_with_unchanged_sizes(name: str) -> None:
    make, draw = OWN[name]
    torch.manual_seed(0)
    args = (draw(),)
    graph = trace(make().eval(), args, {})
    check_unchanged(graph, examples_of(graph, args, {}))


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("variant", [0, 1])
def test_a_twin_is_smaller_and_runs_with_the_shapes_that_it_foretold(name, variant) -> None:
    make, draw = OWN[name]
    torch.manual_seed(0)
    model, args = make().eval(), (draw(),)
    graph = trace(model, args, {})
    twin = build_twin(graph, variant, examples=examples_of(graph, args, {}))
    assert twin.parameters < sum(p.numel() for p in model.parameters()) / 8
    (output,) = execute(twin.graph, generic(twin.graph), twin.examples)
    assert tuple(output.shape) == twin.graph.outputs[0].shape
    assert torch.isfinite(output).all()


def test_relations_between_sizes_are_kept() -> None:
    model = Handwritten(width=48, heads=4).eval()
    args = (torch.randint(61, (2, 20)),)
    graph = trace(model, args, {})
    for variant in range(4):
        shapes = {
            name: op.shape for name, op in build_twin(graph, variant).graph.parameters.items()
        }
        rows, width = shapes["qkv.0.weight"]
        assert rows == 3 * width  # three times heads times head size, which is the width
        assert shapes["gates.0.weight"][0] == 2 * shapes["down.0.weight"][1]
        assert shapes["down.0.weight"][1] > width > shapes["place"][1]
        assert shapes["token.weight"][0] > width


def test_masks_and_tables_shrink_with_what_they_are_read_by() -> None:
    graph = trace(Handwritten().eval(), (torch.randint(61, (2, 20)),), {})
    twin = build_twin(graph)
    (mask,) = [op for op in twin.graph.ops if op.key == "mask"]
    n = mask.shape[0]
    assert 1 < n < 20 and torch.equal(mask.data, torch.ones(n, n).tril() == 0)


class Widened(torch.nn.Module):
    """A shortcut without parameters: channels of zeros at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 3, padding=1)
        self.branch = torch.nn.Conv2d(16, 32, 3, stride=2, padding=1)

    def forward(self, x):
        x = self.first(x).relu()
        wide = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
        return (self.branch(x) + wide).relu().mean((2, 3))


def test_channels_of_zeros_shrink_with_those_between_them() -> None:
    twin = build_twin(trace(Widened(), (torch.randn(1, 3, 8, 8),), {}))
    rows, columns = twin.graph.parameters["branch.weight"].shape[:2]
    assert columns + 2 <= rows < 16
    (padded,) = [op for op in twin.graph.ops if op.base == "pad"]
    assert padded.args[1][:4] == [0, 0, 0, 0] and columns + sum(padded.args[1][4:]) == rows


class Odd(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(40, 60)
        self.last = torch.nn.Linear(60, 30)

    def forward(self, x):
        x = self.first(x)
        return self.last(torch.linalg.qr(x.unflatten(-1, (10, 6)))[0].flatten(-2))


def test_what_an_unknown_operation_touches_keeps_its_size() -> None:
    graph = trace(Odd(), (torch.randn(3, 40),), {})
    relations = relate(graph)
    assert {op.target for _, op in relations.pinned} == {"aten.linalg_qr.default"}
    shapes = {k: op.shape for k, op in build_twin(graph).graph.parameters.items()}
    assert shapes["first.weight"][0] == 60 and shapes["first.weight"][1] < 40
    assert shapes["last.weight"][1] == 60 and shapes["last.weight"][0] < 30


class Indexed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(50, 8))
        self.register_buffer("rows", torch.tensor([[3, 17], [40, 8]]))

    def forward(self, x):
        return x @ self.table[self.rows].sum((0, 1))


def test_a_table_has_the_rows_that_constants_look_up() -> None:
    graph = trace(Indexed(), (torch.randn(3, 8),), {})
    assert build_twin(graph).graph.parameters["table"].shape[0] == 41


def test_a_buffer_of_unknown_integers_is_an_error_with_its_name() -> None:
    graph = trace(Indexed(), (torch.randn(3, 8),), {})
    (rows,) = [op for op in graph.ops if op.key == "rows"]
    rows.data = None
    with pytest.raises(Unbuildable, match="'rows'"):
        build_twin(graph)


class Deep(torch.nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.up = torch.nn.ModuleList(torch.nn.Linear(8, 12) for _ in range(layers))
        self.down = torch.nn.ModuleList(torch.nn.Linear(12, 8) for _ in range(layers))

    def forward(self, x):
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.tanh(up(x)))
        return x


def test_repeated_layers_can_be_taken_out() -> None:
    deep = trace(Deep(7), (torch.randn(3, 8),), {})
    found = runs(deep)
    (run,) = found
    short = shortened(deep, found)
    first = 7 - len(run.layers)
    model = Deep(first + KEPT)
    expected = trace(model, (torch.randn(3, 8),), {})
    theta = generic(expected)
    x = torch.randn(3, 8, dtype=torch.float64)
    assert list(short.parameters) == list(expected.parameters)
    (a,), (b,) = execute(short, theta, [x]), execute(expected, theta, [x])
    assert torch.equal(a, b)


class Scaled(Deep):
    """Every layer with the same constant, which is computed once, in the first of them."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        self.start = torch.nn.Linear(8, 8)

    def forward(self, x):
        x = self.start(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.tanh(up(x))) * torch.full((8, 2), 2.0)[:, 1]
        return x


def test_constants_that_layers_share_are_part_of_none() -> None:
    deep = trace(Scaled(7), (torch.randn(3, 8),), {})
    (run,) = runs(deep)
    assert len(run.layers) == 7
    short = shortened(deep, [run])
    x = torch.randn(3, 8, dtype=torch.float64)
    expected = trace(Scaled(KEPT), (torch.randn(3, 8),), {})
    theta = generic(expected)
    (a,), (b,) = execute(short, theta, [x]), execute(expected, theta, [x])
    assert torch.equal(a, b)


class Tables(torch.nn.Module):
    """Biases by position, in tables of which constants say which rows are read."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = torch.nn.ParameterList(torch.zeros(20 + i, 3) for i in range(4))
        self.last = torch.nn.Linear(3, 5)
        self.register_buffer("where", torch.tensor([17, 3, 9]))

    def forward(self, x):
        return self.last(x + sum(table[self.where].sum(0) for table in self.tables))


def test_all_tables_get_their_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def counted(*args, **kwargs):
        tries.append(args)
        return choose(*args, **kwargs)

    choose = build.choose
    monkeypatch.setattr(build, "choose", counted)
    twin = build_twin(trace(Tables(), (torch.randn(2, 3),), {}))
    assert len(tries) == 2
    rows = [twin.graph.parameters[f"tables.{i}"].shape[0] for i in range(4)]
    assert min(rows) >= 18


def appending(layers: int):
    return trace(Appending(layers).eval(), (torch.randn(2, 3, 16, 16),), {})


def test_layers_that_append_can_be_taken_out() -> None:
    relations = relate(appending(6))
    (chain,) = appended(relations)
    assert len(chain.layers) == 6
    short, expected = thinned(relations, [chain], {0: 2}), appending(2)
    last = {"norms.2.weight": "norms.6.weight", "norms.2.bias": "norms.6.bias"}
    theta = generic(expected)
    renamed = {last.get(name, name): value for name, value in theta.items()}
    assert {n: op.shape for n, op in short.parameters.items()} == {
        n: tuple(value.shape) for n, value in renamed.items()
    }
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    (a,), (b,) = execute(short, renamed, [x]), execute(expected, theta, [x])
    assert torch.allclose(a, b, rtol=1e-12)


class Overheard(Appending):
    """What is appended is read elsewhere as well, so that nothing can be taken out."""

    def forward(self, x):
        x = torch.relu(self.first(self.stem(x)))
        heard = 0.0
        *norms, last = self.norms
        for norm, conv in zip(norms, self.convs, strict=True):
            new = conv(torch.relu(norm(x)))
            heard = heard + new.mean()
            x = torch.cat([x, new], 1)
        return self.head(torch.relu(last(x)).mean((2, 3))) + heard


def test_layers_that_are_read_elsewhere_stay() -> None:
    graph = trace(Overheard(6).eval(), (torch.randn(2, 3, 16, 16),), {})
    assert not appended(relate(graph))


def test_every_unit_of_a_random_point_sees_all_pieces_of_its_activation() -> None:
    """None is always on or always off, and the upper clip is reached."""
    graph = trace(Inverted().eval(), (torch.randn(2, 3, 32, 32),), {})
    function = TwinFunction(build_twin(graph))
    rng = torch.Generator().manual_seed(1)
    theta = function.random_point(rng)
    draws = [function.fresh(rng).kwargs for _ in range(20)]
    clipped = [op for op in function.twin.graph.ops if kinks(op) == (0.0, 6.0)]
    assert len(clipped) == 3
    for op in clipped:
        (wire,) = op.operands
        values = torch.cat([entering(function.twin.graph, wire, theta, x) for x in draws], 1)
        assert (values.amin(1) < 0).all() and (values.amax(1) > 6).all()


def entering(graph: Graph, wire: Op, theta, inputs) -> torch.Tensor:
    """The values of a wire: one row for each unit."""
    out = Op("out", "output", (wire,), shape=wire.shape, dtype=wire.dtype)
    ops = [*graph.ops[: graph.ops.index(wire) + 1], out]
    (value,) = execute(Graph(ops, graph.inputs, graph.parameters, [out], []), theta, inputs)
    return value.movedim(1, 0).flatten(1)
