"""Canonical forms: entries held for every direction, the least norm, one for an orbit."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import symfind
from symfind.errors import InputError
from symfind.orbit import Element, Group
from symfind.orbit.canonical import canonical
from symfind.orbit.checkpoint import distance
from symfind.orbit.walk import Walk
from tests.orbit.models import CASES, mlp, spectral_normed

FORMS = ("pins", "balanced", "canonical")


def drawn(model: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {n: torch.randn(v.shape, generator=rng) for n, v in model.state_dict().items()}


def representative(group: Group, state: dict[str, torch.Tensor]) -> Walk:
    walk = Walk(group, state)
    canonical(walk)
    return walk


@pytest.mark.parametrize("name", CASES)
def test_a_random_image_has_the_same_representative(name, subject_of) -> None:
    s = subject_of(name)
    one, two = representative(s.group, s.state), representative(s.group, s.image)
    assert distance(s.state, s.image, list(s.group.shapes)) > 0.3
    assert distance(one.state, two.state, list(s.group.shapes)) < 1e-8
    assert not one.notes


def test_scales_that_turn_with_the_weights_have_one_balance() -> None:
    torch.manual_seed(0)
    model, x = spectral_normed().eval().double(), torch.randn(7, 4).double()
    state = {n: v.detach().clone() for n, v in model.state_dict().items()}
    group = symfind.open(model, x).group
    assert group.lifted_scales and not group.held
    rng = torch.Generator().manual_seed(1)
    image = Element.random(group, state, rng, 0.5).apply(state)
    names = list(group.shapes)
    assert distance(state, image, names) > 0.1
    one, two = representative(group, state), representative(group, image)
    assert distance(one.state, two.state, names) < 1e-8
    # whatever leads along the orbit gains nothing, to first order
    for name in group.lifted_scales:
        fields = group.directions(one.state, [group.sites[name].family])
        point = torch.cat([one.state[n].reshape(-1) for n in names])
        assert float((fields.T @ point).abs().max()) < 1e-6 * float(fields.norm() * point.norm())


@pytest.mark.parametrize(
    ("activation", "nullity"), [(nn.ReLU, 10), (nn.GELU, 0), (nn.Identity, 61)]
)
@pytest.mark.parametrize("form", FORMS)
def test_with_the_mask_no_symmetry_is_left(activation, nullity, form) -> None:
    model = mlp(5, 6, 4, 3, activation=activation)
    found = symfind.fix(model, drawn(model), torch.randn(7, 5), form)
    proof = found.proof
    assert (proof.redundant, proof.frozen, proof.nullity) == (nullity,) * 3
    assert proof.unexplained == 0
    assert sum(int(m.sum()) for m in found.frozen.values()) == nullity
    assert proof.transverse > 1e-3
    assert found.residual < 1e-11
    if form == "pins":
        assert proof.pinned == nullity
    if form == "canonical":
        assert proof.again < 1e-9


@pytest.mark.parametrize(
    ("seed", "sizes", "least"),
    [(0, (5, 3, 4), 16.10500127), (1, (4, 2, 3), 5.92301513), (2, (6, 4, 5), 27.56354204)],
)
def test_the_least_norm_of_a_linear_bond_is_twice_the_nuclear_norm(seed, sizes, least) -> None:
    n, h, m = sizes
    rng = torch.Generator().manual_seed(seed)
    one = torch.randn(h, n, generator=rng, dtype=torch.float64)
    two = torch.randn(m, h, generator=rng, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(n, h, bias=False), nn.Linear(h, m, bias=False))
    weights = {"0.weight": one, "1.weight": two}
    found = symfind.fix(model, weights, torch.randn(7, n), "balanced")
    assert found.proof.norm[1] == pytest.approx(least, abs=1e-7)
    assert least == pytest.approx(2 * float(torch.linalg.svdvals(two @ one).sum()), abs=1e-7)
    grams = [found.weights["0.weight"] @ found.weights["0.weight"].T,
             found.weights["1.weight"].T @ found.weights["1.weight"]]  # fmt: skip
    assert torch.allclose(*grams, atol=1e-10)  # what gradient flow conserves is zero


def test_pins_of_a_normalised_stream(subject_of) -> None:
    s = subject_of("vit")
    found = symfind.fix(s.model, s.state, s.inputs, "pins")
    assert found.proof.frozen == found.proof.redundant == 245
    assert found.proof.unexplained == 0
    assert found.proof.pinned == 245
    assert found.residual < 1e-10
    for norm in ("blocks.0.norm1.weight", "norm.weight"):
        assert torch.allclose(found.weights[norm], torch.ones(8).double(), atol=1e-12)


class LoRA(nn.Module):
    """An adapter of low rank beside the weight that it adapts."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.weight, self.leave = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.a, self.b = nn.Linear(6, 2, bias=False), nn.Linear(2, 6, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x).tanh()
        return self.leave((self.weight(x) + 0.5 * self.b(self.a(x))).tanh())


class Branches(nn.Module):
    """Two convolutions with a batch norm each, and a batch norm alone."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)
        self.wide = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(4, 4, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x).relu()
        paths = zip(self.norms, (self.wide(x), self.narrow(x), x), strict=True)
        return self.head(sum(norm(path) for norm, path in paths).relu().mean((2, 3)))


MERGED = {
    "lora": (LoRA, (9, 4), 24, ("a.weight", "b.weight")),
    "branches": (Branches, (3, 3, 5, 5), 44, ("narrow.weight", "norms.1.weight", "norms.2.weight")),
}


@pytest.mark.parametrize("name", MERGED)
def test_a_parallel_path_is_merged_away(name: str) -> None:
    torch.manual_seed(0)
    build, shape, redundant, zero = MERGED[name]
    model, x = build().eval(), torch.randn(shape)
    found = symfind.fix(model, model.state_dict(), x, "pins")
    assert found.proof.pinned == found.proof.frozen == found.proof.redundant == redundant
    assert found.proof.unexplained == 0 and found.residual < 1e-12
    assert all(float(found.weights[key].abs().max()) < 1e-12 for key in zero)
    assert symfind.fix(model, model.state_dict(), x, "canonical").proof.again < 1e-9


@pytest.mark.parametrize("name", CASES)
def test_as_many_entries_are_zero_or_one_as_are_redundant(name: str, subject_of) -> None:
    s = subject_of(name)
    proof = symfind.fix(s.model, s.state, s.inputs, "pins").proof
    assert proof.frozen == proof.redundant == proof.nullity and proof.unexplained == 0
    assert proof.pinned == proof.redundant and not proof.unpinned


def test_units_that_cannot_be_told_apart_are_noted() -> None:
    model = mlp(4, 3, 2)
    weights = drawn(model)
    weights["0.weight"][1], weights["0.bias"][1] = weights["0.weight"][0], weights["0.bias"][0]
    weights["2.weight"][:, 1] = weights["2.weight"][:, 0]
    found = symfind.fix(model, weights, torch.randn(7, 4))
    assert any("units of equal norm" in note for note in found.notes)


def test_rotations_of_normalised_weights_have_no_form_and_are_noted() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(weight_norm(nn.Linear(4, 2)), weight_norm(nn.Linear(2, 3)))
    found = symfind.fix(model, model.state_dict(), torch.randn(7, 4))
    assert any("rotations of weights that are normalised" in note for note in found.notes)


def test_training_in_the_mask_is_not_moved_by_the_group() -> None:
    model = mlp(5, 6, 4, 3)
    found = symfind.fix(model, drawn(model), torch.randn(7, 5), "pins")
    again = symfind.fix(model, found.weights, torch.randn(7, 5), "pins")
    gap = [float((again.weights[n] - v).abs().max()) for n, v in found.weights.items()]
    assert max(gap) < 1e-5


def test_a_form_that_is_none_is_refused() -> None:
    model = mlp(4, 3, 2)
    with pytest.raises(InputError, match="pins, balanced, canonical"):
        symfind.fix(model, drawn(model), torch.randn(7, 4), "other")


class Scaled(nn.Module):
    """A norm by the root mean square, by hand, between two maps."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 3)
        self.gain = nn.Parameter(torch.ones(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        return self.two(self.gain * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt())


GAINS = {
    "layer": (lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3)), "1.weight"),
    "root": (Scaled, "gain"),
    "batch": (
        lambda: nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)
        ).eval(),
        "1.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", GAINS)
def test_a_gain_of_zero_stays_where_it_is_and_is_named(name: str, form: str) -> None:
    torch.manual_seed(0)
    build, gain = GAINS[name]
    model, x = build(), torch.randn(5, 4)
    weights = {n: v.clone() for n, v in build().state_dict().items()}
    assert not any("dead" in note for note in symfind.fix(model, weights, x, form).notes)
    weights[gain][1] = 0
    found = symfind.fix(model, weights, x, form)
    assert found.residual < 1e-9 and found.proof.nullity >= found.proof.redundant
    assert all(bool(torch.isfinite(v).all()) for v in found.weights.values())
    assert int((found.weights[gain] == 0).sum()) == 1
    assert form == "pins" or any("dead unit 1," in note for note in found.notes)
    if form == "canonical":
        moved = symfind.align(model, model.state_dict(), weights, x)
        assert moved.residual < 1e-9 and any("dead unit 1," in note for note in moved.notes)


@pytest.mark.parametrize(
    ("name", "at"), [("0.weight", (2, slice(None))), ("2.weight", (slice(None), 2))]
)
def test_a_dead_unit_is_named_where_no_scale_of_it_is_least(name: str, at: tuple) -> None:
    model = mlp(4, 6, 3)
    weights = drawn(model)
    assert not symfind.fix(model, weights, torch.randn(7, 4)).notes
    weights[name][at] = 0
    if name == "0.weight":
        weights["0.bias"][2] = 0
    found = symfind.fix(model, weights, torch.randn(7, 4))
    (note,) = found.notes
    assert "dead unit 2," in note and found.residual < 1e-12


@pytest.mark.parametrize(("widths", "held"), [((4, 6, 3), True), ((4, 6, 5, 3), False)])
def test_signs_that_nothing_holds_are_noted_of_one_unit(widths, held) -> None:
    model = mlp(*widths, activation=nn.Tanh)
    weights = drawn(model)
    assert not symfind.fix(model, weights, torch.randn(7, 4)).notes
    weights["0.weight"][2], weights["0.bias"][2] = 0, 0
    found = symfind.fix(model, weights, torch.randn(7, 4))
    if held:  # by what it writes
        assert found.proof.again < 1e-9 and not found.notes
    else:
        assert "signs of units that are zero" in found.notes[0]
