"""What is null only because inputs do not reach far is found by no discovery, and not counted."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.verify import Function, measure_nullity


class Written(nn.Module):
    """Weights of some shapes, and a function of them and of inputs."""

    def __init__(self, run, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.run = run
        torch.manual_seed(0)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape)))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def clipped(m: Written, x: Tensor) -> Tensor:
    h = x @ m.a.T
    return h * (30 / h.norm(dim=-1, keepdim=True)).clamp(max=1) @ m.c.T


SQUARE = {"a": (3, 3), "c": (2, 3)}
REAL, TOKENS = torch.Size((8, 3)), torch.Size((8, 10))
FAR = {
    "limits": (lambda m, x: torch.clamp(x @ m.a.T, -100, 100) @ m.c.T, SQUARE, REAL, 0),
    "kink": (lambda m, x: torch.relu(x - 10) @ m.a + x @ m.b, {"a": (3, 2), "b": (3, 2)}, REAL, 0),
    "row": (lambda m, x: m.e[(x[:, 0] > 8).long()].tanh(), {"e": (2, 2)}, REAL, 0),
    "clipping": (clipped, SQUARE, REAL, 3),
    "overflow": (lambda m, x: (x @ m.a.T).exp().clamp(min=1e-6).log() @ m.c.T, SQUARE, REAL, 0),
    "dead": (lambda m, x: torch.relu(x @ m.a.T + 20) @ m.c.T, SQUARE, REAL, 0),
    "alike": (lambda m, x: m.e[(x == x[:, :1]).all(1).long()].tanh(), {"e": (2, 2)}, TOKENS, 0),
}
MISSING = {
    "no number": lambda m, x: torch.where(x.isnan(), m.b, x) @ m.a,
    "no number, compared": lambda m, x: torch.where(x != x, m.b, x.nan_to_num()) @ m.a,
    "infinite": lambda m, x: torch.where(x.isinf(), m.b, x) @ m.a,
    "zero": lambda m, x: torch.where(x == 0, m.b, x) @ m.a,
    "no entry": lambda m, x: torch.where((x == 0).all(1, keepdim=True), m.b, x) @ m.a,
    "a number": lambda m, x: torch.where(x < -900, m.b, x) @ m.a,
    "equal entries": lambda m, x: torch.where(x == x.roll(1, 1), m.b, x) @ m.a,
    "signs": lambda m, x: x @ m.a + m.b[(x.sign() + 1).long()].sum(1, keepdim=True),
}


def example(shape: torch.Size) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(shape) if shape == REAL else torch.randint(0, 8, shape)


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_lies_far_out(name: str, seed: int) -> None:
    run, shapes, shape, redundant = FAR[name]
    report = symfind.analyze(Written(run, **shapes), example(shape), seed=seed)
    assert report.dimension.redundant == redundant
    certificate = report.certificate
    assert certificate.status == "incomplete"
    assert {one.kind for one in certificate.unexplained_sets} == {"inputs"}


@pytest.mark.parametrize("name", MISSING)
def test_what_stands_for_no_value(name: str) -> None:
    """No random number is missing, and what is there instead is a parameter all the same."""
    report = symfind.analyze(Written(MISSING[name], a=(3, 3), b=(3,)), example(REAL))
    assert report.dimension.redundant == 0
    assert report.certificate.status == "incomplete"
    assert {one.kind for one in report.certificate.unexplained_sets} == {"inputs"}


def test_what_nothing_reads_is_free_on_all_inputs() -> None:
    def run(m: Written, x: Tensor) -> Tensor:
        shown = torch.where(x == 0, m.b, x) @ m.a
        return torch.where(x[:, :1] > 900, m.d, shown) + 0 * m.e.cos().round()

    report = symfind.analyze(Written(run, a=(3, 2), b=(3,), d=(2,), e=(2,)), example(REAL))
    assert report.dimension.redundant == 2


def test_kinks_within_reach_are_seen() -> None:
    def run(m: Written, x: Tensor) -> Tensor:
        return torch.relu(x + 1) @ m.a + torch.relu(x - 1) @ m.b

    report = symfind.analyze(Written(run, a=(3, 2), b=(3, 2)), example(REAL))
    assert report.dimension.redundant == 0
    assert report.certificate.status == "complete"


def test_what_is_said_to_be_null_and_is_not_leaves_no_certificate() -> None:
    function = Function(nn.Linear(3, 2), (torch.randn(8, 3),))

    def draw(rng: torch.Generator) -> object:
        return function.place(type(function.inputs)((torch.randn(8, 3, generator=rng),), {}))

    def known(theta: object) -> Tensor:
        return torch.eye(function.count, dtype=torch.float64)[:, :1]

    measured = measure_nullity(function, draw, known=known)
    assert measured.nullity == 0 and measured.status == "undetermined"
    assert "not null" in measured.reason
    assert measure_nullity(function, draw).status == "clear"


@pytest.mark.parametrize("scale", [0.1, 0.3])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_where_all_is_cut_off_an_eps_is_not_seen(scale: float, seed: int) -> None:
    def run(m: Written, x: Tensor) -> Tensor:
        z = scale * x @ m.w.T
        y = z * (z.abs() > m.t.abs()).to(x.dtype)
        return (torch.nn.functional.rms_norm(y, (2,), eps=0.01) * m.g) @ m.o.T

    model = Written(run, w=(2, 3), t=(2,), g=(2,), o=(3, 2))
    report = symfind.analyze(model, example(REAL), certify="never", seed=seed)
    assert not [f for f in report.factors if "w" in f.parameters]
    assert all(f.residual.infinitesimal > 1e-6 for f in report.approximate)
