"""Recurrent layers and cells step by step are those of torch."""

import pytest
import torch
from torch import nn

from symfind.verify import Function
from symfind.verify.batching import Spelled, batching
from symfind.verify.rows import Rows


@pytest.mark.parametrize(("cell", "memory"), [
    (nn.GRUCell(3, 4), False), (nn.LSTMCell(3, 4), True), (nn.RNNCell(3, 4), False),
    (nn.RNNCell(3, 4, nonlinearity="relu"), False), (nn.GRUCell(3, 4, bias=False), False),
])  # fmt: skip
def test_cells(cell: nn.Module, memory: bool) -> None:
    torch.manual_seed(0)
    cell = cell.double()
    x, h, c = (torch.randn(5, n, dtype=torch.float64) for n in (3, 4, 4))
    given = cell(x, (h, c)) if memory else cell(x, h)
    with Spelled():
        found = cell(x, (h, c)) if memory else cell(x, h)
    torch.testing.assert_close(found, given, rtol=1e-12, atol=1e-14)


def layer(kind: type[nn.RNNBase], **given) -> nn.RNNBase:
    torch.manual_seed(0)
    return kind(3, 4, **given).double()


LAYERS = [
    layer(nn.LSTM), layer(nn.LSTM, num_layers=2, bidirectional=True, batch_first=True),
    layer(nn.LSTM, proj_size=2, num_layers=2), layer(nn.LSTM, proj_size=2, bias=False),
    layer(nn.GRU, num_layers=2), layer(nn.GRU, bidirectional=True, bias=False),
    layer(nn.RNN), layer(nn.RNN, nonlinearity="relu", bidirectional=True, batch_first=True),
]  # fmt: skip


@pytest.mark.parametrize("module", LAYERS, ids=lambda m: str(m).replace(" ", ""))
def test_layers(module: nn.RNNBase) -> None:
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    given = module(x)
    with Spelled():
        found = module(x)
    torch.testing.assert_close(found, given, rtol=1e-12, atol=1e-14)
    with batching():
        together = torch.func.vmap(lambda x: module(x)[0])(torch.stack([x, 2 * x, -x]))
    torch.testing.assert_close(together[0], given[0], rtol=1e-12, atol=1e-14)


def test_states_that_are_given() -> None:
    module = layer(nn.GRU, num_layers=2)
    x, h = (torch.randn(*s, dtype=torch.float64) for s in ((5, 2, 3), (2, 2, 4)))
    given = module(x, h)
    with Spelled():
        found = module(x, h)
    torch.testing.assert_close(found, given, rtol=1e-12, atol=1e-14)


def test_sequences_of_several_lengths_are_left_to_torch() -> None:
    module = layer(nn.LSTM)
    packed = nn.utils.rnn.pack_padded_sequence(
        torch.randn(5, 2, 3, dtype=torch.float64), torch.tensor([5, 3])
    )
    given = module(packed)
    with Spelled():
        found = module(packed)
    torch.testing.assert_close(found[0].data, given[0].data)
    torch.testing.assert_close(found[1], given[1])


class Last(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(x)[0][:, -1])


def test_rows_of_many_inputs_at_once() -> None:
    function = Function(Last(layer(nn.GRU, bidirectional=True, batch_first=True)),
                        (torch.randn(4, 5, 3),))  # fmt: skip
    rng = torch.Generator().manual_seed(0)

    def draw(rng: torch.Generator) -> object:
        return function.place(type(function.inputs)((torch.randn(4, 5, 3, generator=rng),), {}))

    rows, theta = Rows(function, draw, rng), function.random_point(rng)
    rows.prepare(theta)
    found = rows.block(theta, 0)
    assert rows.batched
    alone = torch.cat([function.jacobian(theta, one) for one in rows._pool[0].calls])
    torch.testing.assert_close(found, alone, rtol=1e-10, atol=1e-12)
