"""Derivative zero is no symmetry where a function jumps."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.verify import Function, verify
from symfind.verify.function import Call
from symfind.verify.jumps import jumping
from tests.verify.examples import Shift


class Gate(nn.Module):
    """A hard gate: of the one map only the signs count, unless it opens by degrees."""

    def __init__(self, opening=lambda z: (z > 0).float()) -> None:
        super().__init__()
        self.g, self.v, self.o = nn.Linear(2, 3), nn.Linear(2, 3), nn.Linear(3, 2)
        self.opening = opening

    def forward(self, x: Tensor) -> Tensor:
        return self.o(torch.tanh(self.v(x)) * self.opening(self.g(x)))


class Rounded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.a(x)
        return self.b(z + (torch.round(z) - z).detach())


def columns(function: Function, *names: str) -> Tensor:
    """A unit vector for every scalar of some tensors."""
    sizes = [torch.Size(shape).numel() for shape in function.shapes.values()]
    chosen = torch.cat([
        torch.full((n,), name in names)
        for n, name in zip(sizes, function.names, strict=True)
    ])  # fmt: skip
    return torch.eye(function.count, dtype=torch.float64)[:, chosen]


@pytest.mark.parametrize(("opening", "jump"), [
    (lambda z: (z > 0).float(), True), (torch.heaviside, True), (torch.round, True),
    (nn.functional.relu6, False), (lambda z: torch.sigmoid(50 * z), False),
])  # fmt: skip
def test_what_jumps_is_told_from_what_is_steep(opening, jump: bool) -> None:
    torch.manual_seed(0)
    if opening is torch.heaviside:
        opening = lambda z: torch.heaviside(z, torch.ones((), dtype=z.dtype))  # noqa: E731
    function = Function(Gate(opening), (torch.randn(32, 2),))
    theta = function.random_point(torch.Generator().manual_seed(0))
    vectors = columns(function, "g.weight", "g.bias", "v.bias")
    found = jumping(function, theta, vectors, [function.inputs], 0)
    assert found[:9] == [jump] * 9 and found[9:] == [False] * 3


@pytest.mark.parametrize("model", [Gate(), Rounded()], ids=["gate", "rounded"])
def test_what_is_piecewise_constant_has_its_own_name(model: nn.Module) -> None:
    report = symfind.analyze(model, torch.randn(16, 2))
    certificate = report.certificate
    assert certificate.status == "incomplete"
    kinds = {one.kind for one in certificate.unexplained_sets}
    assert kinds == {"piecewise"}
    assert "piecewise constant" in certificate.words
    assert "structural" not in certificate.words and "rule is missing" not in certificate.words
    assert not certificate.discovered
    again = symfind.Report.from_dict(report.to_dict())
    assert again.certificate.unexplained_sets == certificate.unexplained_sets


@dataclass(frozen=True)
class _Told(Shift):
    """A false claim that a bias is read by nobody."""

    straight: bool = True


@pytest.mark.parametrize("seed", range(20))
def test_a_false_claim_that_nobody_reads_a_threshold_is_caught(seed: int) -> None:
    torch.manual_seed(seed)
    function = Function(Gate(), (torch.randn(1, 2),))
    rng = torch.Generator().manual_seed(seed)
    more = [Call((3 * torch.randn(8, 2, generator=rng, dtype=torch.float64),), {})
            for _ in range(3)]  # fmt: skip
    outcome = verify(function, [_Told("idle", "g.bias")], rng=rng, more=lambda: more)
    assert outcome.failed == ("idle",)
    assert (outcome.residuals["idle"].finite or 0.0) > 1e-9
