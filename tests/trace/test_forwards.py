"""Forward passes that take derivatives, read numbers, or let torch look at values."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symfind.errors import LoadError, TraceError
from symfind.load import resolve
from symfind.trace import trace
from tests.trace.test_trace import check, targets

Forward = Callable[..., Tensor]


class Net(nn.Module):
    """A perceptron whose forward pass is given."""

    def __init__(self, run: Forward) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.gain = nn.Parameter(torch.ones(1))
        self.register_buffer("two", torch.tensor(2.0))
        self.run = run

    def values(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def by_autograd(m: Net, x: Tensor) -> Tensor:
    x = x.requires_grad_(True)
    return torch.autograd.grad(m.values(x).square().sum(), x, create_graph=True)[0]


def by_func(m: Net, x: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.grad(lambda z: m.values(z).square().sum()))(x)


@pytest.mark.parametrize("run", [by_autograd, by_func])
def test_derivatives_that_forward_takes_are_recorded(run: Forward) -> None:
    graph = trace(Net(run), (torch.randn(5, 3),), {})
    assert graph.unread == ["gain"]  # and the weights are read
    assert "aten.tanh_backward.default" in targets(graph)


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m.values(x) * float(m.two.item()),
        lambda m, x: m.values(x) * (3.0 if m.two > 1 else 1.0),
    ],
    ids=["item", "branch"],
)
def test_numbers_of_buffers_are_known(run: Forward) -> None:
    check(Net(run), (torch.randn(5, 3),))


def test_numbers_of_parameters_are_not() -> None:
    with pytest.raises(TraceError, match="a number is read out of a tensor"):
        trace(Net(lambda m, x: m.values(x) * m.gain.item()), (torch.randn(5, 3),), {})


def routed(m: Net, x: Tensor) -> Tensor:
    y = m.first(x)
    rows = torch.where(y[:, 0] > 0)[0]
    return m.last(torch.zeros_like(y).index_add(0, rows, y[rows]))


def test_counts_that_depend_on_data() -> None:
    with pytest.raises(TraceError, match="how many entries there are depends on the values"):
        trace(Net(routed), (torch.randn(5, 3),), {})


def test_masks_of_torchs_own_encoder() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(4, 2, 5, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

        def forward(self, x: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
            return self.encoder(x, mask=mask)

    check(Masked(), (torch.randn(2, 3, 4),))


def test_checks_of_distributions_are_left_out_and_put_back() -> None:
    def run(m: Net, x: Tensor) -> Tensor:
        return torch.distributions.Normal(m.values(x), m.values(x).exp()).log_prob(x[:, :2])

    before = torch.distributions.Distribution._validate_args
    trace(Net(run), (torch.randn(5, 3),), {})
    assert torch.distributions.Distribution._validate_args is before


def test_what_compiles_or_distributes_is_taken_off() -> None:
    inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    for outer in (
        nn.DataParallel(inner),
        torch.compile(inner),
        nn.DataParallel(torch.compile(inner)),
    ):
        assert resolve(outer, torch.randn(2, 3)).model is inner


def test_torchscript_is_refused() -> None:
    inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    for outer in (
        torch.jit.script(copy.deepcopy(inner)),
        torch.jit.trace(inner, torch.randn(2, 3)),
    ):
        with pytest.raises(LoadError, match="TorchScript"):
            resolve(outer, torch.randn(2, 3))
