"""What the count means at a checkpoint: the Fisher matrix, the same in every gauge."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.steps import Flow
from tests.command import command
from tests.ground_truth.layers import Attention, GatedMLP, RMSNorm
from tests.orbit.models import mlp, weight_normed


def data(classes: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(90, 4, generator=rng), torch.randint(classes, (90,), generator=rng)


def network() -> tuple[nn.Module, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = mlp(4, 6, 3)
    return model, {n: v.double() for n, v in model.state_dict().items()}


def test_scales_change_the_determinant_and_not_the_corrected_one() -> None:
    model, weights = network()
    group = symfind.open(model, data()[0], output="softmax").group
    (site,) = group.scales
    logs = torch.linspace(-0.9, 1.4, 6, dtype=torch.float64)
    image = Element(group, (Flow(site, logs),)).apply(weights)
    one, two = (symfind.dims(model, w, [data()]) for w in (weights, image))
    assert (one.parameters, one.effective, one.rank, one.flat) == (51, 38, 38, 0)
    assert abs(one.found.here.log_pdet - two.found.here.log_pdet) > 1.0
    assert one.corrected == pytest.approx(two.corrected, abs=1e-10)
    assert one.description_length == pytest.approx(two.description_length, abs=1e-10)
    # the formula itself: what writes a unit has 4 + 1 entries, what reads it 3; a scale of a unit
    # also scales how much its column may gain in every class, which softmax does not see
    det, ad = float((logs * (4 + 1 - 3)).sum()), -float(logs.sum())
    moved = two.found.here.corrected + 2 * det - 2 * ad
    assert moved == pytest.approx(one.found.here.corrected, abs=1e-9)


def test_the_matrix_is_that_of_the_predictions() -> None:
    model, weights = network()
    x, y = data()
    found = symfind.dims(model, weights, [(x[:50], y[:50]), (x[50:], y[50:])])
    point = torch.cat([v.reshape(-1) for v in weights.values()])

    def logits(flat: Tensor, i: int) -> Tensor:
        parts = flat.split([v.numel() for v in weights.values()])
        w = [p.view(v.shape) for p, v in zip(parts, weights.values(), strict=True)]
        return (x[i].double() @ w[0].T + w[1]).relu() @ w[2].T + w[3]

    total = torch.zeros(51, 51, dtype=torch.float64)
    for i in range(90):
        jacobian = torch.autograd.functional.jacobian(lambda t, i=i: logits(t, i), point)
        p = logits(point, i).softmax(-1)
        total += jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian / 90
    values = torch.linalg.eigvalsh(total).flip(0)[:38]
    assert torch.allclose(values, found.found.here.spectrum, rtol=1e-8)
    assert found.found.samples == 90 and found.found.outputs == "categorical"
    length = 38 / 2 * math.log(90 / (2 * math.pi)) + found.corrected / 2
    assert found.description_length == pytest.approx(length)
    assert found.learning_coefficient == 19


def test_gauge_directions_read_zero_and_sites_have_invariant_scores() -> None:
    torch.manual_seed(0)
    model = Attention(4, 2, 4, rope=True)
    rng = torch.Generator().manual_seed(0)
    batch = tuple(torch.randn(12, 5, 4, generator=rng) for _ in range(2))
    found = symfind.dims(model, model.state_dict(), [batch]).found
    assert found.here.null < 1e-20 < found.random
    assert found.outputs == "gaussian"
    shapes = {(s.element, tuple(s.values.shape)) for s in found.scores}
    # two heads of two rotary pairs each, and two heads whose values meet a projection
    assert shapes == {("scale of a pair", (2, 2)), ("turn of a pair", (2, 2)), ("identity", (2,))}
    assert all(float(s.values.min()) > 1e-6 for s in found.scores)
    assert found.change < 1e-10
    assert found.reference.corrected == pytest.approx(found.again.corrected, abs=1e-9)
    assert abs(found.here.log_pdet - found.image.log_pdet) > 1e-2


def test_without_symmetry_nothing_is_corrected() -> None:
    torch.manual_seed(0)
    model, x = mlp(4, 3, 2, activation=nn.Tanh), data()[0]
    found = symfind.dims(model, model.state_dict(), [(x, torch.randn(90, 2))])
    assert found.effective == found.parameters == found.rank == 23
    assert found.corrected == pytest.approx(found.found.here.log_pdet, abs=1e-9)
    assert found.found.overlap is None and not found.found.scores


def test_a_loss_of_its_own_counts_by_its_curvature() -> None:
    model, weights = network()
    x, y = data()
    usual = symfind.dims(model, weights, [(x, y)], output="softmax")
    own = symfind.dims(
        model,
        weights,
        [(x, y)],
        output="softmax",
        loss=lambda z, t: nn.functional.cross_entropy(z, t),
    )
    assert own.found.outputs == "curvature"
    assert own.corrected == pytest.approx(usual.corrected, abs=1e-8)
    with pytest.raises(InputError, match="not convex"):
        symfind.dims(model, weights, [(x, y)], loss=lambda z, t: -z.square().mean())


SOURCE = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
example_inputs = torch.randn(6, 4)
batches = [(torch.randn(60, 4), torch.randint(3, (60,)))]
nothing = []
narrow = [(torch.randn(9, 3), torch.randint(3, (9,)))]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SOURCE)
    torch.manual_seed(1)
    torch.save(mlp(4, 5, 3).state_dict(), tmp_path / "w.pt")
    return tmp_path


def test_the_command_prints_and_writes(folder: Path) -> None:
    run = command("dims", "net.py", "--weights", "w.pt", "--data", "net.py:batches")
    done = run()
    assert done.exit_code == 0, done.output
    for words in ("effective directions", "corrected", "nats", "upper bound", "score of"):
        assert words in done.stdout
    done = run("--format", "json")
    data = json.loads(done.stdout)
    assert data["schema"] == "symfind.dims.checkpoint/1"
    assert data["effective"] == data["fisher"]["rank"] == 43 - 5 - 6
    gauge = data["fisher"]["gauge"]
    assert gauge["corrected"] == pytest.approx(data["fisher"]["corrected"], abs=1e-9)
    assert data["sensitivity"]["gauge"] < 1e-20
    assert run("--json", "out.json").exit_code == 0
    assert json.loads(Path("out.json").read_text()) == data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "w.pt"), "give both --weights and --data"),
        (("--data", "net.py:batches"), "give both --weights and --data"),
        (("--weights", "w.pt", "--data", "net.py:nothing"), "no data"),
        (("--weights", "w.pt", "--data", "net.py:other"), "has no 'other'"),
        (("--weights", "w.pt", "--data", "net.py:narrow"), "fails on the data"),
        (("--weights", "no.pt", "--data", "net.py:batches"), "no such file"),
        (("--weights", "nan.pt", "--data", "net.py:batches"), "NaN or infinite"),
        (("--weights", "w.pt", "--data", "net.py:batches", "--format", "csv"), "no CSV"),
    ],
)
def test_it_refuses_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    bad = mlp(4, 5, 3).state_dict()
    bad["0.bias"][0] = float("nan")
    torch.save(bad, "nan.pt")
    done = command("dims", "net.py", "--json", "out.json")(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not Path("out.json").exists()


class Stream(nn.Module):
    """A residual stream behind norms, that nothing but its norms sees."""

    def __init__(self, norm: type[nn.Module]) -> None:
        super().__init__()
        self.enter, self.norm1, self.up = nn.Linear(4, 4), norm(4), nn.Linear(4, 5)
        self.down, self.norm2, self.head = nn.Linear(5, 4), norm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(x)
        y = y + self.down(self.up(self.norm1(y)).tanh())
        return self.head(self.norm2(y))


GAUGED = {
    "scales": lambda: mlp(4, 6, 5, 3),
    "gl": lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
    "gated": lambda: GatedMLP(4, 5, nn.SiLU()),
    "rotation": lambda: Stream(RMSNorm),
    "rotation-ones": lambda: Stream(nn.LayerNorm),
    "weight-norm": weight_normed,
}


@pytest.mark.parametrize("name", GAUGED)
def test_only_the_corrected_determinant_is_the_same_in_every_gauge(name: str) -> None:
    torch.manual_seed(0)
    model, (x, y) = GAUGED[name](), data()
    weights = {n: v + 0.3 * torch.randn_like(v) for n, v in model.state_dict().items()}
    weights = {n: v.double() for n, v in weights.items()}
    group = symfind.open(model, x, output="softmax").group
    rng = torch.Generator().manual_seed(1)
    image = Element.random(group, weights, rng, 0.7, list(group.sites)).apply(weights)
    one, two = (symfind.dims(model, w, [(x, y)]) for w in (weights, image))
    assert abs(one.found.here.log_pdet - two.found.here.log_pdet) > 0.1
    assert one.corrected == pytest.approx(two.corrected, abs=1e-8)
    assert one.rank == two.rank and one.effective == two.effective
