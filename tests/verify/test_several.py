"""Values at several points together are those at each."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from symfind.errors import InputError
from symfind.verify import Function
from symfind.verify.rows import Rows
from symfind.verify.several import Several


class Routed(nn.Module):
    """A mixture that takes the best of three experts."""

    def __init__(self, number: int = 3) -> None:
        super().__init__()
        self.router, self.number = nn.Linear(4, 3), number
        self.experts = nn.Parameter(torch.randn(3, 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.router(x)
        gates = F.one_hot(logits.argmax(-1), self.number).to(x.dtype) * logits.softmax(-1)
        return torch.einsum("be,eoi,bi->bo", gates, self.experts, x)


class Chosen(nn.Module):
    """Control flow by a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        return z if float(z.detach().sum()) > 0 else -z


class Root(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.w.sqrt()


def points(function: Function, *held: str) -> list[dict[str, Tensor]]:
    rng = torch.Generator().manual_seed(0)
    first = function.random_point(rng)
    others = [function.random_point(rng) for _ in range(4)]
    return [first, *({**p, **{n: first[n] for n in held}} for p in others)]


@pytest.mark.parametrize(("model", "held", "together"), [
    (Routed(), (), True), (Routed(), ("experts",), True), (Routed(), ("router.weight",), True),
    (nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.Tanh()), (), True),
    (Chosen(), (), False),
])  # fmt: skip
def test_points_together_and_alone(model: nn.Module, held: tuple[str, ...], together: bool) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(5, 2, 4) if isinstance(model, nn.Sequential) else torch.randn(64, 4)
    function = Function(model, (inputs,))
    several, at = Several(function), points(function, *held)
    for _ in range(2):
        found = several(at, function.inputs)
        alone = torch.stack([function(point) for point in at])
        assert torch.allclose(found, alone, rtol=1e-12, atol=1e-12)
        assert several.together == together
    assert not found.requires_grad


def test_what_is_not_finite_is_said() -> None:
    function = Function(Root(), (torch.randn(3, 4),))
    good = {"w": torch.ones(4, dtype=torch.float64)}
    with pytest.raises(InputError, match="NaN"):
        Several(function)([good, {"w": -good["w"]}], function.inputs)


def test_one_hot_vectors_do_not_keep_inputs_apart() -> None:
    function = Function(Routed(), (torch.randn(8, 4),))
    rng = torch.Generator().manual_seed(0)

    def draw(rng: torch.Generator) -> object:
        return function.place(type(function.inputs)((torch.randn(8, 4, generator=rng),), {}))

    rows = Rows(function, draw, rng)
    theta = function.random_point(rng)
    rows.prepare(theta)
    found = rows.block(theta, 0)
    assert rows.batched
    inputs = rows._pool[0].calls
    alone = torch.cat([function.jacobian(theta, one) for one in inputs])
    assert torch.allclose(found, alone, rtol=1e-10, atol=1e-12)
