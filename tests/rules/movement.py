"""Operations that only move entries."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import (
    Case,
    between,
    images,
    linear,
    of,
    pair,
    sequences,
    weight,
)

PERMUTED = "a change of basis conjugated by a constant permutation"
ITSELF = "an index that meets its own permutation"
SPLIT = "a bond that is split and joined again is one index"
COPIES = "relations between copies of one wire"
MASKED = "positions at which a constant mask leaves an entry"
ROWS = torch.tensor([2, 0, 3])
SHIFTS = (torch.arange(4)[:, None] + torch.arange(4)) % 4


def halves(z: Tensor, cut: int) -> Tensor:
    return torch.cat([z[:, :cut].relu(), z[:, cut:].tanh()], 1)


def rolled(z: Tensor, by: int) -> Tensor:
    return torch.cat([z[:, by:], z[:, :by]], 1)


def within_windows(z: Tensor) -> Tensor:
    y = z.unflatten(1, (-1, 2))
    return (y @ y.mT @ y).flatten(1, 2)


def heads(z: Tensor) -> Tensor:
    return z.reshape(*z.shape[:-1], 2, 2)


def pooled(m: Any, x: Tensor, mask: Tensor) -> Tensor:
    """The mean of the features of the positions that a mask keeps, expanded to all features."""
    z = m.w(x)
    wide = (mask > 0).unsqueeze(-1).expand(z.size()).to(z.dtype)
    return m.r((z * wide).sum(1) / wide.sum(1).clamp(min=0.5))


def moved_points(m: Any, x: Tensor, points: Tensor) -> Tensor:
    """Points multiplied by matrices near the identity, which is repeated for every sample."""
    near = m.w(x) + torch.eye(2).flatten().view(1, 4).repeat(len(x), 1)
    return m.r(points @ near.view(-1, 2, 2)).sin()


def chosen(run: Callable[[Tensor], Tensor]) -> Any:
    """What is made of a soft choice, read by a linear layer; the choice is seen as well."""

    def both(m: Any, x: Tensor) -> Tensor:
        soft = m.g(x).softmax(1)
        return m.o(run(soft)) + soft

    return of(both, (12, 3), g=lambda: linear(3, 4), o=lambda: linear(4, 4))


def shuffled_halves(m: Any, x: Tensor) -> Tensor:
    one, two = F.local_response_norm(m.e(x), 3).chunk(2, 1)
    return F.channel_shuffle(torch.cat([one, m.b(two)], 1), 2)


CASES = [
    Case("view", "view", between(lambda z: F.relu(z.view(-1, 2, 2)).view(-1, 4))),
    Case("view-linear", "view", between(lambda z: z.view(-1, 2, 2).flatten(1)),
         gap=SPLIT, counts=(16, 20)),
    Case("unflatten", "view", between(lambda z: z.unflatten(-1, (2, 2)).flatten(-2)),
         gap=SPLIT, counts=(16, 20)),
    Case("squeeze", "unsqueeze squeeze", between(lambda z: z.unsqueeze(1).cos().squeeze(1))),
    Case("permute", "permute",
         sequences(lambda z: heads(z).permute(2, 3, 0, 1).relu().permute(2, 3, 0, 1).flatten(2))),
    Case("transpose", "transpose", sequences(lambda z: z.transpose(1, 2).relu().transpose(1, 2))),
    Case("swap-in-features", "transpose", between(lambda z: heads(z).mT.flatten(1)),
         gap=PERMUTED, counts=(16, 20)),
    Case("movedim", "transpose", sequences(lambda z: z.movedim(1, 2).sin().movedim(1, 2))),
    Case("channel-shuffle", "channel_shuffle",
         of(lambda m, x: m.r(F.channel_shuffle(m.w(x), 2)), (3, 2, 3, 3),
            w=lambda: torch.nn.Conv2d(2, 4, 1, groups=2), r=lambda: torch.nn.Conv2d(4, 2, 1))),
    Case("mask-expanded", "mul.Tensor", of(pooled, (6, 4, 3), (6, 4),
         w=lambda: linear(3, 4), r=lambda: linear(4, 2))),
    Case("identity-repeated", "add.Tensor", of(moved_points, (9, 3), (9, 5, 2),
         w=lambda: linear(3, 4), r=lambda: linear(2, 3))),
    Case("expand", "expand", between(lambda z: z.unsqueeze(1).expand(-1, 3, -1))),
    Case("expand-features", "expand", between(lambda z: z.relu().expand(-1, 4), 1, 4)),
    Case("repeat", "repeat", between(lambda z: z.repeat(1, 2), 2, 4)),
    Case("tile", "tile", between(lambda z: z.tile((1, 2)), 2, 4)),
    Case("tile-last", "tile", between(lambda z: z.tile((2,)), 2, 4)),
    Case("repeat-relu", "repeat", between(lambda z: z.repeat(1, 2).relu(), 2, 4)),
    Case("repeat-interleave", "repeat_interleave.self_int",
         between(lambda z: z.repeat_interleave(2, 1), 2, 4)),
    Case("slice", "slice", between(lambda z: z[:, 1:], 4, 3)),
    Case("slice-relu", "slice", between(lambda z: z[:, 1:].relu(), 4, 3)),
    Case("slices", "slice", between(lambda z: z[:, :2].relu() * z[:, 2:], 4, 2)),
    Case("slice-step", "slice", between(lambda z: z[:, ::2] * z[:, 1::2], 4, 2)),
    Case("slice-step-uneven", "slice", between(lambda z: z[:, ::3].relu(), 4, 2)),
    Case("slice-rows", "slice", sequences(lambda z: z[:, 1:].relu() + z[:, :-1])),
    Case("select", "select", sequences(lambda z: z[:, 0].tanh() + z[:, 1])),
    Case("narrow", "slice", between(lambda z: z.narrow(1, 1, 2).relu(), 4, 2)),
    Case("split", "split.Tensor", between(lambda z: F.relu(z.split(2, 1)[0]) * z.split(2, 1)[1],
         4, 2)),
    Case("split-sizes", "split_with_sizes",
         between(lambda z: z.split([1, 3], 1)[0] * z.split([1, 3], 1)[1].relu(), 4, 3)),
    Case("chunk", "split.Tensor", between(lambda z: F.silu(z.chunk(2, 1)[0]) * z.chunk(2, 1)[1],
         4, 2)),
    Case("tensor-split", "slice", between(lambda z: z.tensor_split(2, 1)[0].relu(), 4, 2)),
    Case("unbind", "unbind", between(lambda z: heads(z).unbind(1)[0].relu() * heads(z).unbind(1)[1],
         4, 2)),
    Case("cat", "cat", pair(lambda u, v: torch.cat([u.relu(), v], 1), 2, 4)),
    Case("cat-relu", "cat", pair(lambda u, v: torch.cat([u, v], 1).relu(), 2, 4)),
    Case("cat-uneven", "cat softmax", of(
         lambda m, x: m.r(torch.cat([m.u(x), m.v(x).tanh() * m.g + m.b], 1).softmax(1)),
         (12, 3), u=lambda: linear(3, 2), v=lambda: linear(3, 3), g=lambda: weight(3),
         b=lambda: weight(3), r=lambda: linear(5, 3))),
    Case("cat-rows", "cat", of(lambda m, x: m.r(torch.cat([m.w(x), m.t.expand(4, 1, 3)], 1).relu()),
         (4, 3, 3), w=lambda: linear(3, 3), t=lambda: weight(1, 1, 3), r=lambda: linear(3, 3))),
    Case("cat-rows-linear", "cat",
         of(lambda m, x: m.r(torch.cat([m.w(x), m.t.expand(4, 1, 3)], 1)),
            (4, 3, 3), w=lambda: linear(3, 3), t=lambda: weight(1, 1, 3),
            r=lambda: linear(3, 3))),
    Case("cat-rows-normed", "cat layer_norm", of(
         lambda m, x: m.r(m.n(torch.cat([m.w(x), m.t.expand(4, 1, 4)], 1))),
         (4, 3, 3), w=lambda: linear(3, 4), t=lambda: weight(1, 1, 4), r=lambda: linear(4, 3),
         n=lambda: torch.nn.LayerNorm(4))),
    Case("stack", "stack", pair(lambda u, v: torch.stack([u.relu(), v], 1).flatten(1), 2, 4)),
    Case("hstack", "hstack", pair(lambda u, v: torch.hstack([u.relu(), v]), 2, 4)),
    Case("stack-mean", "stack mean", pair(lambda u, v: torch.stack([u.relu(), v.relu()]).mean(0))),
    Case("pixel-shuffle", "pixel_shuffle", images(lambda z: F.pixel_shuffle(z.relu(), 2), 4, 1)),
    Case("pixel-unshuffle", "pixel_unshuffle",
         images(lambda z: F.pixel_unshuffle(z.relu(), 2), 2, 8)),
    Case("index-select", "index_select", between(lambda z: z.index_select(1, ROWS).relu(), 4, 3)),
    Case("index-select-linear", "index_select", between(lambda z: z.index_select(1, ROWS), 4, 3)),
    Case("index-select-repeated", "index_select",
         between(lambda z: z.relu().index_select(1, torch.tensor([2, 0, 2])), 4, 3),
         gap=COPIES, counts=(11, 15)),
    Case("index-permutation", "index.Tensor", between(lambda z: z[:, [2, 0, 1, 3]])),
    Case("index-permutation-relu", "index.Tensor",
         between(lambda z: z[:, [2, 0, 1, 3]].relu())),
    Case("index-permutation-twice", "index.Tensor",
         between(lambda z: z[:, [2, 0, 1, 3]].relu()[:, [1, 2, 3, 0]])),
    Case("index-permutation-heads", "index.Tensor",
         between(lambda z: heads(z)[:, :, [1, 0]].relu().flatten(1))),
    Case("index-permutation-pieces", "index.Tensor cat",
         between(lambda z: torch.cat([z[:, :1].relu(), z[:, 1:].tanh()], 1)[:, [2, 0, 1, 3]])),
    Case("index-permutation-residual", "index.Tensor",
         between(lambda z: z.relu() + z.tanh()[:, [2, 0, 3, 1]])),
    Case("index-permutation-product", "index.Tensor",
         between(lambda z: z.relu() * z.relu()[:, [2, 0, 3, 1]]), gap=ITSELF, counts=(1, 4)),
    Case("index-permutation-norm", "index.Tensor layer_norm", of(
         lambda m, x: m.r(m.n(m.w(x)[:, [2, 0, 1, 3]]) * m.g), (12, 3), w=lambda: linear(3, 4),
         n=lambda: torch.nn.LayerNorm(4, eps=0.0), g=lambda: weight(4), r=lambda: linear(4, 3))),
    Case("index-permutation-channels", "index.Tensor batch_norm", of(
         lambda m, x: m.r(m.n(m.w(x))[:, [2, 0, 1]].relu()), (3, 2, 3, 3),
         w=lambda: torch.nn.Conv2d(2, 3, 1), n=lambda: torch.nn.BatchNorm2d(3),
         r=lambda: torch.nn.Conv2d(3, 2, 2))),
    Case("index-permutation-table", "index.Tensor", of(
         lambda m, x: (x @ m.t[:, [2, 0, 1]]).relu() @ m.r, (12, 4),
         t=lambda: weight(4, 3), r=lambda: weight(3, 3))),
    Case("index-rows", "index.Tensor", sequences(lambda z: z[:, ROWS].relu() + z[:, :3])),
    Case("index-pairs", "index.Tensor",
         sequences(lambda z: z[torch.tensor([0, 1]), torch.tensor([1, 2])].relu())),
    Case("index-by-data", "index.Tensor", of(
         lambda m, x: m.r(m.w(x)[x[:, 0].argsort()[:9]].relu()), (12, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("index-table", "index.Tensor", of(
         lambda m, x: (x @ m.t[torch.tensor([0, 1, 2, 1])]) @ m.r, (12, 4),
         t=lambda: weight(3, 3), r=lambda: weight(3, 3))),
    Case("gather", "gather", sequences(
         lambda z: z.gather(1, torch.tensor([2, 1]).view(1, 2, 1).expand(4, 2, 4)).relu())),
    Case("gather-by-data-rows", "gather", of(
         lambda m, x: m.r(m.w(x).gather(
             1, x[..., :1].argsort(1)[:, :2].expand(4, 2, 3))), (4, 4, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("gather-by-data", "gather", of(
         lambda m, x: m.r(m.w(x).gather(1, x.argsort(1))), (4, 4, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("gather-unlike-slices", "gather softmax", of(
         lambda m, x: (m.w(x) @ m.p.T).gather(-1, SHIFTS.expand(4, 4, 4)).softmax(1), (4, 4, 3),
         w=lambda: linear(3, 2), p=lambda: weight(4, 2))),
    Case("scatter-value", "scatter.value", sequences(
         lambda z: z.scatter(1, torch.tensor([2, 1]).view(1, 2, 1).expand(4, 2, 4), 0.5).sin())),
    Case("scatter-mask", "scatter.value topk", sequences(
         lambda z: z.sin() * torch.zeros_like(z).scatter(2, z.topk(2).indices, 1.0))),
    Case("index-add", "index_add", sequences(
         lambda z: z.sin().index_add(1, torch.tensor([2, 1]), z[:, :2]))),
    Case("scatter-chosen", "scatter.value topk", chosen(
         lambda s: torch.zeros_like(s).scatter(1, s.topk(2).indices, 0.5))),
    Case("one-hot-chosen", "one_hot argmax", chosen(
         lambda s: F.one_hot(s.argmax(1), 4).to(s.dtype))),
    Case("straight-through", "scatter.value argmax", chosen(
         lambda s: torch.zeros_like(s).scatter(1, s.argmax(1, True), 1.0) - s + s.square())),
    Case("straight-through-soft", "scatter.value argmax", chosen(
         lambda s: torch.zeros_like(s).scatter(1, s.argmax(1, True), 1.0) - s / 2)),
    Case("masked-scatter", "masked_scatter", of(
         lambda m, x: m.r(m.w(x).masked_scatter((x[:, :1] > 0).expand(12, 3), m.v(x)).relu()),
         (12, 3), w=lambda: linear(3, 3), v=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("tril", "tril", sequences(lambda z: z @ (z.mT @ z).tril())),
    Case("tril-linear", "tril", sequences(lambda z: z.tril()),
         gap=MASKED, counts=(4, 5)),
    Case("slice-scatter", "slice_scatter",
         sequences(lambda z: z.slice_scatter(z[:, :2].relu(), 1, 1, 3))),
    Case("select-scatter", "select_scatter",
         sequences(lambda z: z.select_scatter(z[:, 0].relu(), 1, 2))),
    Case("nan-to-num", "nan_to_num", between(lambda z: torch.nan_to_num(z).relu())),
    Case("diagonal", "diagonal", sequences(lambda z: z.diagonal(0, 1, 2).relu()),
         rigid=("aten.diagonal.default",), gap="diagonals", counts=(0, 4)),
    Case("split-within-rows", "cat", between(
        lambda z: halves(z.view(-1, 2, 3).transpose(1, 2).flatten(1), 3), 6)),
    Case("rows-within-a-split", "cat", between(
        lambda z: halves(z, 2).view(-1, 2, 3).transpose(1, 2).flatten(1), 6)),
    Case("shifted-windows", "cat", sequences(
        lambda z: rolled(within_windows(rolled(z, 1)), -1), length=6)),
    Case("windows-of-two-kinds", "view", sequences(
        lambda z: z.view(-1, 3, 4, 4).transpose(1, 2).reshape(-1, 3, 4, 4).softmax(1).flatten(1, 2),
        length=12), rigid=("aten.view.default",)),
    Case("shuffled halves behind a norm across channels", "channel_shuffle", of(
        shuffled_halves, (24, 3, 2), e=lambda: torch.nn.Conv1d(3, 6, 1, groups=3),
        b=lambda: torch.nn.Conv1d(3, 3, 1))),
    Case("flip", "flip", sequences(lambda z: z.flip(1).relu() + z)),
    Case("roll", "roll", sequences(lambda z: z.roll(1, 1).relu() + z)),
    Case("flip-features", "flip", between(lambda z: z.flip(1).relu())),
    Case("roll-features", "roll", between(lambda z: z.roll(1, 1).relu())),
]  # fmt: skip
