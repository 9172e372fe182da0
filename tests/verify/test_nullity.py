import time
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from symfind.budget import OutOfProcessorTime, limited, limited_processor
from symfind.numerics.reveal import Revealed, reveal
from symfind.points import PLAIN, Manner
from symfind.verify import saturation
from symfind.verify.function import Call, Function
from symfind.verify.nullity import measure_nullity, nullity_at
from symfind.verify.rows import Rows
from symfind.verify.sampling import draw_like


def test_rare_tokens_are_waited_for() -> None:
    model = nn.Embedding(40, 2)
    function = Function(model, (torch.zeros(1, 3, dtype=torch.long),))
    measured = measure_nullity(
        function, lambda rng: Call(draw_like(function.inputs.args, rng, 40), {})
    )
    assert measured.nullity == 0 and measured.status == "clear"


def test_a_glance_that_lacks_rows_is_continued_where_it_was_begun() -> None:
    class Counting(Function):
        drawn = 0

        def random_point(self, rng: torch.Generator, manner: Manner = PLAIN) -> dict[str, Tensor]:
            self.drawn += 1
            return super().random_point(rng, manner)

    def drawn(model: nn.Module, inputs: Tensor, known: Tensor, rows: int) -> int:
        function = Counting(model, (inputs,))
        measured = measure_nullity(
            function, lambda rng: Call(draw_like(function.inputs.args, rng, rows), {}),
            known=lambda theta: known, glances=3,
        )  # fmt: skip
        assert measured.nullity == measured.known + len(model.state_dict()) - 1
        return function.drawn

    none = torch.zeros(300, 0, dtype=torch.float64)
    assert drawn(nn.Embedding(150, 2), torch.zeros(1, 1, dtype=torch.long), none, 150) == 1
    # where no more rows would show that all is explained, as it is not, others are looked at
    layers = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    assert drawn(layers, torch.randn(1, 1), none[:2], 2) > 3


def test_rows_that_cannot_be_all_that_a_glance_lacks_are_not_eliminated(monkeypatch) -> None:
    seen: list[int] = []

    def counting(matrix: Tensor, exact: bool = True) -> Revealed:
        seen.append(len(matrix))
        return reveal(matrix, exact)

    monkeypatch.setattr(saturation, "reveal", counting)
    monkeypatch.setattr(Rows, "draws", lambda self, index: 1)  # few rows are looked at, at once
    function = Function(nn.Embedding(700, 2), (torch.zeros(1, 4, dtype=torch.long),))
    measured = measure_nullity(
        function, lambda rng: Call(draw_like(function.inputs.args, rng, 700), {}),
        known=lambda theta: torch.zeros(1400, 0, dtype=torch.float64), glances=3,
    )  # fmt: skip
    assert measured.nullity == 0 and measured.status == "clear"
    assert seen[0] == 1400 + 64 and seen[1] > seen[0] + 64
    assert measured.saturation[0][0] == seen[0] and measured.saturation[0][1] < 1400 - 64


def test_unread_parameters_and_constant_inputs() -> None:
    model = nn.Embedding(5, 2)
    function = Function(model, (torch.tensor([0, 1]),))
    measured = measure_nullity(function, lambda rng: function.inputs)
    assert measured.nullity == 6 and measured.status == "clear"


def test_unclear_gap_is_undetermined() -> None:
    class Hilbert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(14))

        def forward(self, x: Tensor) -> Tensor:
            # powers of inputs close to one another: a spectrum that decays without a gap
            return (0.5 + 0.05 * torch.tanh(x))[:, None].pow(torch.arange(14)) @ self.w

    function = Function(Hilbert(), (torch.randn(4),))
    measured = measure_nullity(function, lambda rng: Call(draw_like(function.inputs.args, rng), {}))
    assert measured.status == "undetermined"
    assert "gap" in measured.reason


def test_same_seed_same_answer() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    function = Function(model, (torch.randn(8, 3),))

    def measured():
        return measure_nullity(
            function, lambda rng: Call(draw_like(function.inputs.args, rng), {}), seed=5
        )

    assert measured() == measured()
    assert measured().nullity == 4


def relu_net() -> Function:
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))
    return Function(model, (torch.randn(1, 4),))


def scalings(theta: Mapping[str, Tensor], units: int = 12) -> Tensor:
    """The scaling of each hidden unit of `relu_net`, as columns."""
    writer, bias, reader = theta["0.weight"], theta["0.bias"], theta["2.weight"]
    columns = []
    for i in range(units):
        one = torch.zeros(12, dtype=torch.float64)
        one[i] = 1.0
        moved = {"0.weight": one[:, None] * writer, "0.bias": one * bias,
                 "2.weight": -reader * one, "2.bias": torch.zeros(3).double()}  # fmt: skip
        columns.append(torch.cat([moved[name].reshape(-1) for name in theta]))
    return torch.stack(columns, 1)


def drawing(function: Function) -> Callable[[torch.Generator], Call]:
    return lambda rng: Call(draw_like(function.inputs.args, rng), {})


def test_known_directions_end_the_measurement() -> None:
    function = relu_net()
    full = measure_nullity(function, drawing(function))
    short = measure_nullity(function, drawing(function), known=scalings)
    assert full.nullity == short.nullity == short.known == 12
    assert len(short.points) == 1 and len(full.points) >= 3
    assert short.saturation[-1][0] < full.saturation[-1][0]
    assert short.beyond is not None and short.beyond.shape == (99, 0)
    assert short.gap is not None and short.gap[1] < -12


def test_what_is_beyond_the_known_directions() -> None:
    function = relu_net()
    measured = measure_nullity(function, drawing(function), known=lambda t: scalings(t, 7))
    assert (measured.nullity, measured.known) == (12, 7)
    assert len(measured.points) >= 3  # one point does not prove that it is generic
    assert measured.theta is not None and measured.null is not None
    assert torch.linalg.matrix_rank(measured.null) == 12
    jacobian = function.jacobian(measured.theta)
    assert (jacobian @ measured.null).norm() < 1e-12 * jacobian.norm() * measured.null.norm()


def test_dependent_directions_count_once() -> None:
    function = relu_net()

    def known(theta: Mapping[str, Tensor]) -> Tensor:
        columns = scalings(theta)
        return torch.cat([columns, columns @ torch.ones(12, 3, dtype=torch.float64)], 1)

    measured = measure_nullity(function, drawing(function), known=known)
    assert (measured.nullity, measured.known, len(measured.points)) == (12, 12, 1)


def test_directions_that_are_not_null_are_not_believed() -> None:
    function = relu_net()

    def known(theta: Mapping[str, Tensor]) -> Tensor:
        columns = scalings(theta)
        columns[0, 3] += 1e-4
        return columns

    measured = measure_nullity(function, drawing(function), known=known)
    assert (measured.nullity, measured.known) == (12, 0)


def test_special_point_proves_nothing() -> None:
    """Dead units add null directions; a count that meets that number is not confirmed by it."""
    function = relu_net()
    rng = torch.Generator().manual_seed(0)
    theta = function.random_point(rng)
    theta["2.weight"][:, 0] = 0.0  # what the first unit reads is then null: 5, of them 1 known
    found = nullity_at(function, drawing(function), theta, known=scalings)
    assert (found.nullity, found.known) == (16, 12)
    generic = measure_nullity(function, drawing(function), known=scalings)
    assert (generic.nullity, generic.known) == (12, 12)


def test_limit_on_time() -> None:
    function = relu_net()
    seen: list[str] = []

    def draw(rng: torch.Generator) -> Call:
        time.sleep(0.002)
        return drawing(function)(rng)

    with limited(0.2):
        measured = measure_nullity(function, draw, progress=seen.append)
    assert measured.status == "undetermined"
    assert "the time limit was reached after" in measured.reason


def test_null_space_is_returned() -> None:
    function = relu_net()
    measured = measure_nullity(function, lambda rng: Call(draw_like(function.inputs.args, rng), {}))
    assert measured.theta is not None and measured.null is not None
    assert measured.null.shape == (function.count, 12)
    assert torch.linalg.matrix_rank(measured.null) == 12
    jacobian = function.jacobian(measured.theta)
    assert (jacobian @ measured.null).norm() < 1e-12 * jacobian.norm() * measured.null.norm()


@pytest.mark.parametrize("after", [0, 2])
def test_interrupted(after: int) -> None:
    function = relu_net()
    seen: list[str] = []

    def draw(rng: torch.Generator) -> Call:
        if not after:
            raise KeyboardInterrupt
        return Call(draw_like(function.inputs.args, rng), {})

    def tell(text: str) -> None:
        seen.append(text)
        if len(seen) == after:
            raise KeyboardInterrupt

    measured = measure_nullity(function, draw, progress=tell)
    assert measured.status == "undetermined"
    assert f"interrupted after {after} points" in measured.reason
    assert len(measured.points) == after
    assert (measured.nullity is None) == (after == 0)


def test_no_trainable_parameters() -> None:
    function = Function(nn.Tanh(), (torch.randn(2),))
    assert measure_nullity(function, lambda rng: function.inputs).nullity == 0


@pytest.mark.parametrize(("width", "depth"), [(15, 6), (11, 12)])
def test_deep_linear_chain_of_many_parameters(width: int, depth: int) -> None:
    """Small products far from the ends, and far more null directions than others."""
    model = nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(depth)])
    function = Function(model, (torch.randn(1, width),))
    measured = measure_nullity(function, drawing(function))
    assert measured.status == "clear", measured.reason
    assert measured.nullity == (depth - 1) * width**2
    assert measured.theta is not None and measured.null is not None
    jacobian = function.jacobian(measured.theta)
    assert (jacobian @ measured.null).norm() < 1e-12 * jacobian.norm() * measured.null.norm()


def test_limit_on_the_processor_is_raised_again() -> None:
    caught = 0
    with pytest.raises(OutOfProcessorTime), limited_processor(0.05):
        while True:
            try:
                sum(range(1000))
            except OutOfProcessorTime:
                caught += 1
                if caught == 2:
                    raise
