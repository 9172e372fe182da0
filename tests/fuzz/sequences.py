"""Steps on [batch, places, features]: attention, convolutions, means and maps along places."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fuzz.draw import Draw, Run, Shape, Step


def attention(d: Draw, x: Shape) -> Step:
    n = x[-1]
    heads, k = d.one((1, 2)), d.one((1, 2))
    how = d.one(("softmax", "causal", "linear", "normed", "sigmoid", "tied", "one key", "fused"))
    scaled, bias = d.chance(0.3), d.chance(0.4)
    inner = heads * k
    parts: dict[str, Any] = {"q": d.weight(inner, n), "o": d.weight(n, inner)}
    parts["v"] = d.weight(k if how == "one key" else inner, n)
    if how != "tied":
        parts["k"] = d.weight(k if how == "one key" else inner, n)
    if bias:
        parts["b"] = d.weight(inner)
    if scaled:
        parts["s"] = d.weight(1)

    def split(t: Tensor) -> Tensor:
        return t.unflatten(-1, (t.shape[-1] // k, k)).transpose(1, 2)

    def run(m: Any, x: Tensor) -> Tensor:
        q = x @ m.q.T + (m.b if bias else 0.0)
        q, key, v = split(q), split(x @ (m.q if how == "tied" else m.k).T), split(x @ m.v.T)
        if how == "fused":
            y = F.scaled_dot_product_attention(q, key, v)
        else:
            if how == "normed":
                q, key = F.normalize(q, dim=-1, eps=1e-9), F.normalize(key, dim=-1, eps=1e-9)
            scores = q @ key.transpose(-1, -2) * (m.s if scaled else 0.7)
            if how == "causal":
                later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
                scores = scores.masked_fill(later, -torch.inf)
            if how == "sigmoid":
                scores = scores.sigmoid()
            elif how != "linear":
                scores = scores.softmax(-1)
            y = scores @ v
        return x + y.transpose(1, 2).flatten(-2) @ m.o.T

    return Step(run, f"attention: {how}, {heads} heads of {k}", **parts)


def convolution(d: Draw, x: Shape) -> Step:
    n, k, out = x[-1], d.one((1, 2, 3)), d.size()
    groups = n if d.chance(0.3) else 1
    out = n if groups > 1 else out
    padded, bias = k == 3 or d.chance(0.3), d.chance(0.5)
    if k > x[0]:
        k, padded = 1, False
    parts = {"w": d.weight(out, n // groups, k), **({"b": d.weight(out)} if bias else {})}

    def run(m: Any, x: Tensor) -> Tensor:
        y = F.conv1d(x.transpose(1, 2), m.w, m.b if bias else None, groups=groups,
                     padding=k // 2 if padded else 0)  # fmt: skip
        return y.transpose(1, 2)

    return Step(run, f"convolution {k}, {groups} groups, padded {padded}", **parts)


def along_places(d: Draw, x: Shape) -> Step:
    t, how = x[0], d.one(("mixer", "running", "shift", "centred", "normed", "softmax", "maximum",
                          "positions", "gain", "difference", "attention pool", "rows"))  # fmt: skip
    parts: dict[str, Any] = {}
    if how in ("mixer", "rows"):
        parts["w"] = d.weight(t, t)
    if how == "positions":
        parts["p"] = d.weight(t, x[-1])
    if how == "gain":
        parts["p"] = d.weight(t, 1)
    if how == "attention pool":
        parts["p"] = d.weight(x[-1])
    runs: dict[str, Run] = {
        "mixer": lambda m, x: torch.einsum("st,btn->bsn", m.w, x),
        "rows": lambda m, x: torch.einsum("st,btn->bsn", m.w.softmax(-1), x),
        "running": lambda m, x: x.cumsum(1),
        "shift": lambda m, x: F.pad(x, (0, 0, 1, 0))[:, :-1] + x,
        "centred": lambda m, x: x - x.mean(1, keepdim=True),
        "normed": lambda m, x: x / (x.square().mean(1, keepdim=True) + 1e-9).sqrt(),
        "softmax": lambda m, x: x.softmax(1),
        "maximum": lambda m, x: x * x.amax(1, keepdim=True),
        "positions": lambda m, x: x + m.p,
        "gain": lambda m, x: x * m.p,
        "difference": lambda m, x: x[:, 1:] - x[:, :-1] if x.shape[1] > 2 else x,
        "attention pool": lambda m, x: x + ((x @ m.p).softmax(1)[..., None] * x).sum(1, True),
    }
    return Step(runs[how], f"places: {how}", **parts)


def recurrence(d: Draw, x: Shape) -> Step:
    n, k = x[-1], d.one((2, 3))
    f = d.one((torch.tanh, torch.relu, lambda z: z))
    gate = d.chance(0.3)

    def run(m: Any, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], k)
        states = []
        for t in range(x.shape[1]):
            new = f(x[:, t] @ m.w.T + h @ m.u.T + m.b)
            h = h + torch.sigmoid(x[:, t] @ m.g.T) * (new - h) if gate else new
            states.append(h)
        return torch.stack(states, 1)

    parts = {"w": d.weight(k, n), "u": d.weight(k, k), "b": d.weight(k)}
    return Step(run, "recurrence", **parts, **({"g": d.weight(k, n)} if gate else {}))


def lookup(d: Draw, x: Shape) -> Step:
    """A table of parameters beside the features, at constant or at learned places."""
    t, n, hard = x[0], x[-1], d.chance(0.3)
    rows = torch.randint(3, (t,), generator=d.generator)

    def run(m: Any, x: Tensor) -> Tensor:
        return x + (m.e[(x @ m.r.T).argmax(-1)] if hard else m.e[m.rows])

    parts = {"e": d.weight(3, n), "rows": rows}
    return Step(run, f"look-up, hard {hard}", **parts, **({"r": d.weight(3, n)} if hard else {}))


def flatten(d: Draw, x: Shape) -> Step:
    how = d.one(("flatten", "mean", "max", "last", "sum", "norm", "sorted", "first two"))
    runs: dict[str, Run] = {
        "flatten": lambda m, x: x.flatten(1), "mean": lambda m, x: x.mean(1),
        "max": lambda m, x: x.max(1).values, "last": lambda m, x: x[:, -1],
        "sum": lambda m, x: x.sum(1), "norm": lambda m, x: x.norm(dim=1),
        "sorted": lambda m, x: x.sort(1).values.flatten(1),
        "first two": lambda m, x: torch.cat([x[:, 0], x[:, 1]], -1),
    }  # fmt: skip
    return Step(runs[how], f"places gone: {how}")


def places(d: Draw, x: Shape) -> Step:
    """A vector as places: cut into them, or copied to each with something of its own."""
    n, how = x[-1], d.one(("cut", "copies", "outer"))
    if how == "cut" and n % 2 == 0:
        return Step(lambda m, x: x.unflatten(-1, (2, n // 2)), "cut into places")
    if how == "outer":
        return Step(lambda m, x: torch.einsum("bi,tj->btj", x, m.w), "outer", w=d.weight(3, n))
    return Step(lambda m, x: x.unsqueeze(1) + m.w, "copies in places", w=d.weight(2, n))


SEQUENCES = [attention, attention, convolution, along_places, along_places, recurrence, lookup,
             flatten]  # fmt: skip
