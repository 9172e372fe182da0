"""Contractions, convolutions, recurrences, look-ups."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.rules.harness import Case, linear, of, pair, weight


def conv(kind: Any, *inner: Any, d: int = 2, c: int = 2, size: int = 5, **options: Any) -> Any:
    """A convolution, a rectifier, and the convolution in question, then a rectifier and a map."""
    return of(
        lambda m, x: m.r(m.k(m.w(x).relu()).relu()), (2, 2, *([size] * d)),
        w=lambda: (nn.Conv1d, nn.Conv2d, nn.Conv3d)[d - 1](2, c, 1),
        k=lambda: kind(c, *inner, **options),
        r=lambda: (nn.Conv1d, nn.Conv2d, nn.Conv3d)[d - 1](inner[0], 2, 1),
    )  # fmt: skip


def straight(kind: Any, *inner: Any, c: int = 2, **options: Any) -> Any:
    """The same without rectifiers: the whole linear group of each bond."""
    return of(
        lambda m, x: m.r(m.k(m.w(x))), (2, c, 4, 4),
        w=lambda: nn.Conv2d(c, c, 1), k=lambda: kind(c, *inner, **options),
        r=lambda: nn.Conv2d(inner[0], inner[0], 1),
    )  # fmt: skip


def recurrent(kind: Any, **options: Any) -> Any:
    wide = 4 if options.get("bidirectional") else 2
    return of(lambda m, x: m.r(m.k(m.w(x))[0]), (4, 3, 2), w=lambda: linear(2, 2),
              k=lambda: kind(2, 2, **options), r=lambda: linear(wide, 2))  # fmt: skip


def tokens(run: Any, *shape: int, **parts: Any) -> Any:
    def build() -> Any:
        net, _ = of(run, **parts)()
        return net, (torch.randint(2, shape),)

    return build


def experts(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Sorted tokens through one matrix per expert, twice, and back."""
    from transformers.integrations.moe import _grouped_mm_fallback  # noqa: F401

    grouped = torch.ops.transformers.grouped_mm_fallback
    expert = (x[:, 0] > 0).long()
    perm = expert.argsort(stable=True)
    ends = torch.cumsum(torch.histc(expert.to(x), 2, 0, 1), 0).to(torch.int32)
    y = grouped(grouped(x[perm], m.a, ends).relu(), m.c, ends)
    return m.r(y[perm.argsort()])


def counted(m: Any, i: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Positions are counted over what is no padding: the first row and the last are unread."""
    keep = (x[..., 0] > 0).int()
    place = (torch.cumsum(keep, 1).type_as(keep) * keep).long() + 1
    return m.r((m.e(i) + m.q(place) + x).tanh())


def typed(m: Any, i: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Types are looked up in a buffer of zeros, wherever the input says."""
    kinds = torch.zeros(1, 7, dtype=torch.long).expand(len(i), -1)
    return m.r((m.e(i) + m.q(kinds.gather(1, i)) + x).tanh())


def wrapped(m: Any, i: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Of five rows, those of number 1 and 2."""
    signs = torch.where(x > 0, 1, 2)
    place = torch.clamp(signs.sum(-1) % 4 - signs[..., 1] * 2, min=1, max=3)
    return m.r((m.e(i) + m.q(torch.minimum(place, signs[..., 1])) + x).tanh())


def token_pairs(run: Any, shape: tuple[int, ...], d: int, **parts: Any) -> Any:
    """A model of tokens and, of the same shape, vectors."""

    def build() -> Any:
        net, _ = of(run, **parts)()
        return net, (torch.randint(2, shape), torch.randn(*shape, d))

    return build


FIVE = {"0": 5}

CASES = [
    Case("linear", "linear", of(lambda m, x: m.r(m.w(x)), (12, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 2))),
    Case("head-of-sum", "linear add.Tensor", of(
         lambda m, x: m.r(x + m.v(m.u(x).tanh())), (12, 5), u=lambda: linear(5, 3),
         v=lambda: linear(3, 5), r=lambda: linear(5, 3))),
    Case("head-of-sums", "linear add.Tensor", of(
         lambda m, x: m.r(m.w(x) + m.v(m.u(x).tanh()) + m.t(x.sin())), (12, 3),
         w=lambda: linear(3, 5), u=lambda: linear(3, 3), v=lambda: linear(3, 5, False),
         t=lambda: linear(3, 5, False), r=lambda: linear(5, 2))),
    Case("matmul", "matmul", of(lambda m, x: (x @ m.w + m.b) @ m.r, (12, 3),
         w=lambda: weight(3, 4), b=lambda: weight(4), r=lambda: weight(4, 2))),
    Case("matmul-batched", "matmul", of(lambda m, x: (x @ m.w) @ m.r, (2, 5, 3),
         w=lambda: weight(2, 3, 2), r=lambda: weight(2, 2, 3))),
    Case("mm", "mm", of(lambda m, x: torch.mm(torch.mm(x, m.w), m.r), (12, 3),
         w=lambda: weight(3, 2), r=lambda: weight(2, 3))),
    Case("bmm", "bmm", of(lambda m, x: torch.bmm(torch.bmm(x, m.w).relu(), m.r), (2, 9, 3),
         w=lambda: weight(2, 3, 2), r=lambda: weight(2, 2, 3))),
    Case("mv", "mv", of(lambda m, x: torch.mv(m.w(x), m.v), (12, 3),
         w=lambda: linear(3, 3), v=lambda: weight(3))),
    Case("dot", "dot", of(lambda m, x: torch.dot(m.w(x).tanh()[0], m.v), (12, 3),
         w=lambda: linear(3, 3), v=lambda: weight(3))),
    Case("addmm", "addmm", of(lambda m, x: torch.addmm(m.b, torch.addmm(m.c, x, m.w), m.r),
         (12, 3), w=lambda: weight(3, 3), c=lambda: weight(3), r=lambda: weight(3, 2),
         b=lambda: weight(2))),
    Case("addmm-scaled", "addmm", of(
         lambda m, x: torch.addmm(m.b, torch.addmm(m.c, x, m.w, beta=0.5), m.r, alpha=2.0),
         (12, 3), w=lambda: weight(3, 3), c=lambda: weight(3), r=lambda: weight(3, 2),
         b=lambda: weight(2))),
    Case("baddbmm", "baddbmm", of(
         lambda m, x: torch.baddbmm(m.b, torch.baddbmm(m.c, x, m.w), m.r),
         (2, 9, 3), w=lambda: weight(2, 3, 2), c=lambda: weight(2, 1, 2), r=lambda: weight(2, 2, 3),
         b=lambda: weight(2, 1, 3))),
    Case("addmv", "addmv", of(lambda m, x: torch.addmv(m.b, m.w(x), m.v), (6, 3),
         w=lambda: linear(3, 3), v=lambda: weight(3), b=lambda: weight(6))),
    Case("outer", "outer", of(lambda m, x: x @ torch.outer(m.u, m.v), (12, 3),
         u=lambda: weight(3), v=lambda: weight(3))),
    Case("einsum", "einsum", of(lambda m, x: torch.einsum("bi,io,oj->bj", x, m.w, m.r), (12, 3),
         w=lambda: weight(3, 2), r=lambda: weight(2, 3))),
    Case("einsum-heads", "einsum", of(
         lambda m, x: torch.einsum("bhd,hdo->bo", torch.einsum("bi,ihd->bhd", x, m.w), m.r),
         (12, 5), w=lambda: weight(5, 2, 2), r=lambda: weight(2, 2, 4)),
         gap="two indices that are always read together", counts=(12, 16)),
    Case("einsum-ellipsis", "einsum", of(
         lambda m, x: torch.einsum("...i,oi->...o", torch.einsum("...i,oi->...o", x, m.w), m.r),
         (3, 4, 3), w=lambda: weight(2, 3), r=lambda: weight(3, 2))),
    Case("einsum-implicit", "einsum", of(lambda m, x: torch.einsum("bi,io", x, m.w) @ m.r, (12, 3),
         w=lambda: weight(3, 2), r=lambda: weight(2, 3))),
    Case("einsum-product", "einsum", pair(lambda u, v: torch.einsum("bi,bi->bi", u, v), 2)),
    Case("einsum-bilinear", "einsum", of(
         lambda m, x: torch.einsum("bi,bj,ijo->bo", m.u(x), m.v(x), m.t), (12, 3),
         u=lambda: linear(3, 2, False), v=lambda: linear(3, 2, False),
         t=lambda: weight(2, 2, 3))),
    Case("bilinear-read-by-less", "bilinear linear", of(
         lambda m, x: m.r(m.f(m.u(x).tanh(), m.v(x).sigmoid())), (40, 3), u=lambda: linear(3, 2),
         v=lambda: linear(3, 2), f=lambda: nn.Bilinear(2, 2, 3), r=lambda: linear(3, 2))),
    Case("bilinear-bent", "bilinear linear", of(
         lambda m, x: m.r(m.f(m.u(x).tanh(), m.v(x).sigmoid()).tanh()), (40, 3),
         u=lambda: linear(3, 2), v=lambda: linear(3, 2), f=lambda: nn.Bilinear(2, 2, 3),
         r=lambda: linear(3, 2))),
    Case("einsum-diagonal", "einsum", of(
         lambda m, x: m.r(torch.einsum("bii->bi", m.w(x))), (4, 3, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 2)),
         rigid=("aten.einsum.default",), gap="an index twice in one operand", counts=(0, 6)),
    Case("conv1d", "conv1d", conv(nn.Conv1d, 2, 3, d=1)),
    Case("conv2d", "conv2d", conv(nn.Conv2d, 2, 3)),
    Case("conv3d", "conv3d", conv(nn.Conv3d, 2, 2, d=3, size=3)),
    Case("conv2d-padded", "conv2d", conv(nn.Conv2d, 2, 3, padding=1)),
    Case("conv2d-same", "conv2d", conv(nn.Conv2d, 2, 3, padding="same")),
    Case("conv2d-same-pointwise", "conv2d", conv(nn.Conv2d, 2, 1, padding="same")),
    Case("conv2d-same-linear", "conv2d", straight(nn.Conv2d, 2, 1, padding="same")),
    Case("conv2d-reflect", "pad", conv(nn.Conv2d, 2, 3, padding=1, padding_mode="reflect")),
    Case("conv2d-circular", "pad", conv(nn.Conv2d, 2, 3, padding=1, padding_mode="circular")),
    Case("conv2d-stride", "conv2d", conv(nn.Conv2d, 2, 2, stride=2)),
    Case("conv2d-dilated", "conv2d", conv(nn.Conv2d, 2, 2, dilation=2)),
    Case("conv2d-grouped", "conv2d", conv(nn.Conv2d, 4, 2, c=4, groups=2, size=3)),
    Case("conv2d-depthwise", "conv2d", conv(nn.Conv2d, 3, 3, c=3, groups=3, padding=1)),
    Case("conv2d-multiplier", "conv2d", conv(nn.Conv2d, 4, 2, c=2, groups=2, size=3)),
    Case("conv2d-linear", "conv2d", straight(nn.Conv2d, 2, 2)),
    Case("conv2d-padded-linear", "conv2d", straight(nn.Conv2d, 2, 3, padding=1)),
    Case("conv2d-grouped-linear", "conv2d", straight(nn.Conv2d, 4, 2, c=4, groups=2)),
    Case("conv2d-depthwise-linear", "conv2d", straight(nn.Conv2d, 3, 2, c=3, groups=3)),
    Case("conv2d-flattened", "view", of(
         lambda m, x: m.r(m.w(x).relu().flatten(1)), (6, 2, 3, 3), w=lambda: nn.Conv2d(2, 3, 2),
         r=lambda: linear(12, 2))),
    Case("conv-transpose1d", "conv_transpose1d", conv(
         nn.ConvTranspose1d, 2, 3, d=1, stride=2, size=9)),
    Case("conv-transpose2d", "conv_transpose2d", conv(nn.ConvTranspose2d, 2, 2, stride=2, size=3)),
    Case("conv-transpose2d-linear", "conv_transpose2d",
         straight(nn.ConvTranspose2d, 2, 3, stride=2)),
    Case("conv-transpose2d-grouped", "conv_transpose2d",
         conv(nn.ConvTranspose2d, 4, 2, c=4, groups=2, size=3)),
    Case("conv-transpose3d", "conv_transpose3d", conv(nn.ConvTranspose3d, 2, 2, d=3, size=2)),
    Case("conv-functional", "conv2d", of(
         lambda m, x: F.conv2d(F.conv2d(x, m.w), m.r), (3, 2, 4, 4), w=lambda: weight(2, 2, 1, 1),
         r=lambda: weight(2, 2, 2, 2))),
    Case("conv-unbatched", "conv2d", of(
         lambda m, x: m.r(m.w(x).relu()), (2, 5, 5), w=lambda: nn.Conv2d(2, 2, 2),
         r=lambda: nn.Conv2d(2, 2, 1))),
    Case("unfold", "im2col", of(
         lambda m, x: m.r(F.unfold(m.w(x), 2).mT), (2, 2, 4, 4), w=lambda: nn.Conv2d(2, 2, 1),
         r=lambda: linear(8, 2))),
    Case("fold", "col2im", of(
         lambda m, x: F.fold(m.w(x).mT, (3, 3), 2), (2, 4, 3), w=lambda: linear(3, 8))),
    Case("lstm", "lstm.input", recurrent(nn.LSTM)),
    Case("lstm-two", "lstm.input", recurrent(nn.LSTM, num_layers=2, batch_first=True)),
    Case("lstm-bidirectional", "lstm.input", recurrent(nn.LSTM, bidirectional=True)),
    Case("lstm-no-bias", "lstm.input", recurrent(nn.LSTM, bias=False)),
    Case("gru", "gru.input", recurrent(nn.GRU)),
    Case("gru-two-bidirectional", "gru.input",
         recurrent(nn.GRU, num_layers=2, bidirectional=True, bias=False)),
    Case("rnn", "rnn_tanh.input", recurrent(nn.RNN)),
    Case("rnn-relu", "rnn_relu.input", recurrent(nn.RNN, nonlinearity="relu")),
    Case("embedding", "embedding", tokens(lambda m, i: m.r(m.e(i)), 8,
         e=lambda: nn.Embedding(5, 3), r=lambda: linear(3, 2)), bounds=FIVE),
    Case("embedding-tanh", "embedding", tokens(lambda m, i: m.r(m.e(i).tanh()), 8,
         e=lambda: nn.Embedding(12, 2), r=lambda: linear(2, 6)), bounds={"0": 12}),
    Case("embedding-tied", "embedding", tokens(
         lambda m, i: m.w(m.e(i)).tanh() @ m.e.weight.T, 8,
         e=lambda: nn.Embedding(12, 2), w=lambda: linear(2, 2)), bounds={"0": 12}),
    Case("embedding-position", "embedding add.Tensor", tokens(
         lambda m, i: m.r((m.e(i) + m.q(torch.arange(3))).tanh()), 4, 3,
         e=lambda: nn.Embedding(5, 3), q=lambda: nn.Embedding(4, 3), r=lambda: linear(3, 2)),
         bounds=FIVE),
    Case("embedding-counted", "embedding", token_pairs(counted, (6, 3), 2,
         e=lambda: nn.Embedding(5, 2), q=lambda: nn.Embedding(8, 2), r=lambda: linear(2, 3)),
         bounds=FIVE),
    Case("embedding-of-one-row", "embedding", token_pairs(typed, (6, 3), 2,
         e=lambda: nn.Embedding(5, 2), q=lambda: nn.Embedding(2, 2), r=lambda: linear(2, 3)),
         bounds=FIVE),
    Case("embedding-wrapped", "embedding", token_pairs(wrapped, (6, 3), 2,
         e=lambda: nn.Embedding(5, 2), q=lambda: nn.Embedding(5, 2), r=lambda: linear(2, 3)),
         bounds=FIVE),
    Case("embedding-bag", "embedding_bag", tokens(
         lambda m, i: m.r(m.e(i)), 6, 4, e=lambda: nn.EmbeddingBag(5, 3), r=lambda: linear(3, 3)),
         bounds=FIVE),
    Case("embedding-bag-sum", "embedding_bag", tokens(
         lambda m, i: m.r(m.e(i)), 6, 4, e=lambda: nn.EmbeddingBag(5, 3, mode="sum"),
         r=lambda: linear(3, 3)), bounds=FIVE),
    Case("embedding-bag-tanh", "embedding_bag", tokens(
         lambda m, i: m.r(m.e(i)).tanh(), 6, 4, e=lambda: nn.EmbeddingBag(5, 3, mode="sum"),
         r=lambda: linear(3, 4)), bounds=FIVE),
    Case("one-hot", "linear", tokens(lambda m, i: m.r(m.w(F.one_hot(i, 5).float())), 8,
         w=lambda: linear(5, 3), r=lambda: linear(3, 2)), bounds=FIVE),
    Case("weight-norm", "_weight_norm", of(
         lambda m, x: m.r(torch._weight_norm(m.v, m.g, 0) @ x.T), (12, 3),
         v=lambda: weight(4, 3), g=lambda: weight(4, 1), r=lambda: linear(12, 2))),
    Case("weight-norm-whole", "_weight_norm", of(
         lambda m, x: m.r(torch._weight_norm(m.v, m.g, -1) @ x.T), (12, 3),
         v=lambda: weight(4, 3), g=lambda: nn.Parameter(torch.randn(())), r=lambda: linear(12, 2))),
    Case("weight-norm-conv", "_weight_norm", of(
         lambda m, x: m.r(F.conv1d(x, torch._weight_norm(m.v, m.g, 0)).relu()), (3, 2, 5),
         v=lambda: weight(3, 2, 2), g=lambda: weight(3, 1, 1), r=lambda: nn.Conv1d(3, 2, 1))),
    Case("experts", "transformers.grouped_mm_fallback", of(experts, (12, 3),
         a=lambda: weight(2, 3, 3), c=lambda: weight(2, 3, 3), r=lambda: linear(3, 3))),
    Case("experts-uneven", "transformers.grouped_mm_fallback", of(experts, (13, 3),
         a=lambda: weight(2, 3, 3), c=lambda: weight(2, 3, 3), r=lambda: linear(3, 3)),
         gap="experts that do not divide the number of rows share one change of basis",
         counts=(12, 15)),
    Case("gain-beside-map", "linear mul.Tensor", of(
         lambda m, x: m.w(m.g * x) + m.h * x, (12, 3), w=lambda: linear(3, 3),
         g=lambda: weight(3), h=lambda: weight(3)),
         gap="a gain fits inside a matrix behind another gain", counts=(3, 6)),
    Case("lora", "linear add.Tensor", of(
         lambda m, x: m.r((m.w(x) + m.b(m.a(x))).tanh()), (12, 3), w=lambda: linear(3, 3),
         a=lambda: linear(3, 1, False), b=lambda: linear(1, 3, False), r=lambda: linear(3, 2))),
]  # fmt: skip
