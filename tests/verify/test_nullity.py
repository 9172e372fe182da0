import pytest
import torch
from torch import Tensor, nn

from symfind.verify.function import Call, Function
from symfind.verify.nullity import RowSpace, measure_nullity, spectral_rank
from symfind.verify.sampling import draw_like


def matrix_with(singular: list[float], rows: int = 12) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    n = len(singular)
    left = torch.linalg.qr(torch.randn(rows, n, generator=rng, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64)).Q
    return left @ torch.diag(torch.tensor(singular, dtype=torch.float64)) @ right


@pytest.mark.parametrize(
    ("singular", "rank", "clear"),
    [
        ([1, 0.5, 0.1], 3, True),
        ([1, 0.5, 0], 2, True),
        ([1, 1e-4, 1e-6, 1e-15, 1e-16], 3, True),
        ([1, 1e-3, 1e-8], 3, True),  # small, but far from rounding
        ([1, 1e-7, 1e-9, 1e-11, 1e-13, 1e-15], None, False),
        ([1, 0.1, 3e-14], 2, True),
    ],
)
def test_rank_by_gap(singular: list[float], rank: int | None, clear: bool) -> None:
    spectrum = spectral_rank(matrix_with(singular))
    assert spectrum.clear == clear
    assert rank is None or spectrum.rank == rank


def test_rounding_in_a_null_column_is_not_scaled_up() -> None:
    matrix = torch.randn(9, 4, dtype=torch.float64)
    matrix[:, 2] *= 1e-17
    assert spectral_rank(matrix).rank == 3
    matrix[:, 2] *= 1e12  # a small parameter is still seen
    assert spectral_rank(matrix).rank == 4


def test_row_space_keeps_singular_values() -> None:
    space = RowSpace(6)
    blocks = [torch.randn(4, 6, dtype=torch.float64) for _ in range(7)]
    for block in blocks:
        block[:, 3] = 0
        space.add(block)
    assert space.rows == 28
    factor = space.matrix()
    assert len(factor) <= 6 and not factor[:, 3].any()
    full = torch.linalg.svdvals(torch.cat(blocks))[:5]
    assert torch.allclose(torch.linalg.svdvals(factor)[:5], full)


def test_rare_tokens_are_waited_for() -> None:
    model = nn.Embedding(40, 2)
    function = Function(model, (torch.zeros(1, 3, dtype=torch.long),))
    measured = measure_nullity(
        function, lambda rng: Call(draw_like(function.inputs.args, rng, 40), {})
    )
    assert measured.nullity == 0 and measured.status == "clear"


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


def test_no_trainable_parameters() -> None:
    function = Function(nn.Tanh(), (torch.randn(2),))
    assert measure_nullity(function, lambda rng: function.inputs).nullity == 0
