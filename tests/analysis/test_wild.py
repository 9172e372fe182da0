"""What was met in models of the zoos, each as a small module that shows the same."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import symfind
from symfind.analysis.certification import _Certification
from symfind.analysis.derived import Derived
from symfind.trace import execute, trace
from symfind.verify import measure_nullity


class Positions(nn.Module):
    """Tokens of a grid behind one of their own, with positions for all of them in parts."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv1d(2, 3, 1)
        self.token, self.own = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
        self.rows, self.columns = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4, 3))
        self.norm, self.head = nn.LayerNorm(3, eps=0.1), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), 1, -1), x], 1)
        grid = self.rows.repeat_interleave(4, 0) + self.columns.expand(2, -1, -1).reshape(8, 3)
        x = x + torch.cat([self.own[None], grid])
        return self.head(self.norm(x).tanh())


def test_what_moves_a_piece_does_not_move_the_whole_alike() -> None:
    report = symfind.analyze(Positions(), torch.randn(1, 2, 8))
    assert report.certificate.status == "complete" and report.verification.status == "verified"
    # token against its position 3, rows against columns 3, bias against both 3; then what the norm
    # does not see: the mean of the token 1, of the patches' weight 2, of what the grid holds 5
    assert report.dimension.redundant == report.certificate.nullity == 17


@pytest.mark.parametrize("eps", [1e-2, 1e-12])
def test_what_an_eps_breaks_is_not_counted_however_small_it_is(eps: float) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5, eps=eps), nn.Linear(5, 4))
    report = symfind.analyze(model, torch.randn(9, 6), points="init")
    certificate = report.certificate
    assert (certificate.status, certificate.nullity) == ("complete", 27)
    assert set(certificate.points) == {27} and len(report.approximate) == 1
    assert ("Measured with every eps raised" in certificate.words) == (eps < 1e-3)
    assert certificate.at["generic"] == 27


class Times(nn.Module):
    """Large values: what an eps breaks beside them is less than double precision shows."""

    def forward(self, x: Tensor) -> Tensor:
        return 1e3 * x


def test_what_an_eps_hardly_breaks_is_measured_again() -> None:
    model = nn.Sequential(
        Times(), nn.Linear(4, 4, bias=False), nn.RMSNorm(4, eps=1e-6, elementwise_affine=False),
        nn.Linear(4, 5, bias=False), nn.GELU(), nn.Linear(5, 2, bias=False),
    )  # fmt: skip
    session = symfind.open(model, torch.randn(9, 4))
    found = Derived(session.counted)
    plain, member = (_Certification(found, session.subject, glances) for glances in (0, 1))
    assert plain.judgement().status == member.judgement().status == "complete"
    # at a large model's own eps first; of a small member of a family any point will do
    assert member.raised is not None
    gains = []
    for seed in range(6):  # by how many decades it is seen better
        before, after = (
            measure_nullity(f, session.subject.fresh(), points=1, seed=seed).gap[0]
            for f in (session.subject.function(), member.raised)
        )
        gains.append(after - before)
    assert min(gains) > 0.5 and sum(gains) > 1.5 * len(gains)


class Column(nn.Module):
    """A centred wire with one dimension of size one beside the features, then a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 4)
        self.gain = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)[:, :, None]
        x = (x - x.mean((1, 2), keepdim=True)) * self.gain[:, None]
        return self.last(x.flatten(1).tanh())


def test_a_sum_over_a_dimension_of_size_one_beside_others() -> None:
    report = symfind.analyze(Column(), torch.randn(2, 3))
    assert report.certificate.status == "complete" and report.verification.status == "verified"
    # what is centred does not see a mean (3 weights, 1 bias); one scale against the gain
    assert report.dimension.redundant == 5


class Fields(nn.Module):
    """Columns of integers, each of which counts rows of its own part of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(12, 2), nn.Linear(6, 2)
        self.register_buffer("first", torch.tensor([0, 4, 7]))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.table(x + self.first).flatten(1)))


def test_columns_with_rows_of_their_own_are_tables_of_their_own() -> None:
    places = torch.cartesian_prod(torch.arange(4), torch.arange(3), torch.arange(5))
    report = symfind.analyze(Fields(), places)
    assert report.certificate.status == "complete" and report.verification.status == "verified"
    # each of three tables 2 x 2 and its mean 2
    assert report.dimension.redundant == report.certificate.nullity == 18


# eps --------------------------------------------------------------------------------------
class Between(nn.Module):
    """A function between two linear layers."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.run = nn.Linear(4, 5), nn.Linear(5, 3), run

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.run(self.first(x)))


def test_a_scale_that_no_eps_breaks_is_counted() -> None:
    # whatever eps does to the first norm is a scale, which the second one takes off again
    model = Between(lambda z: F.normalize(F.layer_norm(z, (5,)), dim=-1))
    report = symfind.analyze(model, torch.randn(9, 4))
    assert report.certificate.status == "complete" and not report.approximate
    assert report.dimension.redundant == 15
    (scale,) = [f for f in report.factors if f.kind == "scaling"]
    assert scale.residual is not None and scale.residual.infinitesimal < 1e-12


def test_a_number_beside_a_norm_is_no_symmetry_however_small_it_is() -> None:
    model = Between(lambda z: z / (z.norm(dim=-1, keepdim=True) + 1e-14))
    report = symfind.analyze(model, torch.randn(9, 4))
    assert (report.certificate.status, report.certificate.nullity) == ("complete", 10)


def test_a_row_of_padding_has_derivatives_in_the_recorded_graph() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=0), nn.Linear(3, 2)).double()
    graph = trace(model, (torch.arange(5),), {})
    values = {name: value.detach().clone() for name, value in model.named_parameters()}
    table = values["0.weight"].requires_grad_()
    (value,) = execute(graph, values, [torch.arange(5)])
    (gradient,) = torch.autograd.grad(value.sum(), table)
    assert bool((gradient[0] != 0).all())
