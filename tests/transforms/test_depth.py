"""Unrolled ODEs: the time-dependent change of basis of their layers, derived and measured."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.analysis.derived import Derived
from symfind.verify import measure_nullity


class Unrolled(nn.Module):
    """x ← x + dt (V act(W x) + A x), `depth` times, between an encoder and a decoder."""

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        depth: int,
        linear: bool = False,
        shared: bool = False,
        act: Callable[[Tensor], Tensor] = torch.tanh,
        ends: bool = True,
    ) -> None:
        super().__init__()
        inputs, n, hidden, outputs = sizes
        self.encoder = nn.Linear(inputs, n, bias=False) if ends else nn.Identity()
        self.decoder = nn.Linear(n, outputs, bias=False) if ends else nn.Identity()
        layers = 1 if shared else depth

        def maps(inner: int, outer: int, wanted: bool) -> nn.ModuleList:
            count = layers if wanted else 0
            return nn.ModuleList(nn.Linear(inner, outer, bias=False) for _ in range(count))

        self.w, self.v = maps(n, hidden, hidden > 0), maps(hidden, n, hidden > 0)
        self.a = maps(n, n, linear)
        self.depth, self.layers, self.act = depth, layers, act

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        for step in range(self.depth):
            at, change = step % self.layers, torch.zeros_like(x)
            if len(self.w):
                change = change + self.v[at](self.act(self.w[at](x)))
            if len(self.a):
                change = change + self.a[at](x)
            x = x + 0.5 * change
        return self.decoder(x)


def linear(sizes: tuple[int, int, int, int], depth: int, **options) -> Unrolled:
    return Unrolled(sizes, depth, linear=True, **options)


# parameters and nullity
DEPTHS = [
    ("no linear term", Unrolled((3, 2, 3, 4), 1), 26, 4),
    ("depth 3", Unrolled((3, 2, 3, 4), 3), 50, 4),
    ("depth 3, shared", Unrolled((3, 2, 3, 4), 3, shared=True), 26, 4),
    ("ReLU", Unrolled((3, 2, 3, 4), 2, act=torch.relu), 38, 10),
    ("ReLU, shared", Unrolled((3, 2, 3, 4), 2, act=torch.relu, shared=True), 26, 7),
    ("linear, depth 1", linear((3, 2, 3, 4), 1), 30, 8),
    ("linear, depth 2", linear((3, 2, 3, 4), 2), 46, 12),
    ("linear, depth 3", linear((3, 2, 3, 4), 3), 62, 16),
    ("linear, shared", linear((3, 2, 3, 4), 3, shared=True), 30, 4),
    ("linear, wider", linear((4, 3, 2, 4), 2), 66, 27),
    ("no ends", linear((2, 2, 3, 2), 3, ends=False), 48, 8),
    ("no ends, wider", linear((3, 3, 4, 3), 2, ends=False), 66, 9),
    ("linear alone", linear((3, 3, 0, 3), 3, ends=False), 27, 18),
    ("linear alone, shared", linear((3, 3, 0, 3), 3, ends=False, shared=True), 9, 0),
    ("no ends, ReLU", linear((2, 2, 3, 2), 4, ends=False, act=torch.relu), 64, 24),
]


@pytest.mark.parametrize(
    ("model", "parameters", "nullity"),
    [pytest.param(*case, id=name) for name, *case in DEPTHS],
)
def test_the_gauge_of_an_unrolled_equation(model: Unrolled, parameters: int, nullity: int) -> None:
    first = model.encoder.in_features if isinstance(model.encoder, nn.Linear) else (
        (list(model.w) or list(model.a))[0].in_features
    )  # fmt: skip
    session = symfind.open(model, torch.randn(3, first))
    function = session.subject.function()
    assert function.count == parameters
    measured = measure_nullity(function, session.subject.fresh(), seed=0)
    assert measured.nullity == nullity
    assert Derived(session.counted).redundant == nullity
