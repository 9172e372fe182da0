"""Models that check, share and index as published code does: right counts, and no refusal."""

import pytest
import torch
from torch import Tensor, nn

import symfind


class Relations(nn.Module):
    """Triples in one integer tensor; coordinates of entities scale against those of relations."""

    def __init__(self) -> None:
        super().__init__()
        self.entities, self.relations = nn.Embedding(6, 3), nn.Embedding(2, 3)

    def forward(self, t: Tensor) -> Tensor:
        return (self.entities(t[:, 0]) * self.relations(t[:, 1]) * self.entities(t[:, 2])).sum(-1)


class SharedNorm(nn.Module):
    """One norm under two names, between a layer and a nonlinearity."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.block = nn.Sequential(nn.Linear(2, 3), self.norm, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Characters(nn.Module):
    """A raw table that few characters index, flattened into a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.w = nn.Parameter(torch.randn(6, 2)), nn.Parameter(torch.randn(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return (self.table[x].flatten(1) @ self.w).tanh()


class Picky(nn.Module):
    """It takes inputs of its own width only, and no large index."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.a = nn.Embedding(9, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor, i: Tensor) -> Tensor:
        assert x.shape[1] == 3, "three features"
        if not torch.compiler.is_compiling() and type(i) is Tensor and int(i.max()) > 3:
            raise ValueError("no such class")
        return torch.relu(self.a(x)) + self.table(i)


class Turned(nn.Module):
    """A complex number times a real wire."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return ((2 - 1j) * self.b(torch.relu(self.a(x)))).imag


CASES = {
    "triples": (Relations(), (torch.tensor([[0, 1, 2], [3, 0, 5]] * 5),), 3),
    "shared": (SharedNorm(), (torch.randn(4, 2),), 6),
    "characters": (Characters(), (torch.tensor([[0, 1], [2, 3], [4, 5]]),), 4),
    "turned": (Turned(), (torch.randn(4, 3),), 2),
}


@pytest.mark.parametrize(("model", "inputs", "redundant"), CASES.values(), ids=CASES.keys())
def test_right_count(model, inputs, redundant):
    report = symfind.analyze(model, inputs)
    assert report.dimension.redundant == redundant
    assert report.certificate.status == "complete"


def test_a_model_that_refuses_what_would_be_drawn_is_measured_on_what_it_takes():
    inputs = (torch.randn(8, 3), torch.arange(8) % 4)
    report = symfind.analyze(Picky(), inputs)
    assert report.certificate.nullity is not None


class Padded(nn.Module):
    """A residual beside a padded convolution: lengths depend on each other in a circle."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(28, 28, 5), nn.Conv1d(28, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(x + torch.tanh(self.a(nn.functional.pad(x, (2, 2)))))


class Timed(nn.Module):
    """A step that no table looks up, on a twin."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rates", torch.logspace(0, -2, 30))
        self.layers = nn.Sequential(nn.Linear(60, 52), nn.SiLU(), nn.Linear(52, 3))

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        angle = step[:, None] * self.rates
        return x * self.layers(torch.cat([angle.cos(), angle.sin()], 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (Padded(), (torch.randn(1, 28, 9),)),
        (Timed(), (torch.randn(2, 3), torch.tensor([900, 4]))),
    ],
    ids=["circle", "step"],
)
def test_twins(model, inputs):
    certificate = symfind.analyze(model, inputs).certificate
    assert (certificate.status, certificate.on, certificate.nullity) == ("complete", "twin", 0)


def test_a_file_that_sets_the_default_device_sets_it_for_itself_only(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\nfrom torch import nn\ntorch.set_default_device('meta')\n"
        "model, example_inputs = nn.Linear(3, 2), torch.randn(4, 3)\n"
    )
    report = symfind.analyze(str(file), formula=False)
    assert report.dimension.parameters == 8 and report.certificate.status == "complete"
    assert torch.get_default_device().type == "cpu"
