"""Entries zero or one for every direction, behind norms of any kind and beside any other group."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.orbit.checkpoint import read_checkpoint
from symfind.orbit.frames import framed
from symfind.orbit.pins import left_unpinned, pin
from symfind.orbit.pivots import Pivots
from symfind.orbit.steps import Flow, Turn
from symfind.orbit.triangles import same_added, triangle
from symfind.orbit.walk import Walk
from tests.ground_truth.layers import Attention, GatedMLP, RMSNorm
from tests.orbit.models import GPT, tokens


class Encoder(nn.Module):
    """The encoder of the library, norms before or behind the sums."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.enter(x)))


class Rotary(nn.Module):
    """Grouped queries whose pairs turn, their norms before or without."""

    def __init__(self, rope: bool, qk_norm: bool) -> None:
        super().__init__()
        self.token, self.norm = nn.Embedding(11, 8), RMSNorm(8)
        self.attention = Attention(8, 4, 4, 2, rope=rope, qk_norm=qk_norm, length=6)
        self.last, self.head = RMSNorm(8), nn.Linear(8, 11, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.token(x)
        return self.head(self.last(x + self.attention(self.norm(x))))


def gated() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), GatedMLP(6, 9, nn.SiLU()), nn.Linear(6, 3))


KINDS = {
    "post-norm": (lambda: Encoder(False).eval(), lambda: torch.randn(3, 4, 5), 428),
    "pre-norm": (lambda: Encoder(True).eval(), lambda: torch.randn(3, 4, 5), 481),
    "gated": (gated, lambda: torch.randn(9, 4), 102),
    "rotary": (lambda: Rotary(True, False), lambda: tokens(11), None),
    "rotary-norms": (lambda: Rotary(True, True), lambda: tokens(11), None),
    "norms": (lambda: Rotary(False, True), lambda: tokens(11), None),
}


def drawn(model: nn.Module) -> dict[str, Tensor]:
    """Weights at which nothing is special."""
    rng = torch.Generator().manual_seed(0)
    state = dict(model.state_dict())
    for name, value in model.named_parameters():
        state[name] = value.detach() + 0.3 * torch.randn(value.shape, generator=rng)
    return state


@pytest.mark.parametrize("name", KINDS)
def test_every_direction_is_held_by_a_zero_or_a_one(name: str) -> None:
    torch.manual_seed(0)
    build, inputs, redundant = KINDS[name]
    model, x = build(), inputs()
    found = symfind.fix(model, drawn(model), x, "pins")
    proof = found.proof
    assert proof.pinned == proof.frozen == proof.redundant
    assert redundant in (None, proof.redundant)
    assert proof.nullity - proof.redundant == proof.unexplained
    assert not proof.unpinned and found.residual < 1e-9 and proof.transverse > 1e-3
    entries = torch.cat([found.weights[n][m] for n, m in found.frozen.items()]).abs()
    assert float(torch.minimum(entries, (entries - 1).abs()).max()) < 1e-6


def test_a_rotation_that_keeps_the_mean_makes_a_triangle_modulo_the_ones(subject_of) -> None:
    s = subject_of("gpt")
    (site,) = (t for t in s.group.bonds.values() if t.family.type == "stabiliser")
    r = triangle(Walk(s.group, s.state), site.id, site.family, Pivots())
    n = len(r)
    ones, eye = torch.ones(n).double(), torch.eye(n).double()
    assert torch.allclose(r @ r.T, eye, atol=1e-12) and torch.allclose(r @ ones, ones, atol=1e-12)
    env = s.group.environment(Turn(site.id, r)(s.group, s.state) | {
        k: v for k, v in s.state.items() if k not in site.family.names
    })  # fmt: skip
    turned = torch.cat([framed(env, site.family, m) for m in site.family.members], 1)
    apart = (turned - turned[:1]).abs() < 1e-9  # zeros once the first entry is
    assert int(apart[1:].sum()) >= (n - 1) * (n - 2) // 2


def test_one_and_the_same_added_to_all_stays_invertible() -> None:
    """e₁ᵀ(1 + 1 κᵀ) = 0 on every column would be singular."""
    torch.manual_seed(0)
    model = Encoder(True).eval()
    group = symfind.open(model, torch.randn(3, 4, 5)).group
    state = read_checkpoint(model, drawn(model)).state
    (site,) = (t for t in group.bonds.values() if t.family.type == "columns")
    matrix = same_added(Walk(group, state), site.id, site.family, Pivots())
    added = matrix - torch.eye(8).double()
    assert torch.allclose(added, added[:1].expand(8, 8), atol=1e-12)
    assert abs(float(torch.linalg.det(matrix))) > 1e-3


def test_through_a_pole_nothing_leads() -> None:
    """A shift in front of a map without a bias is taken up by its mean, which cannot be zero."""
    torch.manual_seed(0)
    model = GPT()
    group = symfind.open(model, tokens()).group
    walk = Walk(group, read_checkpoint(model, drawn(model)).state)
    (name,) = (n for n in group.translations if n == "model:norm.bias-head")
    value = walk.state["norm.bias"]
    before = dict(walk.state)
    assert not walk.lead(Flow(name, -value - 0.5 * value.mean().sign()))
    assert not walk.steps and all(torch.equal(walk.state[n], before[n]) for n in before)
    there = torch.zeros_like(value)
    there[0] = value.mean().sign()
    assert walk.lead(Flow(name, there - value))
    assert torch.allclose(walk.state["norm.bias"], there, atol=1e-9)


def test_directions_that_no_zero_or_one_holds_are_named(subject_of) -> None:
    s = subject_of("linear")
    left = left_unpinned(s.group, s.state)  # where nothing is pinned yet
    assert sum(left.values()) == int(torch.linalg.matrix_rank(s.group.directions(s.state)))
    walk = Walk(s.group, s.state)
    pin(walk)
    assert not left_unpinned(s.group, walk.state)


class Queried(nn.Module):
    """Learned queries, which are the same for all inputs: what reads them is taken by a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 3, batch_first=True, kdim=4, vdim=4)
        self.query, self.head = nn.Parameter(torch.randn(1, 2, 6)), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        query = self.query.expand(x.shape[0], -1, -1)
        return self.head(self.attention(query, x, x, need_weights=False)[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_translation_has_set_to_zero_is_not_scaled_to_one(seed: int) -> None:
    torch.manual_seed(seed)
    model, x = Queried(), torch.randn(3, 5, 4)
    found = symfind.fix(model, model.state_dict(), x, "pins")
    proof = found.proof
    assert max(float(v.abs().max()) for v in found.weights.values()) < 100.0
    assert proof.pinned == proof.frozen == proof.redundant == proof.nullity == 120
    assert proof.unexplained == 0 and not proof.unpinned


def test_a_scale_that_makes_weights_grow_out_of_proportion_is_not_taken() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    weights = drawn(model)
    small = {n: v.clone() for n, v in weights.items()}
    small["0.weight"][1] *= 1e-7  # its bias would be 1e7 beside it
    group, x = symfind.open(model, torch.randn(7, 4)).group, torch.randn(7, 4)
    (site,) = group.scales
    for state in (weights, small):
        found = symfind.fix(model, state, x, "pins")
        assert found.proof.redundant == 3 and found.residual < 1e-12
        assert found.proof.pinned == 3 and not found.proof.unpinned  # by another entry
        assert max(float(v.abs().max()) for v in found.weights.values()) < 1e3
    walk = Walk(group, read_checkpoint(model, small).state)
    before = dict(walk.state)
    walk.ceiling = 1e4
    assert not walk.lead(Flow(site, torch.tensor([0.0, 16.0, 0.0]).double()))
    assert not walk.steps and all(torch.equal(walk.state[n], before[n]) for n in before)
    assert walk.lead(Flow(site, torch.tensor([0.0, 1.0, 0.0]).double()))


def test_flows_that_end_at_a_pole_are_bounded_and_told() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Linear(3, 6), nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True), nn.Linear(6, 2)
    )
    x = torch.randn(2, 4, 3)
    state = {k: v.double() + 0.3 * torch.randn(v.shape) for k, v in model.state_dict().items()}
    group = symfind.open(model, x).group
    told: list[str] = []
    walk = Walk(group, state)
    walk.tell = told.append
    pin(walk)
    assert walk.effort > -5_000  # one flow beyond what all may ask for
    assert "pins: sweep 1 of at most 6" in told and "pins: what is left" in told
    assert walk.largest() < 1e3


def test_what_bends_is_not_followed_without_an_effort() -> None:
    torch.manual_seed(0)
    model = GPT()
    group = symfind.open(model, tokens()).group
    walk = Walk(group, read_checkpoint(model, drawn(model)).state)
    value, before = walk.state["norm.bias"], dict(walk.state)
    there = torch.zeros_like(value)
    there[0] = value.mean().sign()
    step = Flow("model:norm.bias-head", there - value)
    walk.effort = 0
    assert not walk.lead(step)
    assert not walk.steps and all(torch.equal(walk.state[n], before[n]) for n in before)
    walk.effort = 10_000
    assert walk.lead(step) and 0 < walk.effort < 10_000
