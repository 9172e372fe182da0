"""At points that are drawn, units live: a measurement there is that of the architecture."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

import symfind
from symfind.verify.redraw import redrawn


def deep() -> tuple[nn.Module, torch.Tensor, int]:
    sizes = (2, *[6] * 6, 3)
    layers = [
        m for a, b in zip(sizes, sizes[1:], strict=False) for m in (nn.Linear(a, b), nn.ReLU())
    ]
    return nn.Sequential(*layers[:-1]), torch.randn(8, 2), 36


def depthwise() -> tuple[nn.Module, torch.Tensor, int]:
    n = 10
    first, last = nn.Conv1d(2, n, 1), nn.Conv1d(n, 2, 1)
    middle = nn.Conv1d(n, n, 1, groups=n)
    return nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), last), torch.randn(1, 2, 5), 2 * n


class Multiplied(nn.Module):
    """A weight that is used times a constant does little at the size of its fan-in."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Parameter(torch.randn(4, 3)), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(nn.functional.linear(x, self.first * 0.003)))


def multiplied() -> tuple[nn.Module, torch.Tensor, int]:
    return Multiplied(), torch.randn(4, 3), 0


class Pooled(nn.Module):
    """What a sum over a set hands on is positive and large."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU())
        self.all = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.all(self.each(x).sum(1))


def pooled() -> tuple[nn.Module, torch.Tensor, int]:
    return Pooled(), torch.randn(4, 20, 3), 15


class Routed(nn.Module):
    """What a router reads is nearly the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(3, 6, bias=False)
        self.experts = nn.Parameter(torch.randn(6, 3, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 0.3 * x + 2
        value, index = torch.sigmoid(self.gate(x)).topk(2)
        return (value[..., None] * torch.einsum("bi,bkio->bko", x, self.experts[index])).sum(1)


def routed() -> tuple[nn.Module, torch.Tensor, int]:
    return Routed(), torch.randn(4, 3), 0


@pytest.mark.parametrize("make", [deep, depthwise, multiplied, pooled, routed])
def test_few_points_are_enough(make) -> None:
    torch.manual_seed(0)
    model, inputs, redundant = make()
    certificate = symfind.analyze(model, inputs).certificate
    assert certificate.status == "complete" and certificate.nullity == redundant
    assert len(certificate.points) <= 2


class Explosive(nn.Module):
    """An exponential of what a scale of its own multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.scale = nn.Linear(3, 3), nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(2 * self.net(x) * torch.exp(4 * self.scale))


def test_weights_at_which_a_model_overflows_are_not_drawn() -> None:
    torch.manual_seed(0)
    report = symfind.analyze(Explosive(), torch.randn(4, 3))
    assert report.verification.status == "verified"
    assert report.certificate.nullity == 3


class Spelled(nn.Module):
    """GELU by a hyperbolic tangent: its argument is reached by two ways from the same sums."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 7), nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.first(x)
        return self.last(0.5 * z * (1 + torch.tanh(0.8 * (z + 0.045 * torch.pow(z, 3.0)))))


@pytest.mark.parametrize("seed", range(3))
def test_a_function_that_is_spelled_is_not_driven_far_beyond_its_bend(seed: int) -> None:
    x = torch.randn(20, 6, dtype=torch.float64)
    function = symfind.open(Spelled(), x.float()).subject.function()
    theta = function.random_point(torch.Generator().manual_seed(seed))
    sums = x @ theta["first.weight"].T + theta["first.bias"]
    assert 0.3 < float(sums.square().mean().sqrt()) < 10


class Charted(nn.Module):
    """Sums of entries of a given size, with weights that are a function of parameters."""

    def __init__(self, chart: Callable[[torch.Tensor], torch.Tensor], size: float) -> None:
        super().__init__()
        self.chart, self.size, self.weight = chart, size, nn.Parameter(torch.randn(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.size * x) @ self.chart(self.weight)


@pytest.mark.parametrize(
    ("chart", "size", "reached"),
    [
        (lambda w: w.softmax(0), 0.1, False),  # at most one
        (torch.tanh, 0.1, False),
        (torch.exp, 20.0, False),  # at least one where all is zero
        (lambda w: 0.003 * w, 1.0, True),
        (lambda w: w**3, 0.02, True),
    ],
)
def test_weights_are_not_driven_to_where_they_do_nothing(chart, size: float, reached: bool) -> None:
    model, x = Charted(chart, size), torch.randn(20, 4)
    function = symfind.open(model, x).subject.function()
    theta = function.random_point(torch.Generator().manual_seed(0))
    largest = float(theta["weight"].abs().max())
    if reached:
        assert 0.05 < float((size * x.double() @ chart(theta["weight"])).std()) < 20
    else:
        assert 1e-2 < largest < 10


def test_what_cannot_be_run_by_itself_is_left_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    from symfind.points import run

    def refuse(*given: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(run, "run", refuse)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    report = symfind.analyze(model, torch.randn(16, 3))
    assert report.certificate.status == "complete" and report.certificate.nullity == 4


class Products(nn.Module):
    """Units of products a_i b_j, of which some are alike where all a_i have one sign."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(2, 1)), nn.Parameter(torch.randn(2, 3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(x @ torch.kron(self.a, self.b).T))


class Below(nn.Module):
    """What is never positive is rectified behind a gain, and lives where that is negative."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(3, 3), nn.Linear(3, 2)
        self.gain = nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.first(x).log_softmax(-1) * (1 + self.gain)))


@pytest.mark.parametrize(("make", "nullity"), [(Products, 4), (Below, 7)])
def test_gains_of_either_sign_are_drawn(make, nullity) -> None:
    torch.manual_seed(0)
    model = make()
    report = symfind.analyze(model, torch.randn(8, 3), discovery=False)
    assert report.dimension.redundant <= nullity
    assert report.certificate.nullity == nullity


class Recommender(nn.Module):
    """Units that are off for all partners of one row leave that row free."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(24, 4), nn.Embedding(30, 4)
        self.net = nn.Sequential(
            nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)
        )

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([self.users(user), self.items(item)], -1))


def test_rows_that_only_dead_units_read_are_drawn_anew() -> None:
    torch.manual_seed(0)
    inputs = (torch.randint(24, (32,)), torch.randint(30, (32,)))
    certificate = symfind.analyze(Recommender(), inputs, discovery=False).certificate
    assert certificate.status == "complete" and len(certificate.points) <= 6


def test_only_rows_that_are_free_by_themselves_are_drawn_anew() -> None:
    theta = {"table": torch.ones(4, 2).double(), "w": torch.ones(3).double()}
    fresh = {name: torch.zeros_like(value) for name, value in theta.items()}
    shapes = {name: tuple(value.shape) for name, value in theta.items()}
    null = torch.zeros(11, 2, dtype=torch.float64)
    null[2:4, 0] = 0.5  # within the second row
    null[[0, 8], 1] = 0.5  # across two tensors
    none = null[:, :0]
    changed = redrawn(theta, fresh, none, null, shapes)
    assert changed is not None and torch.equal(changed["w"], theta["w"])
    assert changed["table"].sum(1).tolist() == [2, 0, 2, 2]
    assert redrawn(theta, fresh, null[:, :1], null[:, 1:], shapes) is None
