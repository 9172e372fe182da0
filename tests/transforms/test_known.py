"""Functions with known symmetries: the algebra, by measurement, with a wide gap."""

import pytest
import torch
from torch import nn

import symfind
from tests.transforms.functions import KNOWN, Known, drawn, form


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: k.name)
def test_the_algebra_is_found(known: Known) -> None:
    found = symfind.inputs(known.function, known.example, rules=False, **known.options)
    assert (found.algebra, found.dimension, found.trivial) == (
        known.algebra, known.dimension, known.trivial,
    )  # fmt: skip
    assert found.status == "found" and found.named == len(found.generators)
    assert found.gap[0] >= -0.6 and found.gap[1] <= -14.0
    assert found.defect < 1e-14
    for generator in found.generators:
        assert generator.moved is not None and generator.moved > 0.3
        assert generator.residual is not None and generator.residual < 1e-9


@pytest.mark.parametrize("affine", [False, True])
def test_a_generic_network_has_none(affine: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
    with torch.no_grad():
        net[0].weight.mul_(4)  # as it is drawn it is all but linear
    found = symfind.inputs(net, torch.randn(3, 4), affine=affine)
    assert (found.dimension, found.algebra, found.status) == (0, "0", "found")
    assert found.gap[0] >= -0.9 and found.gap[1] <= -14.0


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("|x|2 in R4", {"rules": 6}),
        ("form (1,3)", {"discovery": 6}),
        ("|x - y|", {"rules": 3, "discovery": 3}),
        ("Hermitian form", {"measured": 4}),
        ("LayerNorm", {"rules": 1}),
        ("cross ratio", {"measured": 2, "rules": 1}),
    ],
)
def test_every_generator_says_how_it_is_known(name: str, sources: dict[str, int]) -> None:
    known = next(k for k in KNOWN if k.name == name)
    found = symfind.inputs(known.function, known.example, **known.options)
    assert found.sources == sources and found.algebra == known.algebra
    assert [g.source for g in found.generators].count("rules") == sources.get("rules", 0)


def test_a_sum_of_slices_is_partly_derived() -> None:
    def interval(p: torch.Tensor) -> torch.Tensor:
        return p[..., 0] ** 2 - p[..., 1:].square().sum(-1)

    found = symfind.inputs(interval, drawn(4))
    assert found.sources == {"rules": 3, "discovery": 3} and found.algebra == "so(1,3)"


def test_a_batch_is_seen_and_samples_are_no_items() -> None:
    x = drawn(6, 2, 3)
    one = symfind.inputs(lambda x: x.norm(dim=-1), x, rules=False)
    whole = symfind.inputs(lambda x: (x[..., 0, :] * x[..., 1, :]).sum(-1), x, act="whole",
                           rules=False)  # fmt: skip
    assert one.items == 2 and one.algebra == "so(3)"
    assert whole.size == 6 and whole.algebra == "so(3,3)"
    middle = symfind.inputs(lambda x: x.square().sum((-1, -2)), x, act=1, rules=False)
    assert middle.size == 2 and middle.algebra == "so(2)"


def test_several_inputs_move_together_or_some_of_them() -> None:
    def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    both = symfind.inputs(inner, (drawn(3), drawn(3) + 1.0))
    assert both.algebra == "so(3)" and both.items == 2
    one = symfind.inputs(inner, (drawn(3), drawn(3) + 1.0), on=["a"])
    assert one.dimension == 0  # for every b
    assert one.inputs == ("a [3]",)


def test_blind_directions_are_trivial_and_named() -> None:
    found = symfind.inputs(lambda x: x[..., 0] ** 2 + x[..., 1] ** 2, drawn(4), affine=True)
    assert found.algebra == "so(2)" and len(found.generators) == 1
    assert found.blind == ((0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    assert found.trivial == 2 * 5 and found.dimension == 11
    assert found.matrices.shape == (1, 5, 5)


def test_fields_of_degree_two_that_do_not_close_leave_the_affine_ones_named() -> None:
    found = symfind.inputs(form(2, 0), drawn(2), degree=2, rules=False)
    assert found.algebra == "so(2)" and found.named == 1 and len(found.generators) == 3
    assert any("leave their span" in note for note in found.notes)


def test_a_domain_is_respected() -> None:
    found = symfind.inputs(lambda x: (x[0] - x[1].square() - 9.0).sqrt(), torch.tensor([40.0, 1.0]),
                           degree=2, rules=False)  # fmt: skip
    assert found.dimension == 3 and any("not finite" in note for note in found.notes)


def test_a_module_without_parameters_is_a_function() -> None:
    found = symfind.inputs(nn.LayerNorm(4, eps=0.0, elementwise_affine=False), drawn(3, 4),
                           affine=True)  # fmt: skip
    assert (found.dimension, found.trivial, found.algebra) == (6, 5, "R")


def test_an_eps_breaks_what_it_breaks() -> None:
    found = symfind.inputs(nn.LayerNorm(4), drawn(3, 4), affine=True)
    assert (found.dimension, found.trivial, found.algebra) == (5, 5, "0")


def test_the_model_and_the_random_state_are_left_alone() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = torch.random.get_rng_state()
    symfind.inputs(net, torch.zeros(4, 3) + 1.0)
    assert torch.equal(state, torch.random.get_rng_state()) and net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net[0].weight.requires_grad


def test_a_jump_along_a_direction_without_a_gradient_is_seen() -> None:
    def switched(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[..., 0] > 0, 1.0, 0.0) * x[..., 1]

    found = symfind.inputs(switched, drawn(4, 2))
    assert found.status == "undetermined" and "it jumps" in found.reason


def test_many_generators_are_applied_together() -> None:
    found = symfind.inputs(lambda x: x.square().sum(-1), drawn(13))
    assert found.algebra == "so(13)" and found.sources == {"rules": 78}
    assert max(g.residual or 0.0 for g in found.generators) < 1e-12
