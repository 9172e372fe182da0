"""Steps along the last dimension: maps, functions, norms, pieces, gates, routes, thresholds."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fuzz.draw import Draw, Run, Shape, Step

FUNCTIONS: dict[str, Any] = {
    "relu": torch.relu, "leaky": lambda x: F.leaky_relu(x, 0.2), "tanh": torch.tanh,
    "gelu": F.gelu, "silu": F.silu, "abs": torch.abs, "square": torch.square,
    "softplus": F.softplus, "sin": torch.sin, "exp": lambda x: torch.exp(0.3 * x),
    "sigmoid": torch.sigmoid, "negative": torch.neg, "elu": F.elu, "relu6": F.relu6,
    "softsign": F.softsign, "hardswish": F.hardswish, "cube": lambda x: 0.2 * x**3,
    "root": lambda x: (x.abs() + 0.1).sqrt(), "log": lambda x: (x.square() + 0.5).log(),
    "clamp": lambda x: x.clamp(-1, 1), "shifted-relu": lambda x: torch.relu(x - 0.5),
    "squared-relu": lambda x: torch.relu(x) ** 2, "double": lambda x: 2 * x + 1,
    "round-trip": lambda x: x.flip(-1), "half": lambda x: 0.5 * x,
}  # fmt: skip


def linear(d: Draw, x: Shape) -> Step:
    n, bias = d.size(), d.chance(0.6)
    w = d.matrix(n, x[-1])

    def run(m: Any, x: Tensor) -> Tensor:
        y = x @ m.w().T
        return y + m.b if bias else y

    return Step(run, f"linear {w.text}", w=w, **({"b": d.weight(n)} if bias else {}))


def function(d: Draw, x: Shape) -> Step:
    name = d.one(FUNCTIONS)
    return Step(lambda m, x: FUNCTIONS[name](x), name)


def _norms(width: int, eps: float) -> dict[str, Any]:
    return {
        "layer": lambda x: F.layer_norm(x, (width,), eps=eps),
        "rms": lambda x: F.rms_norm(x, (width,), eps=eps),
        "unit": lambda x: x / (x.square().sum(-1, keepdim=True) + eps).sqrt(),
        "one-norm": lambda x: x / (x.abs().sum(-1, keepdim=True) + eps),
        "largest": lambda x: x / (x.abs().amax(-1, keepdim=True) + eps),
        "standard": lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps),
        "centred": lambda x: x - x.mean(-1, keepdim=True),
        "below-largest": lambda x: x - x.amax(-1, keepdim=True),
        "softmax": lambda x: x.softmax(-1),
        "log-softmax": lambda x: x.log_softmax(-1),
        "shares": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        "squash": lambda x: x * x.norm(dim=-1, keepdim=True) / (1 + x.square().sum(-1, True)),
    }


def norm(d: Draw, x: Shape) -> Step:
    eps = d.one((1e-9, 1e-2))
    norms = _norms(x[-1], eps)
    name, kind = d.one(norms), d.one(("plain", "gain", "gain and shift", "one plus gain"))
    if name in ("layer", "standard") and x[-1] < 3:  # two features less their mean are a sign
        name = "rms"
    g, b = (None if kind == "plain" else d.weight(x[-1])), None
    b = d.weight(x[-1]) if kind == "gain and shift" else None

    def run(m: Any, x: Tensor) -> Tensor:
        y = norms[name](x)
        if kind == "plain":
            return y
        y = y * (1 + m.g if kind == "one plus gain" else m.g)
        return y + m.b if kind == "gain and shift" else y

    parts = {k: v for k, v in (("g", g), ("b", b)) if v is not None}
    return Step(run, f"{name} norm, {kind}, {eps}", **parts)


def gain(d: Draw, x: Shape) -> Step:
    n, kind = x[-1], d.one(("gain", "one plus", "scalar", "shift", "both", "exp", "power"))
    runs: dict[str, Run] = {
        "gain": lambda m, x: x * m.g, "one plus": lambda m, x: x * (1 + m.g),
        "scalar": lambda m, x: x * m.s, "shift": lambda m, x: x + m.g,
        "both": lambda m, x: m.s * x + m.g, "exp": lambda m, x: x * m.g.exp(),
        "power": lambda m, x: x * m.g**2 / (1 + m.s**2),
    }  # fmt: skip
    parts: dict[str, Any] = {}
    if kind != "scalar":
        parts["g"] = d.weight(n)
    if kind in ("scalar", "both", "power"):
        parts["s"] = d.weight(1)
    return Step(runs[kind], f"{kind} on features", **parts)


def in_place(d: Draw, x: Shape) -> Step:
    """Part of the features changed where it lies."""
    n = x[-1]
    k, how = d.rng.randint(1, n - 1), d.one(("scale", "shift", "function", "replace", "maps"))
    f = FUNCTIONS[d.one(("relu", "tanh", "abs", "square"))]
    parts: dict[str, Any] = {}
    if how in ("scale", "shift"):
        parts["g"] = d.weight(k)
    if how == "maps":
        parts["w"] = d.weight(k, n)

    def run(m: Any, x: Tensor) -> Tensor:
        y = x.clone()
        if how == "scale":
            y[..., :k] *= m.g
        elif how == "shift":
            y[..., n - k :] += m.g
        elif how == "function":
            y[..., :k] = f(x[..., :k])
        elif how == "replace":
            y[..., :k] = x[..., n - k :]
        else:
            y[..., :k] = x @ m.w.T
        return y

    return Step(run, f"{how} in place on {k} of {n}", **parts)


def shared_reduction(d: Draw, x: Shape) -> Step:
    """All features beside one number that is made of all of them."""
    reductions: dict[str, Any] = {
        "mean": lambda x: x.mean(-1, keepdim=True), "sum": lambda x: x.sum(-1, keepdim=True),
        "max": lambda x: x.amax(-1, keepdim=True), "norm": lambda x: x.norm(dim=-1, keepdim=True),
        "std": lambda x: x.std(-1, keepdim=True), "lse": lambda x: x.logsumexp(-1, keepdim=True),
        "min": lambda x: x.min(-1, keepdim=True).values,
        "median": lambda x: x.median(-1, keepdim=True).values,
    }  # fmt: skip
    name, how = d.one(reductions), d.one(("minus", "plus", "times", "over", "beside"))

    def run(m: Any, x: Tensor) -> Tensor:
        r = reductions[name](x)
        return {"minus": lambda: x - r, "plus": lambda: x + r, "times": lambda: x * r,
                "over": lambda: x / (r.abs() + 0.5), "beside": lambda: torch.cat([x, r], -1),
                }[how]()  # fmt: skip

    return Step(run, f"{how} its {name}")


def pieces(d: Draw, x: Shape) -> Step:
    """The features cut, the pieces treated apart, and joined again or brought together."""
    n = x[-1]
    k, how = d.rng.randint(1, n - 1), d.one(("apart", "swap", "gated", "one", "sum", "thirds"))
    f, g = (FUNCTIONS[d.one(FUNCTIONS)] for _ in range(2))
    half = n // 2

    def run(m: Any, x: Tensor) -> Tensor:
        a, b = x.split([k, n - k], -1)
        if how == "apart":
            return torch.cat([f(a), g(b)], -1)
        if how == "swap":
            return torch.cat([b, f(a)], -1)
        if how == "one":
            return f(a) if k > 1 else b
        if how == "thirds":
            return torch.cat([f(a), b, g(a)], -1)
        one, two = x[..., :half], x[..., n - half :]
        return one * torch.sigmoid(two) if how == "gated" else f(one) + two

    return Step(run, f"{how}, cut at {k} of {n}")


def places(d: Draw, x: Shape) -> Step:
    """Features picked by constant places."""
    n, how = x[-1], d.one(("permute", "repeat", "part", "roll", "flip", "step"))
    order = torch.randperm(n, generator=d.generator)
    some = torch.randint(n, (d.size(),), generator=d.generator)
    runs: dict[str, Run] = {
        "permute": lambda m, x: x[..., m.order], "repeat": lambda m, x: x[..., m.some],
        "part": lambda m, x: x.index_select(-1, m.order[: n - 1]) if n > 2 else x,
        "roll": lambda m, x: x.roll(1, -1), "flip": lambda m, x: x.flip(-1),
        "step": lambda m, x: torch.cat([x[..., ::2], x[..., 1::2]], -1),
    }  # fmt: skip
    return Step(runs[how], f"{how} features", order=order, some=some)


def threshold(d: Draw, x: Shape) -> Step:
    """What jumps: no derivative sees the threshold move."""
    how = d.one(("jump", "hard", "sign", "where", "round", "soft"))
    parts = {"t": d.weight(x[-1])} if how in ("jump", "hard", "where", "soft") else {}
    runs: dict[str, Run] = {
        "jump": lambda m, x: torch.relu(x * (x > m.t)),
        "hard": lambda m, x: x * (x.abs() > m.t.abs()).to(x.dtype),
        "sign": lambda m, x: x * torch.sign(x.roll(1, -1)),
        "where": lambda m, x: torch.where(x > m.t, x, -2 * x),
        "round": lambda m, x: torch.round(2 * x) + x,
        "soft": lambda m, x: torch.sign(x) * torch.relu(x.abs() - m.t.abs()),
    }  # fmt: skip
    return Step(runs[how], f"threshold: {how}", **parts)


def route(d: Draw, x: Shape) -> Step:
    """Experts, or rows of a table, by a router that is soft or hard."""
    experts, n = d.one((2, 3)), d.size()
    how = d.one(("soft", "top", "top soft", "row", "gather", "one-hot", "sigmoid", "sorted"))
    parts: dict[str, Any] = {"r": d.weight(experts, x[-1])}
    parts["e"] = d.weight(experts, n) if how == "row" else d.weight(experts, n, x[-1])
    f = FUNCTIONS[d.one(("relu", "tanh", "negative"))]

    def run(m: Any, x: Tensor) -> Tensor:
        logits = x @ m.r.T
        if how == "row":
            return m.e[logits.argmax(-1)]
        if how == "sorted":
            return torch.einsum("eni,...i,...e->...n", m.e, x, logits.sort(-1).values)
        y = f(torch.einsum("eni,...i->...en", m.e, x))
        if how == "gather":
            at = logits.argmax(-1)[..., None, None].expand(*y.shape[:-2], 1, y.shape[-1])
            return y.gather(-2, at).squeeze(-2)
        if how == "top":
            gates = torch.zeros_like(logits).scatter(-1, logits.topk(1, -1).indices, 1.0)
        elif how == "top soft":
            best = logits.topk(1, -1)
            gates = torch.zeros_like(logits).scatter(-1, best.indices, best.values.sigmoid())
        elif how == "one-hot":
            gates = F.one_hot(logits.argmax(-1), experts).to(x.dtype) * logits.softmax(-1)
        else:
            gates = logits.sigmoid() if how == "sigmoid" else logits.softmax(-1)
        return torch.einsum("...en,...e->...n", y, gates)

    return Step(run, f"route: {how}", **parts)


def product(d: Draw, x: Shape) -> Step:
    """Products of the features with each other, and distances to points that are learned."""
    n, k = x[-1], d.size()
    how = d.one(("bilinear", "outer", "quadratic", "distance", "similarity", "factorised"))
    shape = {"bilinear": (n, k, n), "outer": (n, n), "factorised": (n, k)}.get(how, (k, n))
    runs: dict[str, Run] = {
        "bilinear": lambda m, x: torch.einsum("...i,ikj,...j->...k", x, m.w, x),
        "outer": lambda m, x: (x.unsqueeze(-1) * (x @ m.w).unsqueeze(-2)).flatten(-2)[..., :k],
        "quadratic": lambda m, x: (x @ m.w.T) ** 2,
        "distance": lambda m, x: (-(x.unsqueeze(-2) - m.w).square().sum(-1)).exp(),
        "similarity": lambda m, x: F.normalize(x, dim=-1) @ F.normalize(m.w, dim=-1).T,
        "factorised": lambda m, x: (x @ m.w) ** 2 - (x**2) @ (m.w**2),
    }  # fmt: skip
    return Step(runs[how], f"product: {how}", w=d.weight(*shape))


def residual(d: Draw, x: Shape) -> Step:
    n, k = x[-1], d.size()
    f = FUNCTIONS[d.one(FUNCTIONS)]
    up, down = d.matrix(k, n), d.matrix(n, k)
    text = f"residual {up.text}, {down.text}"
    return Step(lambda m, x: x + f(x @ m.up().T) @ m.down().T, text, up=up, down=down)


def gated(d: Draw, x: Shape) -> Step:
    n, k = x[-1], d.size()
    f = FUNCTIONS[d.one(FUNCTIONS)]
    up, gate, down = d.matrix(k, n), d.matrix(k, n), d.matrix(n, k)
    return Step(lambda m, x: (f(x @ m.gate().T) * (x @ m.up().T)) @ m.down().T, "gated",
                up=up, gate=gate, down=down)  # fmt: skip


ALONE = [linear, linear, linear, function, function, function, norm, norm, gain, in_place,
         shared_reduction, shared_reduction, pieces, pieces, places, threshold, route, product,
         residual, gated]  # fmt: skip


# two operands -----------------------------------------------------------------------------------
def join(d: Draw, x: Shape, y: Shape) -> Step:
    return Step(lambda m, x, y: torch.cat([x, y], -1), "cat")


def meet(d: Draw, x: Shape, y: Shape) -> Step:
    """An entrywise operation of two wires, the second brought to the width of the first."""
    how = d.one(("sum", "product", "larger", "gate", "mix", "modulate", "over", "smaller"))
    fit = d.matrix(x[-1], y[-1])
    parts: dict[str, Any] = {"fit": fit}
    if how == "mix":
        parts["t"] = d.weight(x[-1])
    if how == "modulate":
        parts["s"] = d.weight(x[-1], y[-1])
    runs: dict[str, Any] = {
        "sum": lambda m, x, y, z: x + z, "product": lambda m, x, y, z: x * z,
        "larger": lambda m, x, y, z: torch.maximum(x, z),
        "smaller": lambda m, x, y, z: torch.minimum(x, z) + x,
        "gate": lambda m, x, y, z: x * torch.sigmoid(z),
        "mix": lambda m, x, y, z: torch.lerp(x, z, m.t.sigmoid()),
        "modulate": lambda m, x, y, z: x * (1 + y @ m.s.T) + z,
        "over": lambda m, x, y, z: x / (1 + z.square()),
    }  # fmt: skip
    return Step(lambda m, x, y: runs[how](m, x, y, y @ m.fit().T), f"{how} of two, {fit.text}",
                **parts)  # fmt: skip


def contracted(d: Draw, x: Shape, y: Shape) -> Step:
    k = d.size()
    return Step(lambda m, x, y: torch.einsum("...i,...j,ijk->...k", x, y, m.w), "einsum of two",
                w=d.weight(x[-1], y[-1], k))  # fmt: skip


PAIRS = [join, join, meet, meet, contracted]
