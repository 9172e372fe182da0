"""A false field that was planted among what was found does not stand, wherever points are drawn."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.analysis.found import Trials
from symfind.discovery.family import FoundFamily
from symfind.discovery.generators import Discovered, Term
from symfind.discovery.monomials import Monomial, Source
from symfind.session.session import Session


class Units(nn.Module):
    """Two layers with a bend between them; what comes in may be shifted so that no unit lives."""

    def __init__(self, bend, bias: float = 0.0) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)
        self.bend, self.bias = bend, bias

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.bend(self.a(x) + self.bias))


class Normed(Units):
    """A norm whose eps is below what double precision shows."""

    def __init__(self) -> None:
        super().__init__(torch.sin)
        self.norm = nn.LayerNorm(4, eps=1e-13, elementwise_affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.norm(self.a(x)))


def field(name: str, *terms: Term) -> Discovered:
    return Discovered(name, "", True, 0.0, terms)


def shift(name: str, size: int) -> Term:
    block = Monomial(name, "a", (), "a", (size,), "{}")
    return Term(name, "{}", (size,), {str(i): str(i + 1) for i in range(size)}, block)


def rows(name: str, shape: tuple[int, int], power: int) -> Term:
    """Scale the first row of a matrix (the first column, for the power -1)."""
    letters = "ab" if power == 1 else "ba"
    factors = ((Source(name), letters),)
    block = Monomial(name, letters, factors, "a", (shape[0],), "diag({})")
    return Term(name, "diag({})", (shape[0],), {"0": str(power)}, block)


def trials(model: nn.Module) -> Trials:
    session: Session = symfind.open(model, torch.randn(16, 3))
    return Trials(session.subject, session.subject.function())


SCALE = field("scale", rows("a.weight", (4, 3), 1), rows("b.weight", (4, 2), -1),
              replace(rows("a.bias", (4, 1), 1), monomial=Monomial(
                  "a.bias", "a", ((Source("a.bias"), "a"),), "a", (4,), "diag({})")))  # fmt: skip


def test_what_is_true_stands() -> None:
    torch.manual_seed(0)
    tried = trials(Units(torch.relu)).standing([FoundFamily("f", (SCALE,))])
    assert [one.family.id for one in tried] == ["f"]
    assert 0.0 <= tried[0].residual.infinitesimal < 1e-9 and tried[0].residual.random > 1e-3


@pytest.mark.parametrize("bend", [torch.sin, torch.tanh, torch.nn.functional.relu6])
def test_what_is_false_falls(bend) -> None:
    torch.manual_seed(0)
    assert not trials(Units(bend)).standing([FoundFamily("f", (SCALE,))])


def test_the_true_part_of_a_kind_is_kept() -> None:
    torch.manual_seed(0)
    bad = field("shift", shift("b.bias", 2))
    (one,) = trials(Units(torch.relu)).standing([FoundFamily("f", (bad, SCALE))])
    assert one.family.fields == (SCALE,)


@pytest.mark.parametrize("bend", [
    torch.relu, lambda z: (z > 0).double(), torch.floor, lambda z: z.clamp(0, 2),
    lambda z: torch.where(z > 1e3, z, torch.zeros_like(z)),
])  # fmt: skip
@pytest.mark.parametrize("bias", [0.0, -30.0])
def test_a_dead_or_constant_stretch_deceives_nobody(bend, bias: float) -> None:
    """Where derivatives are zero, or all units dead, far flows show what a shift does."""
    torch.manual_seed(0)
    found = trials(Units(bend, bias))
    theta = found.points[0]
    # a poor point: hardly anything is awake there
    found.points[0] = {**theta, "a.bias": theta["a.bias"] - 3.0}
    moved = field("shift", shift("a.bias", 4))
    assert not found.standing([FoundFamily("f", (moved,))])


def test_where_all_points_are_dead_it_takes_a_long_way() -> None:
    torch.manual_seed(0)
    found = trials(Units(torch.relu))
    found.wider = []  # whose larger values would wake units up by themselves
    theta = found.points[0]
    reach = max(float(one.args[0].norm(dim=1).max()) for one in found.inputs)
    low = -1.5 * reach * theta["a.weight"].norm(dim=1)
    found.points = [{**theta, "a.bias": low}] * 3
    moved = field("shift", shift("a.bias", 4))
    assert not found.standing([FoundFamily("f", (moved,))])


def test_an_eps_that_nobody_sees_shows_where_what_moves_is_small() -> None:
    torch.manual_seed(0)
    whole = Monomial("a.weight", "ab", ((Source("a.weight"), "ab"),), "", (), "{}")
    bias = Monomial("a.bias", "a", ((Source("a.bias"), "a"),), "", (), "{}")
    scale = field("scale", Term("a.weight", "{}", (), {"": "1"}, whole),
                  Term("a.bias", "{}", (), {"": "1"}, bias))  # fmt: skip
    assert not trials(Normed()).standing([FoundFamily("f", (scale,))])


def test_a_flow_is_followed_once_for_all_times() -> None:
    theta = {"a.weight": torch.randn(4, 3, dtype=torch.float64)}
    theta["a.bias"] = torch.randn(4, dtype=torch.float64)
    one, times = torch.ones(1, dtype=torch.float64), [0.1 * (i + 1) for i in range(10)]
    scaled = field("scale", rows("a.weight", (4, 3), 1)).along(theta, one, times)
    for t, there in zip(times, scaled, strict=True):
        expected = theta["a.weight"].clone()
        expected[0] *= torch.tensor(t, dtype=torch.float64).exp()
        torch.testing.assert_close(there["a.weight"], expected, rtol=1e-6, atol=0.0)
    moved = field("shift", shift("a.bias", 4)).along(theta, one, times)
    for t, there in zip(times, moved, strict=True):
        assert torch.equal(there["a.bias"], theta["a.bias"] + t * torch.arange(1.0, 5.0).double())


class Sine(Units):
    """What comes out is a sine, which is nothing but rounding where parameters are large."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(super().forward(x))


def test_what_rounding_hides_far_out_stands() -> None:
    torch.manual_seed(0)
    tried = trials(Sine(torch.relu)).standing([FoundFamily("f", (SCALE,))])
    assert [one.family.id for one in tried] == ["f"]


@pytest.mark.parametrize("bound", [300.0, 1e6, 1e20])
def test_a_bound_far_out_shows(bound: float) -> None:
    torch.manual_seed(0)
    model = Units(lambda z: z.clamp(0, bound))
    assert not trials(model).standing([FoundFamily("f", (SCALE,))])


class Bounded(nn.Module):
    """A weight beside its own transpose, between bounds: skew changes do nothing within them."""

    def __init__(self, change) -> None:
        super().__init__()
        self.v, self.change = nn.Parameter(torch.randn(3, 3)), change

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.change(self.v) + self.v.T)


@pytest.mark.parametrize("change", [
    lambda v: v.clamp(-100, 100), lambda v: v.clamp(-1e20, 1e20), lambda v: v.where(v > -1e12, 0.0),
], ids=["near", "far", "threshold"])  # fmt: skip
def test_what_is_discovered_holds_far_out(change) -> None:
    torch.manual_seed(0)
    model, x = Bounded(change), torch.randn(12, 3)
    report = symfind.analyze(model, x, formula=False)
    assert report.dimension.redundant == 0 and report.certificate.unexplained == 3
    assert not symfind.discover(model, x).generators


class Mean(nn.Module):
    """What is alike for all that a norm sees is taken off, and far out takes the rest with it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 6), nn.Linear(6, 2)
        self.place = nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x).unsqueeze(-2) + self.place.unsqueeze(-1)
        return self.b(nn.functional.layer_norm(h, (6,)))


def test_what_drowns_the_rest_far_out_stands() -> None:
    torch.manual_seed(0)
    moved = field("shift", shift("place", 5))
    assert trials(Mean()).standing([FoundFamily("f", (moved,))])


class Chosen(nn.Module):
    """Entries of a weight, or zeros below a threshold that all scales of another keep away from."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.u, self.v = nn.Parameter(torch.randn(2, 2)), nn.Parameter(torch.randn(2, 2))
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, torch.where(self.u > self.threshold, self.v, 0.0))


@pytest.mark.parametrize("threshold", [-1e6, -1e12])
def test_scales_lead_to_either_side_of_a_threshold(threshold: float) -> None:
    torch.manual_seed(0)
    report = symfind.analyze(Chosen(threshold), torch.randn(9, 2), formula=False)
    assert report.dimension.redundant == 0 and not report.is_complete
