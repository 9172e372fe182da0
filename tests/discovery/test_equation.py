"""The stacked equation on functions whose symmetries are known, and on those that have none."""

import pytest
import torch
from torch import nn

from symfind.discovery.dictionary import Dress, Shape, tier
from symfind.discovery.equation import independent, solve
from symfind.discovery.gains import dresses
from symfind.discovery.monomials import Monomial
from symfind.discovery.samples import Part, Samples
from symfind.verify import Call, Function, draw_like
from tests.ground_truth.layers import GatedMLP, RMSNorm


def samples_of(model: nn.Module, *shape: int) -> tuple[Part, list[Shape]]:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    function = Function(model, (x,))
    samples = Samples(function, lambda rng: Call(*draw_like(((x,), {}), rng)), 0)
    return samples.part(), [Shape(n, function.shapes[n]) for n in function.names]


def plain(shapes: list[Shape]) -> list[Monomial]:
    return [*tier("own", shapes, {}), *tier("shifts", shapes, {})]


def two_layers(middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4, bias=False), middle, nn.Linear(4, 2, bias=False))


@pytest.mark.parametrize(
    ("middle", "dimension"), [(nn.Identity(), 16), (nn.ReLU(), 4), (nn.Tanh(), 0), (nn.SiLU(), 0)]
)
def test_multiplications_of_a_bond(middle: nn.Module, dimension: int) -> None:
    samples, shapes = samples_of(two_layers(middle), 16, 3)
    solution = solve(independent(plain(shapes), samples), samples)
    assert solution.settled and solution.null.shape[1] == dimension
    assert solution.spectrum.kept - solution.spectrum.dropped > 6


def test_a_tensor_acts_as_a_whole_from_both_sides() -> None:
    samples, shapes = samples_of(two_layers(nn.Tanh()), 16, 3)
    unknowns = independent(plain(shapes), samples)
    # one relation for each of the two matrices: the sum of E_aa from the left and from the right
    assert unknowns.total - unknowns.count == 2 == len(unknowns.relations)
    fresh = unknowns.fields(samples[40], samples.slices)
    assert float((fresh @ unknowns.relations.T).abs().max()) < 1e-12
    assert sorted(unknowns.relations.abs().sum(1).tolist()) == pytest.approx([4 + 2, 4 + 3])


def test_wrong_fields_are_not_taken() -> None:
    """Fields without their counterpart, and fields that are right at no point but one."""
    samples, shapes = samples_of(two_layers(nn.ReLU()), 16, 3)
    one_sided = [b for b in plain(shapes) if b.target == "0.weight"]
    solution = solve(independent(one_sided, samples), samples)
    assert solution.settled and solution.null.shape[1] == 0
    # at any one point a translation does what a scaling does; over several points it does not
    constants = [b for b in plain(shapes) if not b.factors]
    solution = solve(independent(constants, samples), samples)
    assert solution.settled and solution.null.shape[1] == 0


def test_a_part_sees_what_the_whole_sees() -> None:
    whole, _ = samples_of(two_layers(nn.ReLU()), 16, 3)
    part = whole.all.part(["2.weight"])
    assert part.count == 8 and part.slices == {"2.weight": slice(0, 8)}
    seen = whole[3].rows[:, whole.slices["2.weight"]]
    assert torch.allclose(part[3].rows.T @ part[3].rows, seen.T @ seen, atol=1e-12)
    back = part.own(part.placed(torch.arange(8.0)))
    assert torch.equal(back, torch.arange(8.0))


def test_what_no_output_depends_on_is_free_of_it() -> None:
    """A key bias alone: what its derivatives are is rounding, and no equation."""
    part, shapes = samples_of(Blind(), 8, 3)
    part = part.all.part(["unread"])
    unknowns = independent(plain([s for s in shapes if s.name == "unread"]), part)
    assert solve(unknowns, part).null.shape[1] == unknowns.count == 3 * 3 + 3


class Blind(nn.Module):
    """Softmax does not see what is added to all of its entries alike."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(3, 3)
        self.unread = nn.Parameter(torch.randn(3))

    def forward(self, x):
        scores = self.read(x) + (self.unread @ x.T)[:, None]
        return torch.softmax(scores, -1)


def test_gains_are_recognised_by_what_they_do() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5, eps=0.1), nn.Linear(5, 4))
    samples, shapes = samples_of(model, 8, 6)
    assert dresses(shapes, samples) == {
        "1.bias": [Dress("1.weight", 0, 1)],
        "2.weight": [Dress("1.weight", 1, -1)],
    }
    # the same number of parameters in the same shapes, and no gain
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    assert dresses(*reversed(samples_of(model, 8, 6))) == {}
    shared = nn.Sequential(nn.Linear(6, 5), RMSNorm(5), nn.Sequential(nn.Tanh(), nn.Linear(5, 4)))
    assert dresses(*reversed(samples_of(shared, 8, 6))) == {}


def test_a_gain_that_many_read() -> None:
    """The scales of gate, up and down hide the tie of the gain unless they are divided out."""
    model = nn.Sequential(nn.Linear(5, 4, bias=False), RMSNorm(4), GatedMLP(4, 3, nn.ReLU()))
    samples, shapes = samples_of(model, 8, 5)
    tie = [Dress("1.weight", 1, -1)]
    assert dresses(shapes, samples) == {"2.gate.weight": tie, "2.up.weight": tie}
