"""Along an orbit the loss stays, and its derivatives follow the inverse transpose."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.given import given_step
from symfind.orbit.objective import Objective
from symfind.orbit.steps import Flow
from symfind.orbit.teleport import teleport
from symfind.orbit.walk import Walk
from tests.orbit.models import mlp


def data() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(40, 4, generator=rng), torch.randint(3, (40,), generator=rng)


def slopes(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    x, y = data()
    leaves = {n: v.double().requires_grad_() for n, v in weights.items()}
    out = torch.func.functional_call(model.double(), leaves, (x.double(),))
    return dict(zip(leaves, torch.autograd.grad(F.cross_entropy(out, y), list(leaves.values())),
                    strict=True))  # fmt: skip


def network() -> nn.Module:
    torch.manual_seed(0)
    return mlp(4, 6, 3)


def test_gradients_follow_the_inverse_transpose() -> None:
    model = network()
    weights = {n: v.double() for n, v in model.state_dict().items()}
    session = symfind.open(model, data()[0])
    (site,) = session.group.scales
    logs = torch.linspace(-0.7, 0.9, 6, dtype=torch.float64)
    image = Element(session.group, (Flow(site, logs),)).apply(weights)
    before, after = slopes(model, weights), slopes(model, image)
    for name in weights:
        ratio = image[name] / weights[name]  # diagonal, so its inverse transpose divides
        assert torch.allclose(after[name], before[name] / ratio, atol=1e-12)


def test_hessians_follow_it_on_both_sides() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3)).double()
    weights = dict(model.state_dict())
    group = symfind.open(model, data()[0].double()).group
    (site,) = group.bonds
    element = Element(group, (given_step(group, site, "random", 1),))
    sizes = [v.numel() for v in weights.values()]

    def named(flat: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = flat.split(sizes)
        return {n: p.view(v.shape) for p, (n, v) in zip(parts, weights.items(), strict=True)}

    def flat(state: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([state[n].reshape(-1) for n in weights])

    def loss(point: torch.Tensor) -> torch.Tensor:
        x, y = data()
        return F.cross_entropy(torch.func.functional_call(model, named(point), (x.double(),)), y)

    g = torch.stack([flat(element.apply(named(e))) for e in torch.eye(sum(sizes)).double()], 1)
    here, back = flat(weights), torch.linalg.inv(g)
    there = g @ here
    assert float((there - here).norm()) > 0.2
    slope = [torch.autograd.functional.jacobian(loss, point) for point in (here, there)]
    curve = [torch.autograd.functional.hessian(loss, point) for point in (here, there)]
    assert torch.allclose(slope[1], back.T @ slope[0], atol=1e-12)
    assert torch.allclose(curve[1], back.T @ curve[0] @ back, atol=1e-11)


def test_the_least_gradient_over_scales_is_known_in_closed_form() -> None:
    model = network()
    weights = {n: v.double() for n, v in model.state_dict().items()}
    g = slopes(model, weights)
    read = g["0.weight"].square().sum(1) + g["0.bias"].square()
    write = g["2.weight"].square().sum(0)
    least = float((2 * (read * write).sqrt()).sum() + g["2.bias"].square().sum())
    found = symfind.teleport(model.float(), weights, "grad-norm", data()[0], data=[data()])
    assert found.after == pytest.approx(least, rel=1e-6)
    assert found.after < found.before and found.residual < 1e-12


@pytest.mark.parametrize("objective", ["sharpness", "trace", "norm"])
def test_every_objective_falls_and_the_function_stays(objective) -> None:
    model = network()
    found = symfind.teleport(
        model, model.state_dict(), objective, data()[0], data=[data()], steps=3
    )
    assert found.after < 0.99 * found.before
    assert found.residual < 1e-12


def test_within_a_radius_it_can_be_raised() -> None:
    model = network()
    found = [symfind.teleport(model, model.state_dict(), "grad-norm", data()[0], data=[data()],
                              steps=3, radius=r, maximise=True) for r in (0.2, 0.8)]  # fmt: skip
    assert found[0].before < found[0].after < found[1].after
    assert found[1].residual < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "grad-norm"}, "give data"),
        ({"objective": "norm", "maximise": True}, "without bound"),
        ({"objective": "other"}, "no objective 'other'"),
        ({"objective": "norm", "radius": -1.0}, "positive"),
    ],
)
def test_what_cannot_be_is_refused(options, message) -> None:
    model = network()
    with pytest.raises(InputError, match=message):
        symfind.teleport(model, model.state_dict(), example_inputs=data()[0], **options)


def test_the_loss_of_a_copy_is_that_of_the_model() -> None:
    model = network()
    objective = Objective.of(model, [data()], dtype=torch.float64)
    x, y = data()
    assert float(objective(model.state_dict())) == pytest.approx(
        float(F.cross_entropy(model(x), y).detach()), rel=1e-6
    )


def test_sharpness_is_the_largest_eigenvalue_and_not_that_of_the_largest_size() -> None:
    class Bowl(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))

        def forward(self, x):
            return (x * self.w.square()).sum(-1)

    model, x = Bowl(), torch.tensor([[-5.0, 1.0, 0.5]], dtype=torch.float64)
    objective = Objective.of(model, [(x, ())], lambda out, y: out.sum(), torch.float64)
    walk = Walk(symfind.open(model, x).group, dict(model.state_dict()))
    before, _ = teleport(walk, "sharpness", objective, steps=0)
    assert before == pytest.approx(2.0, rel=1e-6)  # of 2 x: -10, 2, 1


def test_what_would_raise_the_norm_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(walk: Walk) -> None:
        walk.do(Element.random(walk.group, walk.state, torch.Generator().manual_seed(0)).steps[0])
        walk.state = {n: 3.0 * v for n, v in walk.state.items()}

    monkeypatch.setattr("symfind.orbit.teleport.least_norm", away)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    walk = Walk(symfind.open(model, torch.randn(2, 4)).group, dict(model.state_dict()))
    before, after = teleport(walk, "norm", None, steps=1)
    assert after == before and not walk.steps
