"""Indices that a model renumbers by a constant: rolled, flipped, shuffled, picked, interleaved."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import symfind
from symfind.discrete.part import verified_spec
from symfind.discrete.render import as_python, table
from symfind.export.groups import of_sides
from symfind.verify import Function
from tests.discrete.generators import false, groups, net

X, PAIR, IMAGE = torch.randn(6, 3), torch.randn(6, 4, 3), torch.randn(6, 2, 4)
MLP = {"a": (4, 3), "c": (2, 4)}
relu, tanh = torch.relu, torch.tanh

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "roll": lambda h: h.roll(1, -1),
    "flip": lambda h: h.flip(-1),
    "index": lambda h: h[:, [2, 0, 1, 3]],
    "select": lambda h: h.index_select(1, torch.tensor([1, 3, 0, 2])),
    "twice": lambda h: h.roll(1, -1).flip(-1),
    "softmax": lambda h: h.softmax(-1).roll(1, -1),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("act", [relu, tanh])
def test_a_permutation_is_conjugated_by_a_constant_one(move: str, act: Callable) -> None:
    model = net(lambda m, x: MOVES[move](act(x @ m.a.T)) @ m.c.T, **MLP)
    assert groups(model, X) == ["S_4"]
    assert not false(model, X)


def attention(m: nn.Module, x: Tensor, key: Callable, value: Callable) -> Tensor:
    q, k, v = ((x @ w.T).unflatten(-1, (3, -1)).transpose(1, 2) for w in (m.q, m.k, m.v))
    mixed = (q @ key(k).mT).softmax(-1) @ value(tanh(v))
    return mixed.transpose(1, 2).flatten(2) @ m.o.T


def heads(key: Callable, value: Callable) -> nn.Module:
    parts = {"q": (6, 3), "k": (6, 3), "v": (9, 3), "o": (2, 9)}
    return net(lambda m, x: attention(m, x, key, value), **parts)


def experts(move: Callable[[Tensor], Tensor]) -> nn.Module:
    def run(m: nn.Module, x: Tensor) -> Tensor:
        h = move(relu(torch.einsum("bi,ehi->beh", x, m.w)))
        return torch.einsum("be,beh,eho->bo", (x @ m.g.T).softmax(-1), h, m.v)

    return net(run, g=(3, 3), w=(3, 4, 3), v=(3, 4, 2))


def gated(m: nn.Module, x: Tensor) -> Tensor:
    h = x @ m.a.T
    return (h[:, :3] * h[:, 3:].roll(1, -1).sigmoid()) @ m.c.T


def normalised(m: nn.Module, x: Tensor) -> Tensor:
    return m.k(relu(m.n(x @ m.a.T)).roll(1, -1)) @ m.c.T


KINDS: dict[str, tuple[Callable[[], nn.Module], Tensor, list[str]]] = {
    "two-layers": (
        lambda: net(
            lambda m, x: tanh(tanh(x @ m.a.T).roll(1, -1) @ m.b.T).flip(-1) @ m.c.T,
            a=(4, 3), b=(5, 4), c=(2, 5),
        ), X, ["S_4", "S_5"],
    ),
    "residual": (
        lambda: net(
            lambda m, x: (lambda h: tanh(h.roll(1, -1) @ m.b.T) + h)(tanh(x @ m.a.T)) @ m.c.T,
            **MLP, b=(4, 4),
        ), X, ["S_4"],
    ),
    "tied": (
        lambda: net(
            lambda m, x: tanh(tanh(tanh(x @ m.a.T).roll(1, -1) @ m.w.T) @ m.w.T) @ m.c.T,
            **MLP, w=(4, 4),
        ), X, ["S_4"],
    ),
    "weights": (
        lambda: net(
            lambda m, x: tanh(tanh(x @ m.a.T) @ m.b.flip(0, 1).T) @ m.c.T,
            a=(4, 3), b=(5, 4), c=(2, 5),
        ), X, ["S_4", "S_5"],
    ),
    "gate": (lambda: net(gated, a=(6, 3), c=(2, 3)), X, ["S_3"]),
    "packed": (
        lambda: net(
            lambda m, x: torch.cat([tanh(x @ m.a.T), tanh(x @ m.d.T)], -1)[:, [0, 2, 4, 1, 3, 5]]
            @ m.c.T,
            a=(3, 3), d=(3, 3), c=(2, 6),
        ), X, ["S_3", "S_3"],
    ),
    "statistics": (
        lambda: net(normalised, **MLP, n=nn.BatchNorm1d(4), k=nn.BatchNorm1d(4)), X, ["S_4"],
    ),
    "heads": (lambda: heads(lambda k: k.roll(1, 1), lambda v: v.flip(1)), PAIR, ["S_3 wr S_3"]),
    "in-heads": (lambda: heads(lambda k: k, lambda v: v.flip(1, -1)), PAIR, ["S_3 wr S_3"]),
    "experts": (lambda: experts(lambda h: h.flip(1, 2)), X, ["S_4 wr S_3"]),
    "group-norm": (
        lambda: net(lambda m, x: F.group_norm(x @ m.a.T, 3).roll(1, -1) @ m.c.T,
                    a=(6, 3), c=(2, 6)),
        X, ["S_2 wr S_3"],
    ),
    "grouped-conv": (
        lambda: net(
            lambda m, x: F.conv1d(relu(F.conv1d(relu(F.conv1d(x, m.a)), m.b, groups=2)).roll(1, 1),
                                  m.c),
            a=(4, 2, 2), b=(6, 2, 1), c=(2, 6, 2),
        ), IMAGE, ["(S_2 x S_3) wr S_2"],
    ),
    "flattened": (
        lambda: net(lambda m, x: relu(F.conv1d(x, m.a)).flatten(1).roll(1, -1) @ m.c.T,
                    a=(3, 2, 2), c=(2, 9)),
        IMAGE, ["S_3"],
    ),
    "channel-shuffle": (
        lambda: net(
            lambda m, x: F.conv1d(
                F.channel_shuffle(relu(F.conv1d(x, m.a))[..., None], 2)[..., 0], m.c
            ),
            a=(4, 2, 1), c=(2, 4, 1),
        ), IMAGE, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_generator_of_what_is_derived_holds(name: str) -> None:
    build, x, expected = KINDS[name]
    model = build()
    assert groups(model, x) == expected
    assert not false(model, x)


def ordered(f: Callable[[Tensor], Tensor], n: int = 4) -> nn.Module:
    return net(lambda m, x: f(relu(x @ m.a.T)).flatten(1) @ m.c.T, a=(4, 3), c=(2, n))


CONTROLS = {
    "met-by-itself": lambda: ordered(lambda h: h * h.roll(1, -1)),
    "added-to-itself": lambda: ordered(lambda h: tanh(h.roll(1, -1)) + h),
    "one-dropped-one-twice": lambda: ordered(lambda h: h[:, [2, 0, 0, 3]]),
    "running-sum": lambda: ordered(lambda h: h.cumsum(-1)),
    "running-product": lambda: ordered(lambda h: h.cumprod(-1)),
    "differences": lambda: ordered(lambda h: h.diff(dim=-1), 3),
    "sorted": lambda: ordered(lambda h: h.sort(-1).values),
    "largest": lambda: ordered(lambda h: h.topk(3, -1).values, 3),
    "reflected": lambda: ordered(lambda h: F.pad(h[:, None], (1, 1), mode="reflect")[:, 0], 6),
    "kernel": lambda: ordered(
        lambda h: F.conv1d(h[:, None], torch.ones(1, 1, 3).to(h), padding=1)
    ),
    "constant": lambda: ordered(lambda h: h.roll(2, -1) * torch.tensor([1.0, 1, 2, 3]).to(h)),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROLS)
def test_what_tells_units_apart_leaves_no_permutation(name: str) -> None:
    model = CONTROLS[name]()
    assert groups(model, X) == []
    assert not false(model, X)


def rolled() -> nn.Module:
    return net(lambda m, x: relu(x @ m.a.T).roll(1, -1) @ m.c.T, **MLP)


def test_whole_axes_are_conjugated_too() -> None:
    model = rolled()
    spec = symfind.permutations(model, X)
    assert spec.axes_to_perm == {"a": ("P_a", None), "c": (None, "P_a~")}
    assert spec.orders == {"P_a~": (1, 2, 3, 0)}
    perms = {"P_a": torch.tensor([1, 2, 3, 0])}
    other = {"P_a": torch.tensor([1, 0, 2, 3])}
    for chosen in (perms, other):
        moved = spec.apply(dict(model.state_dict()), chosen)
        index = spec.expand(chosen)
        assert torch.equal(moved["c"], model.state_dict()["c"][:, index["P_a~"]])
    assert torch.equal(spec.expand(perms)["P_a~"], perms["P_a"])  # powers of the roll commute
    assert not torch.equal(spec.expand(other)["P_a~"], other["P_a"])


def test_the_forms_say_that_an_axis_is_numbered_otherwise() -> None:
    spec = symfind.permutations(rolled(), X)
    assert "p0~" in table(spec)
    names: dict = {}
    exec(as_python(spec), names)
    assert names["orders"] == spec.orders
    assert spec.to_dict()["orders"] == {"c": {"1": list(spec.orders["P_a~"])}}
    assert of_sides(spec) == {}  # the sides do not lose the same channels


@pytest.mark.parametrize("seed", range(12))
def test_the_same_permutation_on_both_sides_is_rejected_at_every_seed(seed: int) -> None:
    """Powers of the roll commute with it, as the identity does; the elements tried do not all."""
    model = rolled()
    spec = symfind.permutations(model, X, verify=False)
    bare = {key: replace(t, orders=()) for key, t in spec.tensors.items()}
    wrong = replace(spec, tensors=bare)
    function = Function(model, (X,))
    assert list(verified_spec(spec, function, seed, lambda theta: None).perms) == ["P_a"]
    assert not verified_spec(wrong, function, seed, lambda theta: None).perms
