"""Networks written by hand that use what torch has beside layers; judged like the others."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils import parametrizations, parametrize

from tests.fuzz.written import Written, of


class _Symmetric(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return w.triu() + w.triu(1).mT


class _Scaled(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.rand(n, 1) + 0.5)

    def forward(self, w: Tensor) -> Tensor:
        return self.g * w


class _Signed(torch.autograd.Function):
    """x |x|, with a derivative of its own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x.abs()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0].abs() * g


def _made(layer: nn.Module, *by: nn.Module) -> nn.Module:
    for one in by:
        parametrize.register_parametrization(layer, "weight", one)
    return layer


def _lists() -> nn.ModuleList:
    """Two layers in several orders, under several names."""
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    return nn.ModuleList([nn.ModuleList([a, b]), nn.ModuleList([b, a])])


def _nested(m: Any, x: Tensor) -> Tensor:
    for some in m.lists:
        for layer in some:
            x = F.leaky_relu(layer(x), 0.3)
    return x @ m.c.T


def _state_space(m: Any, x: Tensor) -> Tensor:
    """A diagonal state space with complex eigenvalues, as a convolution."""
    a = torch.exp(torch.complex(-m.decay.exp(), m.angle))
    h = torch.zeros(len(x), 2, dtype=a.dtype)
    for t in range(x.shape[1]):
        h = a * h + (x[:, t] @ m.b.T).to(a.dtype)
    return h.real @ m.c.T + h.imag @ m.d.T


def _windows(m: Any, x: Tensor) -> Tensor:
    h = torch.relu(m.w @ F.unfold(x, 2))
    return F.fold(m.v @ h, (4, 4), 2)


def _sparse_attention(m: Any, x: Tensor) -> Tensor:
    seen = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=torch.bool)
    scores = (x @ m.q.T) @ (x @ m.k.T).mT
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ (x @ m.v.T) @ m.o.T


def _momentum(m: Any, x: Tensor) -> Tensor:
    """A query against a key by frozen weights, and against a queue."""
    q = F.normalize(m.net(x), dim=-1)
    k = F.normalize(torch.relu(x @ m.old.T), dim=-1)
    return torch.cat([(q * k).sum(-1, True), q @ m.queue.T], -1)


def _called(m: Any, x: Tensor) -> Tensor:
    weights = {n: w * m.g for n, w in m.net.named_parameters()}
    return functional_call(m.net, weights, (x,))


def _slope(m: Any, x: Tensor) -> Tensor:
    value, along = jvp(lambda y: m.net(y), (x,), (torch.ones_like(x),))
    return torch.cat([value, along], -1)


def _twice(m: Any, x: Tensor) -> Tensor:
    """The second half of an own function is fed back in place."""
    h = x @ m.a.T
    h[:, :2].mul_(2)
    h[:, 2:] += torch.relu(h[:, :2])
    return _Signed.apply(h) @ m.c.T


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))


def _rectified() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))


MODERN: dict[str, Callable[[], Written]] = {
    "state-space": of(_state_space, (3, 3), decay=(2,), angle=(2,), b=(2, 3), c=(2, 2), d=(2, 2)),
    "windows": of(_windows, (1, 4, 4), w=(3, 4), v=(4, 3)),
    "strides": of(lambda m, x: m.a(x.unfold(1, 2, 2).flatten(2)).tanh().amax(1) @ m.c.T, (4, 2),
                   a=lambda: nn.Linear(4, 3), c=(2, 3)),
    "grouped-kernels": of(lambda m, x: m.b(F.leaky_relu(m.a(x), 0.1)), (4, 3, 3),
                           a=lambda: nn.Conv2d(4, 6, 2, groups=2),
                           b=lambda: nn.Conv2d(6, 3, 1, groups=3)),
    "pixel-shuffle": of(lambda m, x: m.b(F.pixel_shuffle(m.a(x), 2).relu()), (1, 2, 2),
                         a=lambda: nn.Conv2d(1, 8, 1), b=lambda: nn.Conv2d(2, 2, 1)),
    "gumbel": of(lambda m, x: F.one_hot((x @ m.a.T).argmax(-1), 4).to(x)
                  * (x @ m.a.T).softmax(-1) @ m.e, a=(4, 3), e=(4, 2)),
    "sparse-attention": of(_sparse_attention, (3, 3), q=(2, 3), k=(2, 3), v=(2, 3), o=(2, 2)),
    "momentum": of(_momentum, net=_rectified, old=lambda: torch.randn(2, 3),
                    queue=lambda: torch.randn(4, 2)),
    "symmetric": of(lambda m, x: F.leaky_relu(m.a(x), 0.2) @ m.c.T, c=(2, 3),
                     a=lambda: _made(nn.Linear(3, 3), _Symmetric())),
    "scaled-twice": of(lambda m, x: m.a(x).relu() @ m.c.T, c=(2, 3),
                        a=lambda: _made(nn.Linear(3, 3), _Scaled(3), _Scaled(3))),
    "weight-norms": of(lambda m, x: m.a(x).relu() @ m.c.T, c=(2, 3),
                        a=lambda: parametrizations.weight_norm(nn.Linear(3, 3))),
    "nested-lists": of(_nested, lists=_lists, c=(2, 3)),
    "own-derivative": of(_twice, a=(4, 3), c=(2, 4)),
    "functional-call": of(_called, net=_rectified, g=(1,)),
    "members": of(lambda m, x: vmap(lambda w, v: torch.relu(x @ w.T) @ v.T)(m.w, m.v).mean(0),
                   w=(2, 3, 3), v=(2, 2, 3)),
    "slope": of(_slope, net=_mlp),
    "gradient": of(lambda m, x: vmap(grad(lambda y: m.net(y).sum()))(x), net=_mlp),
}  # fmt: skip
