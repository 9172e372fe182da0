import torch
from torch import Tensor, nn

from symfind.solve.support import unexplained_support
from symfind.verify.function import Call, Function
from symfind.verify.nullity import measure_nullity
from symfind.verify.sampling import draw_like


class Partial(nn.Module):
    """A bond that hides four directions, a parameter of its own and one that is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False)
        self.gain = nn.Parameter(torch.ones(3))
        self.unread = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + torch.tanh(self.gain * x)


def test_support_names_what_carries_the_null_space() -> None:
    function = Function(Partial(), (torch.randn(1, 3),))
    measured = measure_nullity(function, lambda rng: Call(draw_like(function.inputs.args, rng), {}))
    assert measured.nullity == 9
    assert measured.theta is not None and measured.null is not None
    bond = ("first.weight", "second.weight")
    kept = measured.null.clone()
    assert unexplained_support(measured.theta, measured.null, [], ["unread"]) == bond
    assert torch.equal(kept, measured.null)
    found = unexplained_support(measured.theta, measured.null, [])
    assert found == tuple(n for n in function.names if n in (*bond, "unread"))


def test_support_of_nothing() -> None:
    theta = {"a": torch.ones(2, dtype=torch.float64)}
    assert unexplained_support(theta, torch.zeros(2, 0, dtype=torch.float64), []) == ()
