"""Layers and blocks with features last, as torch.nn offers them and papers publish them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.fuzz.draw import Draw, Shape, Step

ACTIVATIONS: list[Any] = [
    nn.ReLU, nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU,
    nn.Mish, nn.Softplus, nn.Hardswish, nn.Hardtanh, nn.ReLU6, nn.Softsign, nn.Hardsigmoid,
    nn.LogSigmoid, nn.Tanhshrink, nn.Softshrink, nn.Softshrink, nn.PReLU,  # hard shrinking jumps
]  # fmt: skip

EPS = 1e-3  # without one it is that of the arithmetic, too small for a measurement to see


def width(d: Draw) -> int:
    return d.one((4, 4, 5, 6, 8))


def divisor(d: Draw, n: int) -> int:
    return d.one([k for k in (1, 2, 3, 4) if n % k == 0])


def activation(d: Draw) -> nn.Module:
    return d.one(ACTIVATIONS)()


def norm_of(d: Draw, n: int) -> nn.Module:
    norm: nn.Module = d.one([
        lambda: nn.LayerNorm(n), lambda: nn.LayerNorm(n, bias=False), lambda: nn.RMSNorm(n, EPS),
        lambda: nn.LayerNorm(n, elementwise_affine=False),
        lambda: nn.RMSNorm(n, EPS, elementwise_affine=False),
    ])()  # fmt: skip
    centred = isinstance(norm, nn.LayerNorm) and n < 3  # two features less their mean are a sign
    return nn.RMSNorm(n, EPS) if centred else norm


def matrix(d: Draw, n: int, k: int, bias: bool | None = None) -> nn.Module:
    """A linear layer, now and then with its weight made of others."""
    layer = nn.Linear(n, k, bias=d.chance(0.6) if bias is None else bias)
    if d.chance(0.06):
        return parametrizations.weight_norm(layer)
    if d.chance(0.04):
        return parametrizations.spectral_norm(layer)
    return layer


def linear(d: Draw, x: Shape) -> Step:
    layer = matrix(d, x[-1], width(d))
    return Step(lambda m, x: m.f(x), type(layer).__name__, f=layer)


def plain(d: Draw, x: Shape) -> Step:
    f = d.one([lambda: activation(d)] * 3 + [
        lambda: norm_of(d, x[-1]), lambda: nn.PReLU(x[-1]) if len(x) == 1 else nn.PReLU()
    ])()  # fmt: skip
    return Step(lambda m, x: m.f(x), type(f).__name__, f=f)


def glu(d: Draw, x: Shape) -> Step:
    n = width(d)
    return Step(lambda m, x: F.glu(m.f(x), -1), "GLU", f=matrix(d, x[-1], 2 * n))


def bilinear(d: Draw, x: Shape) -> Step:
    """Biaffine: a form in two views of the features."""
    n, j, k = x[-1], d.size(), d.size()
    return Step(lambda m, x: m.f(m.s(m.a(x)), m.t(m.b(x))), "biaffine", a=matrix(d, n, j),
                b=matrix(d, n, k), f=nn.Bilinear(j, k, d.size(), bias=d.chance(0.5)),
                s=activation(d), t=activation(d))  # fmt: skip


def perceptron(d: Draw, x: Shape) -> Step:
    """The second half of a transformer block."""
    n, k, how = x[-1], width(d), d.one(("before", "after", "none", "scaled", "both"))
    parts: dict[str, Any] = {"up": matrix(d, n, k), "f": activation(d), "down": matrix(d, k, n)}
    if how != "none":
        parts["norm"] = norm_of(d, n)
    if how == "both":
        parts["norm2"] = norm_of(d, n)
    if how == "scaled":
        parts["s"] = d.weight(n)

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.norm(x) if how in ("before", "scaled", "both") else x
        h = m.down(m.f(m.up(h)))
        h = m.norm2(h) if how == "both" else h
        y = x + (h * m.s if how == "scaled" else h)
        return m.norm(y) if how == "after" else y

    return Step(run, f"perceptron, norm {how}", **parts)


def gated(d: Draw, x: Shape) -> Step:
    """SwiGLU and its cousins."""
    n, k, skip = x[-1], width(d), d.chance(0.7)
    return Step(lambda m, x: x * skip + m.down(m.f(m.gate(m.norm(x))) * m.up(m.norm(x))),
                "gated perceptron", norm=norm_of(d, n), gate=matrix(d, n, k), up=matrix(d, n, k),
                down=matrix(d, k, n), f=activation(d))  # fmt: skip


def adapted(d: Draw, x: Shape) -> Step:
    n, k, r = x[-1], width(d), d.one((1, 2))
    return Step(lambda m, x: m.w(x) + 0.5 * m.up(m.down(x)), "LoRA", w=matrix(d, n, k),
                down=nn.Linear(n, r, bias=False), up=nn.Linear(r, k, bias=False))  # fmt: skip


def experts(d: Draw, x: Shape) -> Step:
    n, k, count = x[-1], d.size(), d.one((2, 3))
    how, f = d.one(("softmax", "top", "sigmoid", "top normed")), activation(d)
    parts = {f"up{i}": matrix(d, n, k) for i in range(count)}
    parts |= {f"down{i}": matrix(d, k, n) for i in range(count)}

    def run(m: Any, x: Tensor) -> Tensor:
        logits = m.router(x)
        gates = logits.sigmoid() if how == "sigmoid" else logits.softmax(-1)
        if how.startswith("top"):
            best = gates.topk(min(2, count - 1), -1)
            normed = "normed" in how and count > 2  # of one alone nothing would be left
            values = best.values / best.values.sum(-1, True) if normed else best.values
            gates = torch.zeros_like(gates).scatter(-1, best.indices, values)
        each = [getattr(m, f"down{i}")(m.f(getattr(m, f"up{i}")(x))) for i in range(count)]
        return x + sum(gates[..., i : i + 1] * y for i, y in enumerate(each))

    return Step(run, f"experts: {how}", router=matrix(d, n, count), f=f, **parts)


def spline(d: Draw, x: Shape) -> Step:
    """A layer of a Kolmogorov-Arnold network, bumps on a grid instead of splines."""
    n, k, count = x[-1], d.size(), d.one((3, 4))
    base = d.chance(0.6)

    def run(m: Any, x: Tensor) -> Tensor:
        grid = torch.linspace(-2, 2, count, dtype=x.dtype)
        bumps = torch.exp(-((x[..., None] - grid) ** 2))
        y = torch.einsum("...ig,kig->...k", bumps, m.c)
        return y + m.base(F.silu(x)) if base else y

    parts = {"base": nn.Linear(n, k, bias=False)} if base else {}
    return Step(run, "splines", c=d.weight(k, n, count), **parts)


def hyper(d: Draw, x: Shape) -> Step:
    """A network that makes the weights of another."""
    n, k = x[-1], d.size()
    return Step(lambda m, x: torch.einsum("...kn,...n->...k", m.make(x).unflatten(-1, (k, n)),
                                          m.read(x)) + m.b(x),
                "hypernetwork", make=matrix(d, n, n * k), read=matrix(d, n, n),
                b=matrix(d, n, k))  # fmt: skip


def highway(d: Draw, x: Shape) -> Step:
    n = x[-1]

    def run(m: Any, x: Tensor) -> Tensor:
        t = m.gate(x).sigmoid()
        return t * m.f(m.w(x)) + (1 - t) * x

    return Step(run, "highway", gate=matrix(d, n, n), w=matrix(d, n, n), f=activation(d))


def dense(d: Draw, x: Shape) -> Step:
    n, k = x[-1], d.size()
    return Step(lambda m, x: torch.cat([x, m.f(m.w(m.norm(x)))], -1), "dense block",
                norm=norm_of(d, n), w=matrix(d, n, k), f=activation(d))  # fmt: skip


def branches(d: Draw, x: Shape) -> Step:
    n, how = x[-1], d.one(("cat", "split", "mixture", "maximum"))
    k, j = d.size(), d.size()
    parts: dict[str, Any] = {"a": matrix(d, n, k), "b": matrix(d, n, j if how == "cat" else k)}

    def run(m: Any, x: Tensor) -> Tensor:
        if how == "cat":
            return torch.cat([m.f(m.a(x)), m.g(m.b(x))], -1)
        if how == "split":
            one, two = m.c(x).chunk(2, -1)
            return torch.cat([m.f(one), two], -1) if len(x.shape) > 2 else m.f(one) + two
        if how == "maximum":
            return torch.maximum(m.a(x), m.b(x))
        return m.f(m.a(x)) * m.s + m.g(m.b(x)) * (1 - m.s)

    if how == "mixture":
        parts["s"] = d.weight(1)
    if how == "split":
        parts = {"c": matrix(d, n, 2 * k)}
    return Step(run, f"branches: {how}", f=activation(d), g=activation(d), **parts)


def crossing(d: Draw, x: Shape) -> Step:
    """What recommenders cross features with."""
    n, k, how = x[-1], d.size(), d.one(("cross", "low rank", "machine", "vector"))
    runs: dict[str, Any] = {
        "cross": lambda m, x: x * m.w(x) + x,
        "low rank": lambda m, x: x * m.v(m.u(x)) + x,
        "machine": lambda m, x: m.w(x) + 0.5 * ((x @ m.p) ** 2 - x**2 @ m.p**2).sum(-1, True),
        "vector": lambda m, x: x * (x @ m.p[:, 0])[..., None] + m.p[:, 1] + x,
    }  # fmt: skip
    parts: dict[str, Any] = {
        "cross": {"w": matrix(d, n, n)},
        "low rank": {"u": matrix(d, n, k, False), "v": matrix(d, k, n)},
        "machine": {"w": matrix(d, n, k), "p": d.weight(n, 2)},
        "vector": {"p": d.weight(n, 2)},
    }[how]
    return Step(runs[how], f"crossing: {how}", **parts)


def tied(d: Draw, x: Shape) -> Step:
    n, k, how = x[-1], width(d), d.one(("autoencoder", "twice", "cosine"))
    runs: dict[str, Any] = {
        "autoencoder": lambda m, x: m.f(x @ m.w.T + m.b) @ m.w + m.c,
        "twice": lambda m, x: x + m.f(x @ m.w.T + m.b) @ m.u,
        "cosine": lambda m, x: 4 * F.normalize(x, dim=-1) @ F.normalize(m.w, dim=-1).T,
    }  # fmt: skip
    parts = {"w": d.weight(k, n), "b": d.weight(k), "c": d.weight(n), "u": d.weight(k, n)}
    used = {"autoencoder": "wbc", "twice": "wbu", "cosine": "w"}[how]
    if how == "twice":
        once = runs[how]
        runs[how] = lambda m, x: once(m, once(m, x))
    return Step(runs[how], f"tied: {how}", f=activation(d), **{p: parts[p] for p in used})


def modulated(d: Draw, x: Shape, c: Shape) -> Step:
    """FiLM: features scaled and shifted by a condition."""
    n, how = x[-1], d.one(("plain", "normed", "gated"))
    k = 3 * n if how == "gated" else 2 * n

    def run(m: Any, x: Tensor, c: Tensor) -> Tensor:
        shift, scale, *gate = m.make(m.f(c)).chunk(k // n, -1)
        h = m.norm(x) if how != "plain" else x
        h = h * (1 + scale) + shift
        return x + gate[0] * m.w(h) if gate else h

    parts: dict[str, Any] = {"norm": norm_of(d, n)} if how != "plain" else {}
    if how == "gated":
        parts["w"] = matrix(d, n, n)
    return Step(run, f"FiLM {how}", make=matrix(d, c[-1], k), f=d.one((nn.SiLU, nn.Identity))(),
                **parts)  # fmt: skip


def met(d: Draw, x: Shape, y: Shape) -> Step:
    how = d.one(("cat", "cat", "bilinear", "sum", "gate"))
    n = width(d)
    if how == "bilinear":
        return Step(lambda m, x, y: m.f(x, y), "Bilinear of two",
                    f=nn.Bilinear(x[-1], y[-1], d.size()))  # fmt: skip
    if how == "cat":
        return Step(lambda m, x, y: m.f(torch.cat([x, y], -1)), "cat of two",
                    f=matrix(d, x[-1] + y[-1], n))  # fmt: skip
    return Step(lambda m, x, y: x + m.f(y) if how == "sum" else x * m.f(y).sigmoid(),
                f"{how} of two", f=matrix(d, y[-1], x[-1]))  # fmt: skip


FEATURES = [linear, linear, linear, plain, plain, plain, plain, glu, bilinear, perceptron,
            perceptron, perceptron, gated, gated, adapted, experts, spline, hyper, highway, dense,
            branches, crossing, tied]  # fmt: skip
TWO = [modulated, modulated, met]
