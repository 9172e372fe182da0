"""What every analysis promises, whatever the model."""

import dataclasses
import json
import random
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import symfind
from symfind.cli import main
from symfind.report import Report


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


class Everything(nn.Module):
    """Modes, hooks, buffers that change, frozen and half-precision parameters, recurrence."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.rnn = nn.LSTM(4, 2, batch_first=True)
        self.last = nn.Linear(2, 3)
        self.calls = 0
        self.cache: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.drop(self.norm(self.first(x)))
        self.cache = x
        x = torch.relu(self.frozen(x)) + torch.rand_like(x) * 0
        return self.last(self.rnn(x[:, None])[0][:, 0])


def state(model: nn.Module) -> dict[str, Any]:
    return {
        "tensors": {k: v.clone() for k, v in model.state_dict().items()},
        "identity": [id(p) for p in model.parameters()],
        "dtypes": [(p.dtype, p.device, p.requires_grad, p.grad) for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "attributes": [sorted(m.__dict__) for m in model.modules()],
        "momentum": [getattr(m, "track_running_stats", None) for m in model.modules()],
    }


@pytest.mark.parametrize("train", [False, True])
def test_the_model_is_left_alone(train: bool) -> None:
    model = Everything().train()
    model.norm.eval()
    seen: list[int] = []
    model.last.register_forward_hook(lambda *_: seen.append(1))
    before = state(model)
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    randomness = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    flags = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
    example = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    kept = example.clone()

    symfind.analyze(model, example, train=train, discovery=train)  # one of both

    after = state(model)
    for name, tensor in before.pop("tensors").items():
        assert torch.equal(tensor, after["tensors"][name]), name
    after.pop("tensors")
    assert before == after
    assert model.calls == 0 and model.cache is None
    assert torch.equal(example, kept)
    assert torch.equal(torch.get_rng_state(), randomness[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == randomness[1:]
    assert flags == (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads())


def test_half_precision_and_meta_models_are_analysed_as_real_ones() -> None:
    plain = symfind.analyze(mlp(6, 5, 4), torch.randn(16, 6))
    half = symfind.analyze(mlp(6, 5, 4).bfloat16(), torch.randn(16, 6))
    with torch.device("meta"):
        empty = mlp(6, 5, 4)
    meta = symfind.analyze(empty, torch.randn(16, 6))
    assert plain.dimension == half.dimension == meta.dimension
    assert half.is_complete and meta.is_complete
    assert all(p.is_meta for p in empty.parameters())


def test_one_seed_one_report() -> None:
    def run(seed: int) -> Report:
        torch.manual_seed(seed + 17)  # the caller's own state must not matter
        example = torch.ones(16, 6)
        return symfind.analyze(mlp(6, 5, 4, 3), example, seed=seed).without_timing()

    assert run(0).to_dict() == run(0).to_dict()
    other = run(1)
    assert other.dimension == run(0).dimension


def test_round_trip() -> None:
    report = symfind.analyze(mlp(6, 5, 4), torch.randn(16, 6))
    data = json.loads(report.to_json())
    assert data["schema"] == "symfind.report/1"
    assert Report.from_dict(data) == report
    assert Report.from_dict(report.to_dict()).to_json() == report.to_json()
    for key in ("certificate", "verification", "dimension", "factors", "timing", "versions"):
        assert key in data


def test_generators_of_a_report_act_on_weights() -> None:
    model = mlp(6, 5, 4)
    report = symfind.analyze(model, torch.randn(16, 6), certify="never")
    theta = {n: p.detach().double() for n, p in model.named_parameters()}
    x = torch.randn(32, 6, dtype=torch.float64)
    expected = torch.func.functional_call(model, theta, x)
    for factor in report.factors:
        for generator in factor.generators:
            c = generator.coefficients(torch.Generator().manual_seed(0))
            moved = {**theta, **generator.flow(theta, c, 0.5)}
            assert max(float((moved[n] - theta[n]).abs().max()) for n in theta) > 1e-2
            torch.testing.assert_close(torch.func.functional_call(model, moved, x), expected)


# a generator that is wrong ----------------------------------------------------------------
def test_a_wrong_generator_is_caught(corrupted: None) -> None:
    session = symfind.open(mlp(6, 5, 4, 6), torch.randn(16, 6))
    report = session.report(discovery=False)
    assert report.verification.status == "failed"
    (lost,) = report.verification.failed
    assert lost.residual.infinitesimal > 1e-3 and lost.total == 5
    assert lost.id not in {f.id for f in report.factors}
    assert report.dimension.symmetry == sum(f.total for f in report.factors) == 4
    assert report.dimension.redundant == 4
    certificate = report.certificate
    assert (certificate.status, certificate.redundant, certificate.nullity) == ("incomplete", 4, 9)
    assert any(name.startswith("0.") for name in certificate.unexplained_support)
    # what the wrong one should have been is discovered, under another name
    found = session.report()
    assert found.verification.failed == report.verification.failed and found.is_complete
    assert [f.total for f in found.factors if f.origin == "discovery"] == [5]
    assert len({f.id for f in (*found.factors, *found.verification.failed)}) == 3


FILE = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 6))
example_inputs = torch.ones(16, 6)
"""


def test_a_wrong_generator_makes_exit_code_1(corrupted: None, tmp_path: Any) -> None:
    path, target = tmp_path / "net.py", tmp_path / "report.json"
    path.write_text(FILE)
    result = CliRunner().invoke(main, ["analyze", str(path), "--json", str(target)])
    assert result.exit_code == 1 and "failed" in result.stdout.lower()
    assert json.loads(target.read_text())["verification"]["status"] == "failed"


# outputs ----------------------------------------------------------------------------------
@dataclasses.dataclass
class Pair:
    one: Tensor
    two: Tensor


Named = namedtuple("Named", ["one", "two"])


class Several(nn.Module):
    """Two heads; the second alone would leave the first one inert."""

    def __init__(self, pack: Any) -> None:
        super().__init__()
        self.trunk, self.one, self.two = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 2)
        self.pack = pack

    def forward(self, x: Tensor) -> Any:
        h = torch.relu(self.trunk(x))
        return self.pack(self.one(h), self.two(h))


PACKS = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "dict": lambda a, b: {"one": a, "two": b},
    "nested": lambda a, b: {"one": (a, [b])},
    "dataclass": Pair,
    "namedtuple": Named,
    "with-integers": lambda a, b: (a, b, b.argmax(-1)),
}


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS.keys())
def test_every_output_counts(pack: Any) -> None:
    report = symfind.analyze(Several(pack), torch.randn(16, 6))
    assert report.dimension.redundant == 5 and report.dimension.inert == 0
    assert report.is_complete
    assert symfind.analyze(Several(lambda a, b: b), torch.randn(16, 6)).dimension.inert == 18


# controls ---------------------------------------------------------------------------------
class Asymmetric(nn.Module):
    """Fixed entries in every row break symmetry (Lim et al. 2024)."""

    def __init__(self, a: int, b: int, fixed: int, way: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(a)
        free = torch.ones(b, a)
        for row in range(b):
            free[row, torch.randperm(a, generator=generator)[:fixed]] = 0.0
        self.way = way
        self.register_buffer("free", free)
        self.register_buffer("held", (1 - free) * torch.randn(b, a, generator=generator))
        self.register_buffer("places", torch.eye(a * b)[:, free.flatten().bool()])
        self.register_buffer("index", free.flatten().nonzero()[:, 0])
        shape = (b, a) if way == "masked" else (int(free.sum()),)
        self.weight, self.bias = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.randn(b))

    def forward(self, x: Tensor) -> Tensor:
        match self.way:
            case "masked":
                weight = self.free * self.weight + self.held
            case "placed":
                weight = (self.places @ self.weight).view_as(self.held) + self.held
            case "scattered":
                weight = self.held.flatten().scatter(0, self.index, self.weight).view_as(self.held)
            case _:
                weight = self.held.clone()
                weight[self.free.bool()] = self.weight
        return nn.functional.linear(x, weight, self.bias)


def asymmetric(activation: type[nn.Module], fixed: int, way: str) -> nn.Module:
    a, b, c = (Asymmetric(n, m, fixed, way) for n, m in ((5, 6), (6, 4), (4, 3)))
    return nn.Sequential(a, activation(), b, activation(), c)


@pytest.mark.parametrize(
    ("activation", "fixed", "way"),
    [(nn.ReLU, 1, "placed"), (nn.ReLU, 2, "masked"), (nn.ReLU, 2, "scattered"),
     (nn.GELU, 2, "placed")],
)  # fmt: skip
def test_asymmetric_networks_have_no_symmetry(activation: Any, fixed: int, way: str) -> None:
    report = symfind.analyze(asymmetric(activation, fixed, way), torch.randn(16, 5))
    # what lies under a fixed entry is never read; that, and nothing else, is the null space
    unread = fixed * (6 + 4 + 3) if way == "masked" else 0
    assert report.dimension.parameters == 79 - (0 if way == "masked" else fixed * (6 + 4 + 3))
    assert report.dimension.symmetry == 0 and report.dimension.inert == unread
    assert report.is_complete and report.certificate.nullity == unread
    assert not report.discrete


@pytest.mark.parametrize("way", ["masked", "placed", "scattered", "chosen"])
@pytest.mark.parametrize("fixed", [1, 2, 3])
def test_fixed_entries_do_not_remove_changes_of_basis(fixed: int, way: str) -> None:
    model, inert = asymmetric(nn.Identity, fixed, way), 13 * fixed * (way == "masked")
    session = symfind.open(model, torch.randn(16, 5))
    # an affine map from 5 to 3 has 18 parameters: all others are redundant
    assert session.counted.redundant - session.counted.inert == 79 - 13 * fixed - 18
    assert session.counted.inert == inert
    if (fixed, way) in ((1, "scattered"), (3, "masked")):
        report = session.report(verify=False)
        assert report.is_complete  # so what is derived is null, and all of it
        assert report.dimension.formula == str(report.dimension.redundant)


def test_units_with_functions_of_their_own_have_no_symmetry() -> None:
    class Mixed(nn.Module):
        def __init__(self, n: int) -> None:
            super().__init__()
            rng = torch.Generator().manual_seed(n)
            self.register_buffer("mix", torch.randn(n, n, generator=rng))

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x @ self.mix.T) * x

    layers = [nn.Linear(5, 6), Mixed(6), nn.Linear(6, 4), Mixed(4), nn.Linear(4, 3)]
    report = symfind.analyze(nn.Sequential(*layers), torch.randn(16, 5))
    assert report.dimension.redundant == report.certificate.nullity == 0
    assert report.is_complete and not report.discrete


class Foreign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(x.unflatten(-1, (2, 2)))


def test_an_operation_without_a_rule_is_rigid_and_named() -> None:
    model = nn.Sequential(mlp(6, 5, 4), Foreign(), nn.Linear(2, 3))
    report = symfind.analyze(model, torch.randn(16, 6))
    (gap,) = report.unsupported
    assert "svd" in gap.op and gap.nodes and gap.effect.startswith("rigid")
    assert report.dimension.redundant <= report.certificate.nullity
    assert report.dimension.redundant >= 5  # the bond in front of it is untouched
    assert report.verification.status == "verified"


@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_running_means_that_happen_to_be_zero_are_means(mean: float) -> None:
    """What moves with a convolution is the same before training as after it."""
    model = nn.Sequential(nn.Conv1d(2, 3, 2, bias=False), nn.BatchNorm1d(3), nn.ReLU())
    model[1].running_mean.fill_(mean)
    report = symfind.analyze(model.eval(), torch.randn(8, 2, 5))
    (factor,) = report.factors
    assert factor.parameters == ("0.weight", "1.weight", "1.bias") and report.is_complete
