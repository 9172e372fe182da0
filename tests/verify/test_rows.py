import pytest
import torch
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.verify import rows as module
from symfind.verify.function import Call, Function
from symfind.verify.rows import Rows
from tests.ground_truth.models import CASES

BY_NAME = {case.name: case for case in CASES}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check(function: Function, calls: list[Call]) -> Rows:
    """Compare the first block with separate Jacobians; its inputs are the calls, in turn."""
    theta = function.random_point(rng())
    given: list[Call] = []

    def draw(_: torch.Generator) -> Call:
        given.append(calls[len(given) % len(calls)])
        return given[-1]

    rows = Rows(function, draw, rng())
    rows.prepare(theta)
    given.clear()
    together = rows.block(theta, 0)
    alone = torch.cat([function.jacobian(theta, call) for call in given])
    assert together.shape == alone.shape
    assert torch.allclose(together, alone, atol=1e-10 * float(alone.abs().max()))
    drawn = len(given)
    assert torch.allclose(rows.block(theta, 0), together, atol=1e-12)
    assert len(given) == drawn  # the same inputs
    return rows


@pytest.fixture
def uncombined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMBINED", 10**6)


NAMES = ["relu-6-5-4-6", "batchnorm-train", "weight-norm", "multihead-self", "squeeze-excite"]


@pytest.mark.usefixtures("uncombined")
@pytest.mark.parametrize("name", NAMES)
def test_batched_rows_are_those_of_separate_jacobians(name: str) -> None:
    model, args, kwargs = BY_NAME[name].build()
    function = Function(model, args, kwargs, train=BY_NAME[name].train)
    calls = [
        Call(tuple(torch.randn(a.shape, generator=rng(i)) for a in args), kwargs) for i in range(3)
    ]
    assert check(function, calls).batched


class Branching(nn.Module):
    """What it does depends on the data: it cannot be batched."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if x.sum() > 0 else self.b(x)


def test_what_cannot_be_batched_is_evaluated_separately() -> None:
    function = Function(Branching(), (torch.randn(1, 3),))
    calls = [Call((torch.randn(1, 3, generator=rng(i)),), {}) for i in range(4)]
    rows = check(function, calls)
    assert rows.batched is False and rows.draws(0) == 1


def test_inputs_of_several_shapes() -> None:
    function = Function(nn.Linear(3, 2), (torch.randn(1, 3),))
    check(function, [Call((torch.randn(3),), {}), Call((torch.randn(1, 3),), {})])


def test_constant_inputs() -> None:
    function = Function(nn.Linear(3, 2), (torch.randn(1, 3),))
    check(function, [function.inputs] * 3)


def test_many_outputs_are_combined() -> None:
    function = Function(nn.Linear(3, 2), (torch.randn(400, 3),))
    theta = function.random_point(rng())
    rows = Rows(function, lambda _: function.inputs, rng())
    rows.prepare(theta)
    block = rows.block(theta, 0)
    assert rows.width == 16
    full = function.jacobian(theta)
    assert torch.linalg.matrix_rank(torch.cat([full, block])) == torch.linalg.matrix_rank(block)


def test_not_finite() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return (self.w * x).sqrt()

    function = Function(Root(), (torch.ones(2),))
    theta = function.random_point(rng())
    signs = iter([1.0, 1.0, -1.0, 1.0])
    rows = Rows(function, lambda _: Call((next(signs) * torch.ones(2),), {}), rng())
    rows.prepare(theta)
    with pytest.raises(InputError, match="NaN"):
        rows.block(theta, 0)


def test_products_with_rows_need_no_rows() -> None:
    function = Function(
        nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), (torch.randn(4, 3),)
    )
    theta = function.random_point(rng())
    rows = Rows(function, lambda g: Call((torch.randn(4, 3, generator=g),), {}), rng())
    rows.prepare(theta)
    block = rows.block(theta, 0)
    directions = torch.randn(function.count, 3, generator=rng(1), dtype=torch.float64)
    expected = block @ directions
    assert torch.allclose(rows.along(theta, 0, directions), expected, atol=1e-10) and rows.forward
    assert rows.along(theta, 0, directions[:, :0]).shape == (len(block), 0)


class Backwards(torch.autograd.Function):
    """A function without a forward derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, cotangent: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return cotangent * x.cos()


def test_products_without_forward_derivatives() -> None:
    class Sine(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return Backwards.apply(super().forward(x))

    function = Function(Sine(3, 2), (torch.randn(1, 3),))
    theta = function.random_point(rng())
    rows = Rows(function, lambda g: Call((torch.randn(1, 3, generator=g),), {}), rng())
    rows.prepare(theta)
    block = rows.block(theta, 0)
    directions = torch.randn(function.count, 3, generator=rng(1), dtype=torch.float64)
    assert torch.allclose(rows.along(theta, 0, directions), block @ directions, atol=1e-10)
    assert rows.batched and rows.forward is False


class Tokens(nn.Module):
    """A table, one unit, and a last layer whose bias has many more entries than rows of an input.

    For [n] tokens below 40 logits [n, 120]; 120 + 120·3 + 40·3 + 2·9 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table, self.two = nn.Embedding(40, 3), nn.Linear(3, 3, bias=False)
        self.last = nn.Linear(3, 120)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.two(torch.tanh(self.table(x)))))


def test_every_input_has_combinations_of_its_own() -> None:
    model = Tokens()
    function = Function(model, (torch.arange(4),))
    theta = function.random_point(rng())
    rows = Rows(
        function,
        lambda source: Call((torch.randint(0, 40, (4,), generator=source),), {}),
        rng(1),
    )
    rows.prepare(theta)
    block = rows.block(theta, 0)
    assert rows.batched
    assert 120 > 2 * rows.width  # of the same combinations for all inputs the bias has so much rank
    start = function.flatten(theta).numel() - 120
    assert int(torch.linalg.matrix_rank(block[:, start:])) == 120


@pytest.mark.parametrize(("outputs", "width"), [(2, 2), (4, 4), (10, 5)])
def test_of_few_outputs_none_is_left_out(outputs: int, width: int) -> None:
    """Of more than few, where parameters are many, half are combined."""
    model = nn.Sequential(nn.Linear(30, 50), nn.Tanh(), nn.Linear(50, outputs))
    function = Function(model, (torch.randn(1, 30),))
    assert function.count > module._SMALL
    rows = Rows(function, lambda _: function.inputs, rng())
    rows.prepare(function.random_point(rng()))
    assert rows.width == width
