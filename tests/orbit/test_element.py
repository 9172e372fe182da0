"""Elements leave the function alone, have inverses and products, and can be written down."""

import json

import pytest
import torch

import symfind
from symfind.algebra.integrate import integrate
from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.checkpoint import distance
from symfind.orbit.given import given_step
from symfind.orbit.steps import Flow, Permute, Turn
from tests.orbit.models import CASES


@pytest.mark.parametrize("name", CASES)
def test_a_random_element_moves_the_weights_and_not_the_function(name, subject_of) -> None:
    s = subject_of(name)
    assert distance(s.state, s.image, list(s.group.shapes)) > 0.3
    assert s.element.residual(s.function, s.state) < 1e-12


@pytest.mark.parametrize("name", CASES)
def test_every_site_takes_part_and_holds_alone(name, subject_of) -> None:
    s = subject_of(name)
    moving = {step.site for step in s.element.steps}
    assert set(s.group.spec.perms) | set(s.group.signs) <= moving
    rng = torch.Generator().manual_seed(1)
    for site in [*s.group.sites, *s.group.signs, *s.group.spec.perms][::3]:
        one = Element.random(s.group, s.state, rng, sites=[site])
        assert one.residual(s.function, s.state) < 1e-12, site


@pytest.mark.parametrize("name", CASES)
def test_the_inverse_takes_it_back(name, subject_of) -> None:
    s = subject_of(name)
    back = s.element.inverse().apply(s.image)
    assert max(float((back[n] - s.state[n]).abs().max()) for n in s.state) < 1e-11


def test_a_product_is_one_after_the_other(subject_of) -> None:
    s = subject_of("vit")
    other = Element.random(s.group, s.image, torch.Generator().manual_seed(2))
    product = other.compose(s.element)
    apart, joined = other.apply(s.image), product.apply(s.state)
    assert distance(apart, joined, list(s.group.shapes)) < 1e-13


def test_neighbours_at_one_site_are_joined(subject_of) -> None:
    s = subject_of("vit")
    (site, *_) = s.group.bonds
    (perm, *_) = s.group.spec.perms
    r = given_step(s.group, site, "random", 1)
    p = Permute(perm, torch.tensor([1, 0]))
    one = Element(s.group, (r, p)).compose(Element(s.group, (r.inverse(),)))
    assert [type(step) for step in one.steps] == [Turn, Permute]
    same = torch.eye(8, dtype=torch.float64)
    assert torch.allclose(one.steps[0].matrix, same, atol=1e-14)


@pytest.mark.parametrize("name", ["mlp", "tanh", "gpt"])
def test_what_is_written_is_read_back(name, subject_of) -> None:
    s = subject_of(name)
    data = json.loads(json.dumps(s.element.to_dict()))
    again = Element.from_dict(data, s.group).apply(s.state)
    assert distance(s.image, again, list(s.group.shapes)) < 1e-15


@pytest.mark.parametrize(
    "step",
    [
        {"site": "nowhere", "kind": "flow", "values": [0.0]},
        {"site": "model:0-0.bias-2", "kind": "flow", "values": [0.0]},
        {"site": "model:0-0.bias-2", "kind": "matrix", "values": [[1.0]]},
        {"kind": "flow"},
    ],
)
def test_what_is_no_element_is_refused(step, subject_of) -> None:
    data = {"schema": "symfind.element/1", "steps": [step]}
    with pytest.raises(InputError):
        Element.from_dict(data, subject_of("mlp").group)
    with pytest.raises(InputError, match="schema"):
        Element.from_dict({**data, "schema": "other"}, subject_of("mlp").group)


def test_batch_statistics_move_along(subject_of) -> None:
    s = subject_of("cnn")
    moved = [n for n in s.state if "running" in n and not torch.equal(s.state[n], s.image[n])]
    assert "stem.1.running_mean" in moved and "stem.1.running_var" in moved


def test_given_matrices_are_held_to_their_group(subject_of) -> None:
    s = subject_of("vit-layernorm")
    (stream, *_) = [n for n, b in s.group.bonds.items() if b.family.type == "stabiliser"]
    with pytest.raises(InputError, match="all-ones vector"):
        given_step(s.group, stream, "hadamard")
    with pytest.raises(InputError, match="not orthogonal"):
        given_step(s.group, stream, 2.0 * torch.eye(8))
    step = given_step(s.group, stream, "random")
    assert Element(s.group, (step,)).residual(s.function, s.state) < 1e-12
    swap = torch.eye(8)[[1, 0, 2, 3, 4, 5, 6, 7]]  # orthogonal, of determinant -1
    step = given_step(s.group, stream, swap)
    assert Element(s.group, (step,)).residual(s.function, s.state) < 1e-12


def test_a_hadamard_matrix_turns_the_residual_stream(subject_of) -> None:
    s = subject_of("vit")
    (stream, *_) = s.group.bonds
    step = given_step(s.group, stream, "hadamard")
    assert Element(s.group, (step,)).residual(s.function, s.state) < 1e-12
    scale = next(iter(s.group.scales))
    with pytest.raises(InputError, match="positive scales"):
        given_step(s.group, scale, "hadamard")
    with pytest.raises(InputError, match="not positive"):
        given_step(s.group, scale, -torch.ones(s.group.sites[scale].family.count()))
    assert isinstance(given_step(s.group, scale, "random"), Flow)


def test_rotary_pairs_turn_together() -> None:
    import symfind
    from symfind.orbit.checkpoint import read_checkpoint
    from tests.ground_truth.layers import Attention

    torch.manual_seed(0)
    model = Attention(6, 1, 4, rope=True)
    session = symfind.open(model, torch.randn(2, 5, 6))
    group = session.group
    (site,) = [n for n, b in group.bonds.items() if b.family.type == "complex"]
    state = read_checkpoint(model, model.state_dict()).state
    with pytest.raises(InputError, match="pairs"):
        given_step(group, site, torch.randn(4, 4))
    step = given_step(group, site, "random")
    assert Element(group, (step,)).residual(session.subject.function(), state) < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_a_flow_is_not_followed_beyond_a_pole(seed: int) -> None:
    """Readers without a bias follow that of a norm, unless its gains make it orthogonal to them."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 4, bias=False)
    )
    session = symfind.open(model, torch.randn(6, 3))
    state = {n: v.double() for n, v in model.state_dict().items()}
    gain, bias = 0.5 + torch.rand(5).double(), torch.randn(5).double()
    normal = 1.0 / gain
    bias = bias - (bias @ normal - 1e-3) / (normal @ normal) * normal
    state |= {"1.weight": gain, "1.bias": bias}
    rng = torch.Generator().manual_seed(seed)
    sites = [name for name in session.group.sites if name.startswith("1:") or "1.bias" in name]
    for _ in range(4):
        element = Element.random(session.group, state, rng, sites=sites)
        assert element.residual(session.subject.function(), state) < 1e-8
        image = element.apply(state)
        assert max(float(v.abs().max()) for v in image.values()) < 1e3


def test_closed_flows_lead_where_their_fields_do(subject_of) -> None:
    s = subject_of("weight-normed")
    (site,) = s.group.lifted_scales.values()
    family, rng = site.family, torch.Generator().manual_seed(2)
    assert family.loose and family.closed
    c = torch.randn(family.count(), generator=rng, dtype=torch.float64)
    there = s.group.flow(family, s.state, c)
    start = {n: s.state[n] for n in s.group.shapes}
    followed = integrate(
        lambda theta: s.group.direction(family, {**s.state, **theta}, c), start, 1.0, steps=None
    )
    assert set(there) == set(family.names)
    for name, value in there.items():
        assert torch.allclose(value, followed[name], atol=1e-12), name
    assert distance(s.state, {**s.state, **there}, list(s.group.shapes)) > 0.1
