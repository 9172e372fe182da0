"""Every block of fields does what its words say."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.discovery.dictionary import TIERS, Dictionary, Dress, Shape, tier
from symfind.discovery.monomials import Monomial, Source

SHAPES = [
    Shape("w", (3, 4)), Shape("v", (4, 3)), Shape("conv", (3, 4, 2)), Shape("b", (3,)),
    Shape("g", (4, 1)), Shape("s", ()), Shape("wide", (4, 2)),
]  # fmt: skip
DRESSES = {"w": [Dress("g", 1, -1)], "b": [Dress("h", 0, 1)]}


def point(seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shapes = {s.name: s.full for s in SHAPES} | {"h": (3,)}
    return {n: torch.randn(s, generator=rng, dtype=torch.float64) for n, s in shapes.items()}


def blocks(name: str) -> list[Monomial]:
    return tier(name, [*SHAPES, Shape("h", (3,))], DRESSES)


def by_text(name: str, target: str, text: str) -> Monomial:
    (found,) = (b for b in blocks(name) if (b.target, b.text) == (target, text))
    return found


def moved(block: Monomial, coefficients: Tensor) -> Tensor:
    assert coefficients.shape == block.sizes
    return block.push(coefficients, point())


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.sampled_from(TIERS), st.integers(0, 10_000))
def test_pull_is_the_transpose_of_push(name: str, seed: int) -> None:
    candidates = blocks(name)
    block = candidates[seed % len(candidates)]
    theta = point(seed)
    rng = torch.Generator().manual_seed(seed)
    c = torch.randn(block.sizes, generator=rng, dtype=torch.float64)
    target = theta[block.target]
    row = torch.randn(target.shape, generator=rng, dtype=torch.float64)
    pulled = block.pull(row.squeeze()[None], theta)
    assert pulled.shape == (1, block.count) and block.count == math.prod(block.sizes)
    torch.testing.assert_close(pulled[0] @ c.flatten(), (row * block.push(c, theta)).sum())


@pytest.mark.parametrize(
    ("name", "target", "text", "shape", "meaning"),
    [
        ("own", "w", "{} w", (3, 3), lambda a, t: a @ t["w"]),
        ("own", "w", "w {}", (4, 4), lambda a, t: t["w"] @ a),
        ("own", "b", "{} b", (3, 3), lambda a, t: a @ t["b"]),
        ("own", "g", "{} g", (4, 4), lambda a, t: a @ t["g"]),
        ("own", "s", "{} s", (), lambda a, t: a * t["s"]),
        ("own", "conv", "{} conv on dim 2", (2, 2),
         lambda a, t: torch.einsum("ij,xyj->xyi", a, t["conv"])),
        ("shifts", "b", "w {}", (4,), lambda a, t: t["w"] @ a),
        ("shifts", "b", "v^T {}", (4,), lambda a, t: t["v"].T @ a),
        ("own", "w", "{}", (3, 4), lambda a, t: a),
        ("sliced", "conv", "{} conv on dim 1, for each index of dim 2", (2, 4, 4),
         lambda a, t: torch.einsum("zij,xjz->xiz", a, t["conv"])),
        ("sliced", "w", "conv {} along dim 2, for each index of dim 0", (3, 2),
         lambda a, t: torch.einsum("xz,xyz->xy", a, t["conv"])),
        ("parallel", "v", "wide {}", (2, 3), lambda a, t: t["wide"] @ a),
        ("parallel", "w", "b {}^T", (4,), lambda a, t: torch.outer(t["b"], a)),
        ("parallel", "w", "{} g^T", (3,), lambda a, t: torch.outer(a, t["g"][:, 0])),
        ("crossed", "w", "v^T {}", (4, 4), lambda a, t: t["v"].T @ a),
        ("crossed", "w", "{} v^T", (3, 3), lambda a, t: a @ t["v"].T),
        ("dressed", "w", "w diag(g) {} diag(g)^-1", (4, 4),
         lambda a, t: t["w"] @ t["g"][:, 0].diag() @ a @ (1 / t["g"][:, 0]).diag()),
        ("dressed", "b", "diag(h) {} diag(h)^-1 b", (3, 3),
         lambda a, t: t["h"] * (a @ (t["b"] / t["h"]))),
        ("divided", "w", "{} * (g)^-1 on dim 1", (3, 4), lambda a, t: a / t["g"][:, 0]),
        ("divided", "g", "{} (b/h)", (4, 3), lambda a, t: (a @ (t["b"] / t["h"]))[:, None]),
        ("dressed", "w", "{} * (g)^-1 on dim 1", (3, 4), lambda a, t: a / t["g"][:, 0]),
        ("dressed shifts", "g", "{} (b/h)", (4, 3), lambda a, t: (a @ (t["b"] / t["h"]))[:, None]),
    ],
)  # fmt: skip
def test_words_and_fields_agree(name, target, text, shape, meaning) -> None:
    rng = torch.Generator().manual_seed(3)
    a = torch.randn(shape, generator=rng, dtype=torch.float64)
    expected = meaning(a, point())
    torch.testing.assert_close(moved(by_text(name, target, text), a), expected)


def test_unseen_moves_are_not_seen() -> None:
    theta = point()
    block = by_text("unseen", "v", "N(wide, dim 0) {}")
    change = moved(block, torch.ones(block.sizes, dtype=torch.float64))
    assert float(change.norm()) > 0.1
    torch.testing.assert_close(theta["wide"].T @ change, torch.zeros(2, 3, dtype=torch.float64))
    # a tensor that sees everything gives no field
    assert not any("N(w, dim 0)" in b.text for b in blocks("unseen"))
    projector = Source("wide", "kernel", 0).value(theta)
    torch.testing.assert_close(projector @ projector, projector)


def test_the_largest_blocks_are_left_out_and_named() -> None:
    everything = Dictionary()
    assert everything.extend(blocks("own"), 10_000) and not everything.left_out
    some = Dictionary()
    some.extend(blocks("own"), 60)
    assert some.count <= 60 and some.left_out
    # nothing that would still fit is left out, and nothing is added twice
    assert min(b.count for b in some.left_out) > 60 - some.count
    assert not everything.extend(blocks("own"), 10_000)
