"""What a random element of everything has moved is found again, exactly."""

import functools
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import symfind
from symfind.cli.align import shown
from symfind.errors import InputError, LoadError
from symfind.load import Inputs
from symfind.orbit import Element
from symfind.orbit.align import align_states
from symfind.orbit.checkpoint import read_checkpoint
from symfind.orbit.element import change
from symfind.orbit.gauge import common_gauge
from symfind.orbit.imitation import beside_segment, like, together
from symfind.orbit.learn import learned
from symfind.orbit.objective import Objective, barrier, between, losses_along
from symfind.orbit.walk import Walk
from symfind.session import acting
from tests.orbit.models import CASES, mlp


@pytest.mark.parametrize("name", CASES)
def test_an_image_is_carried_back(name, subject_of) -> None:
    s = subject_of(name)
    found = align_states(s.group, s.state, s.image)
    vanilla, _, whole = found.ways
    assert vanilla.distance > 0.3
    assert whole.distance < 1e-8
    assert change(s.function, s.state, found.b) < 1e-10
    back = found.of_a.inverse().apply(found.b)
    gap = max(float((back[n] - s.state[n]).abs().max()) for n in s.group.shapes)
    assert gap < 1e-7


def test_token_and_position_tables_exchange_a_constant(subject_of) -> None:
    s = subject_of("gpt")
    found = align_states(s.group, s.state, s.image)
    used = [s.group.sites[t.site] for t in found.of_b.steps if t.site in s.group.sites]
    shared = [site for site in used if site.kind == "parallel"]
    assert any({"token.weight", "position.weight"} <= set(site.family.names) for site in shared)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: v.clone() for n, v in model.state_dict().items()}


def trained(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = mlp(4, 12, 12, 3)
    x, y = data()
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()
    return model


def data() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(120, 4, generator=rng)
    return x, (x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()


def test_barriers_fall_from_nothing_to_permutations_to_the_group_to_learning() -> None:
    one, two = trained(0), trained(1)
    found = symfind.align(
        one, weights(one), weights(two), torch.randn(4, 4), data=[data()], steps=60
    )
    assert [w.name for w in found.ways] == [
        "vanilla", "permutations only", "whole group", "learned",
    ]  # fmt: skip
    vanilla, plain, _, learned = (w.barrier for w in found.ways)
    assert vanilla > 0.05
    assert plain < vanilla and learned < plain
    assert found.residual < 1e-10
    assert found.ways[1].distance < found.ways[0].distance
    assert found.unrest == 0.0 and "not at rest" not in shown(found, "there.pt")
    free = symfind.align(one, weights(one), weights(two), torch.randn(4, 4))  # by distance alone
    assert free.ways[2].distance < free.ways[1].distance < free.ways[0].distance
    assert set(found.b) == set(two.state_dict())
    assert all(v.dtype == torch.float32 for v in found.b.values())


def test_without_data_outputs_of_both_are_imitated() -> None:
    one, two = trained(0), trained(1)
    found = symfind.align(one, weights(one), weights(two), torch.randn(4, 4), steps=60)
    assert found.imitated and [w.name for w in found.ways][-1] == "learned"
    losses = [w.losses for w in found.ways]
    assert all(max(x[0], x[-1]) < 1e-9 for x in losses)  # each end lies on its own segment
    vanilla, _, whole, learned = (w.barrier for w in found.ways)
    assert learned < 0.7 * whole < whole < vanilla
    assert found.residual < 1e-10
    assert "on random inputs" in shown(found, "there.pt")
    given = Objective.of(one, [data()])
    apart = barrier(losses_along(given, weights(one), weights(two)))
    assert barrier(losses_along(given, found.a, found.b)) < 0.3 * apart
    plain = symfind.align(one, weights(one), weights(two), torch.randn(4, 4))
    assert not plain.imitated and plain.barrier is None


def test_distance_from_a_segment() -> None:
    rng = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, 3, 4, generator=rng, dtype=torch.float64)
    ends = torch.stack([one, two])
    for part in (0.0, 0.3, 1.0):
        assert float(beside_segment(one + part * (two - one), ends)) < 1e-30
    beyond = two + 0.5 * (two - one)
    assert float(beside_segment(beyond, ends)) == pytest.approx(
        float((0.5 * (two - one)).square().mean())
    )
    assert float(beside_segment(one + 1.0, torch.stack([one, one]))) == pytest.approx(1.0)


def test_all_real_outputs_are_imitated() -> None:
    y, z = torch.randn(3, 4), torch.randn(3, 2, 2)
    assert together([y, torch.ones(3).long(), z]).shape == (3, 8)
    assert together([y, torch.randn(5)]).shape == (1, 17)
    assert together([torch.tensor(2.0)]).shape == (1, 1)
    with pytest.raises(InputError, match="real numbers"):
        together([torch.ones(3).long(), torch.ones(3, dtype=torch.complex64)])

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(4, 5, 3)

        def forward(self, x):
            return 2 * x, self.net(x)

    one, two = Two(), Two()
    found = symfind.align(one, weights(one), weights(two), torch.randn(4, 4), steps=20)
    vanilla, *_, learned = (w.barrier for w in found.ways)
    assert learned < vanilla
    given = [(torch.randn(4, 4), torch.randn(4, 4))]
    with pytest.raises(InputError, match="does not depend on the weights"):  # the first does not
        symfind.align(one, weights(one), weights(two), given[0][0], data=given, steps=2)
    with pytest.raises(InputError, match="does not depend on the weights"):
        symfind.dims(one, weights(one), given, given[0][0])


def test_losses_that_are_no_numbers() -> None:
    one, two = trained(0), trained(1)
    x, y = data()
    assert barrier([0.0, float("nan"), 1.0]) == float("inf")
    with pytest.raises(InputError, match="are nan and nan"):
        symfind.align(
            one, weights(one), weights(two), x[:4], data=[(x, y)],
            loss=lambda out, y: out.sum() * float("nan"),
        )  # fmt: skip


def test_what_permutations_do_better_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is near in a common gauge may be far in the gauge of the first."""
    one, two = trained(0), trained(1)
    ordinary = acting.way_between

    def far(group, objective, name, first, second):
        way = ordinary(group, objective, name, first, second)
        return replace(way, losses=(0.0, 9.0, 0.0)) if name == "in the gauge of a" else way

    monkeypatch.setattr("symfind.session.acting.way_between", far)
    found = symfind.align(
        one, weights(one), weights(two), torch.randn(4, 4), data=[data()], gauge="own"
    )
    assert found.chosen == "permutations only" and found.barrier == found.ways[1].barrier
    assert "kept         permutations only" in shown(found, "there.pt")
    given = Objective.of(one, [data()])
    assert barrier(losses_along(given, found.a, found.b)) == pytest.approx(found.barrier, abs=1e-4)


def test_random_inputs_are_like_the_example() -> None:
    rng = torch.Generator().manual_seed(0)
    example = Inputs((3.0 + 0.1 * torch.rand(50, 4, generator=rng), torch.arange(6)))
    drawn = like(Inputs((torch.randn(9, 4, dtype=torch.float64), torch.ones(6).long())), example)
    assert drawn.args[0].dtype == torch.float32
    assert float(drawn.args[0].mean()) == pytest.approx(float(example.args[0].mean()), abs=1e-5)
    assert float(drawn.args[0].std()) == pytest.approx(float(example.args[0].std()), rel=0.03)
    assert torch.equal(drawn.args[1], torch.ones(6).long())


def test_what_is_learned_is_not_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = trained(0), trained(1)

    def away(walk, target, *_: object) -> None:
        rng = torch.Generator().manual_seed(0)
        far = Element.random(walk.group, walk.state, rng, size=4.0)
        walk.do(far.steps[0])

    monkeypatch.setattr("symfind.orbit.align.learned", away)
    found = symfind.align(
        one, weights(one), weights(two), torch.randn(4, 4), data=[data()], steps=1
    )
    assert found.ways[3].barrier <= found.ways[2].barrier
    assert found.residual < 1e-10


def test_in_the_gauge_of_a_it_stays_as_it_was() -> None:
    one, two = trained(0), trained(1)
    found = symfind.align(one, weights(one), weights(two), torch.randn(4, 4), gauge="own")
    assert all(torch.equal(found.a[n], v) for n, v in one.state_dict().items())
    two.load_state_dict(found.b)
    again = trained(1)
    x, _ = data()
    assert torch.allclose(two(x), again(x), atol=1e-5)


def test_only_permutations_permutes() -> None:
    one, two = trained(0), trained(1)
    found = symfind.align(one, weights(one), weights(two), torch.randn(4, 4), only="permutations")
    before, after = two.state_dict()["0.weight"], found.b["0.weight"]
    assert {tuple(r) for r in before.tolist()} == {tuple(r) for r in after.tolist()}


def test_a_barrier_is_what_lies_above_the_line() -> None:
    assert barrier([0.0, 2.0, 1.0]) == pytest.approx(1.5)
    assert barrier([1.0, 0.0, 1.0]) == 0.0


def test_bad_checkpoints_get_one_message() -> None:
    model = mlp(4, 5, 3)
    x, good = torch.randn(4, 4), weights(model)
    other = {n: v + 1 for n, v in good.items()}
    nan = {**other, "0.weight": torch.full((5, 4), float("nan"))}
    cases = [
        (good, "the same trained weights", InputError, {}),
        (nan, "0.weight holds numbers that are NaN", InputError, {}),
        ({n: v for n, v in other.items() if n != "0.bias"}, "lacks 0.bias", LoadError, {}),
        ({**other, "0.weight": torch.zeros(4, 4)}, "with shape", LoadError, {}),
        ({n: v.double() for n, v in other.items()}, "save both in one dtype", InputError, {}),
        (other, "there is no data", InputError, {"data": []}),
        (other, "pairs", InputError, {"data": [x]}),
        (other, "none or more", InputError, {"steps": -3}),
        (other, "only is", InputError, {"only": "nonsense"}),
        (other, "gauge is", InputError, {"gauge": "nonsense"}),
        (other, "a loss needs data", InputError, {"loss": lambda out, y: out.mean(), "steps": 2}),
    ]
    for b, message, kind, options in cases:
        with pytest.raises(kind, match=message):
            symfind.align(model, good, b, x, **options)


def test_tied_weights_that_differ_are_refused() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.two.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(x).relu())

    model = Tied()
    a = weights(model)
    b = {n: v + 1 for n, v in a.items()}
    found = symfind.align(model, a, b, torch.randn(3, 4))
    assert torch.equal(found.b["one.weight"], found.b["two.weight"])
    with pytest.raises(InputError, match="one tensor in the model"):
        symfind.align(model, a, {**b, "two.weight": a["two.weight"]}, torch.randn(3, 4))


def test_statistics_in_one_file_only_are_refused(subject_of) -> None:
    s = subject_of("cnn")
    a = weights(s.model)
    b = {n: v + 1 if v.is_floating_point() else v for n, v in a.items()}
    del b["stem.1.running_mean"]
    with pytest.raises(InputError, match="lacks stem.1.running_mean"):
        symfind.align(s.model, a, b, s.inputs)


def batch_normed(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))
    x, y = data()
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(100):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()
    return model.eval()


def test_between_the_ends_batch_statistics_are_estimated_anew() -> None:
    one, two = batch_normed(0), batch_normed(1)
    a, b = read_checkpoint(one, weights(one)).state, read_checkpoint(two, weights(two)).state
    objective = Objective.of(one, [data()], dtype=torch.float64)
    losses = losses_along(objective, a, b)
    x, y = data()
    for part, value in ((0.0, losses[0]), (0.5, losses[5]), (1.0, losses[10])):
        w = between(a, b, part)
        z = x.double() @ w["0.weight"].T + w["0.bias"]
        mean, var = (w["1.running_mean"], w["1.running_var"]) if part != 0.5 else (
            z.mean(0), z.var(0))  # fmt: skip
        z = (z - mean) / (var + 1e-5).sqrt() * w["1.weight"] + w["1.bias"]
        out = z.relu() @ w["3.weight"].T + w["3.bias"]
        assert value == pytest.approx(float(nn.functional.cross_entropy(out, y)), rel=1e-9)
    assert torch.equal(objective.model[1].running_mean, one[1].running_mean.double())
    found = symfind.align(one, weights(one), weights(two), x[:4], data=[data()], steps=20)
    assert found.ways[3].barrier <= found.ways[2].barrier < 0.5 * found.ways[0].barrier


def test_batches_of_one_have_no_statistics() -> None:
    one, two = batch_normed(0), batch_normed(1)
    x, y = data()
    with pytest.raises(InputError, match="the model fails on the data.*more than 1 value"):
        symfind.align(one, weights(one), weights(two), x[:4], data=[(x[:1], y[:1])])


class Latents(nn.Module):
    """Learned latents begin a stream that a centred norm reads."""

    def __init__(self, d: int = 4, n: int = 3) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(n, d))
        self.k, self.v, self.o = nn.Linear(5, d), nn.Linear(5, d), nn.Linear(d, d)
        self.norm, self.q = nn.LayerNorm(d), nn.Linear(d, d)
        self.head = nn.Linear(d, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.latents.expand(x.shape[0], -1, -1)
        scores = self.q(self.norm(z)) @ self.k(x).mT
        z = z + self.o(scores.softmax(-1) @ self.v(x))
        return self.head(z).tanh()


def test_what_is_added_to_all_entries_is_no_rotation(monkeypatch) -> None:
    short = functools.partial(common_gauge, sweeps=3)  # its gauge comes to rest slowly
    monkeypatch.setattr("symfind.orbit.align.common_gauge", short)
    torch.manual_seed(0)
    model, x = Latents(), torch.randn(2, 4, 5)
    group = symfind.open(model, x).group
    (site,) = (n for n, s in group.bonds.items() if s.family.type == "columns")
    a = {n: v.double() for n, v in weights(model).items()}
    b = Element.random(group, a, torch.Generator().manual_seed(0)).apply(a)
    found = symfind.align(model, a, b, x)
    assert found.residual < 1e-10 and found.unrest > 1e-9
    assert json.loads(found.to_json())["gauge"] == {"at_rest": False, "step": found.unrest}
    assert "the common gauge is approximate" in shown(found, "there.pt")
    n = group.sites[site].family.axis.size
    turn = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64)).Q
    with pytest.raises(InputError, match="only 1 \\+ 1 κᵀ acts"):
        symfind.apply(model, a, site, turn, x)
    assert symfind.apply(model, a, site, "random", x).residual < 1e-10


def test_of_two_metrics_the_nearer_point_is_taken() -> None:
    torch.manual_seed(0)
    one, two = trained(0).double(), trained(1).double()
    session = symfind.open(one, torch.randn(3, 4))
    names = list(session.group.shapes)
    a, b = ({n: v for n, v in weights(m).items() if n in names} for m in (one, two))
    with_data = Objective.of(one, [data()], None)
    plain = align_states(session.group, a, b).ways[2]
    chosen = align_states(session.group, a, b, with_data, with_data).ways[2]
    assert plain.distance <= chosen.distance
    assert chosen.barrier <= barrier(
        losses_along(with_data, *(lambda f: (f.a, f.b))(align_states(session.group, a, b)))
    )


class Generated(nn.Module):
    """Weights of a layer that another makes of a code."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.made, self.out = (
            nn.Parameter(torch.randn(2)), nn.Linear(2, 12), nn.Linear(4, 2)
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out((x @ self.made(self.code).view(4, 3).T).relu())


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_led_farther_away(seed: int) -> None:
    """A row that a bond carries no more of than one direction has no least norm to be led to."""
    torch.manual_seed(seed)
    one, two, x = Generated(), Generated(), torch.randn(6, 3)
    found = symfind.align(one, weights(one), weights(two), x, gauge="own")
    vanilla, plain = found.ways[:2]
    assert found.distance <= min(vanilla.distance, plain.distance) + 1e-12
    assert found.residual < 1e-9
    assert symfind.fix(one, weights(one), x).residual < 1e-9


def test_without_a_barrier_nothing_is_learned() -> None:
    """A loss that is lowered below the line rises on other data."""
    one = trained(0)
    group = symfind.open(one, torch.randn(4, 4)).group
    state = read_checkpoint(one, weights(one)).state
    walk = Walk(group, state)
    learned(walk, state, Objective.of(one, [data()], dtype=torch.float64), 5)
    assert all(torch.allclose(walk.state[n], v, atol=1e-12) for n, v in state.items())
