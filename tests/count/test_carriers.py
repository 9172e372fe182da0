import torch
from torch import Tensor, nn

from symfind.count.carriers import carried
from symfind.verify.function import Call, Function
from symfind.verify.nullity import Nullity, measure_nullity
from symfind.verify.sampling import draw_like


class Partial(nn.Module):
    """A bond that hides four directions, a pair that hides one, and one that is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False)
        self.gain, self.other = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        self.unread = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + torch.tanh(self.gain * self.other * x)


def measured() -> tuple[dict[str, int], Nullity]:
    function = Function(Partial(), (torch.randn(1, 3),))
    found = measure_nullity(function, lambda rng: Call(draw_like(function.inputs.args, rng), {}))
    assert found.nullity == 10 and found.theta is not None
    return {name: found.theta[name].numel() for name in function.names}, found


def test_sets_are_minimal() -> None:
    sizes, found = measured()
    assert found.null is not None
    sets = carried(sizes, torch.zeros(found.parameters, 0, dtype=torch.float64), found.null)
    assert {frozenset(s.tensors): s.vectors.shape[1] for s in sets} == {
        frozenset({"first.weight", "second.weight"}): 4,
        frozenset({"gain", "other"}): 1,
        frozenset({"unread"}): 5,
    }
    vectors = torch.cat([s.vectors for s in sets], 1)
    both = torch.cat([found.null, vectors], 1)
    assert torch.linalg.matrix_rank(vectors) == torch.linalg.matrix_rank(both) == 10
    (unread,) = (s for s in sets if s.tensors == ("unread",))
    assert (unread.vectors != 0).sum(0).tolist() == [1] * 5  # as sparse as can be


def test_what_is_known_is_taken_out() -> None:
    sizes, found = measured()
    assert found.null is not None
    basis = torch.linalg.qr(found.null).Q
    rng = torch.Generator().manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(10, 10, generator=rng, dtype=torch.float64)).Q
    names = list(sizes)
    start = sum(sizes[n] for n in names[: names.index("unread")])
    known = torch.zeros(found.parameters, 5, dtype=torch.float64)
    known[start : start + 5] = torch.eye(5, dtype=torch.float64)
    beyond = (basis @ mixing)[:, :5]  # general position: independent of those
    sets = carried(sizes, known, beyond)
    assert sorted(s.vectors.shape[1] for s in sets) == [1, 4]
    assert not {name for s in sets for name in s.tensors} & {"unread"}


def test_support_of_nothing() -> None:
    none = torch.zeros(2, 0, dtype=torch.float64)
    assert carried({"a": 2}, none, none) == ()
