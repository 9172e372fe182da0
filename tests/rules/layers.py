"""Normalisations, reductions, attention, rotary embeddings, spatial maps, experts."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, between, images, linear, of, pair, sequences, weight
from tests.rules.norms import (
    layer_mean,
    layer_moments,
    layer_std,
    layer_var,
    layer_var_mean,
    rms_norm_op,
    rms_pow,
    rms_power,
    rms_product,
    rms_square,
)


def normed(kind: Any, a: int = 4, **more: Any) -> Any:
    return of(lambda m, x: m.r(m.n(m.w(x))), (12, a), w=lambda: linear(a, a), n=kind,
              r=lambda: linear(a, a), **more)  # fmt: skip


def channels(kind: Any, c: int = 3) -> Any:
    return of(lambda m, x: m.r(m.n(m.w(x))), (4, 2, 3, 3), w=lambda: nn.Conv2d(2, c, 1),
              n=kind, r=lambda: nn.Conv2d(c, c, 1))  # fmt: skip


def with_statistics(kind: Any, c: int) -> Any:
    def make() -> nn.Module:
        norm = kind(c, track_running_stats=True) if kind is not nn.BatchNorm2d else kind(c)
        norm.running_mean.copy_(torch.randn(c))
        norm.running_var.copy_(torch.rand(c) + 0.5)
        return norm

    return make


def scaled(run: Any, a: int = 4) -> Any:
    return of(lambda m, x: m.r(run(m.w(x)) * m.g), (12, a), w=lambda: linear(a, a),
              g=lambda: weight(a), r=lambda: linear(a, a))  # fmt: skip


def scaled_about(run: Any, a: int = 4) -> Any:
    return of(lambda m, x: m.r(run(m.w(x)) * (1 + m.g)), (12, a), w=lambda: linear(a, a),
              g=lambda: weight(a), r=lambda: linear(a, a))  # fmt: skip


OFFSETS = torch.tensor([0.5, -1.0, 2.0, 0.7])


L, D = 4, 4


def attention(run: Any, d: int = 4, bias: bool = True, **parts: Any) -> Any:
    """Separate projections of width `d` around an attention core."""
    return of(
        lambda m, x: m.o(run(m, m.q(x), m.k(x), m.v(x))), (3, L, 4),
        **{n: (lambda: linear(4, d, bias)) for n in "qkv"}, o=lambda: linear(d, 4, bias), **parts,
    )  # fmt: skip


def split(z: Tensor, h: int = 2) -> Tensor:
    return z.unflatten(-1, (h, -1)).transpose(1, 2)


def join(z: Tensor) -> Tensor:
    return z.transpose(1, 2).flatten(2)


def core(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / 2).softmax(-1) @ v


def sdpa(m: Any, q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return join(F.scaled_dot_product_attention(split(q), split(k), split(v), **options))


def packed(m: Any, x: Tensor) -> Tensor:
    q, k, v = m.qkv(x).chunk(3, -1)
    return m.o(sdpa(m, q, k, v))


def packed_heads(m: Any, x: Tensor) -> Tensor:
    b, n, _ = x.shape
    q, k, v = m.qkv(x).reshape(b, n, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    return m.o(join(F.scaled_dot_product_attention(q, k, v)))


def cut_heads(m: Any, x: Tensor, take: Any) -> Tensor:
    """Queries and keys of which a part is squashed; what cuts them does not cut the values."""
    q, k, v = take(m.qkv(x))
    q, k = (torch.cat([z[..., :1].tanh(), z[..., 1:]], -1) for z in (m.n(q), m.n(k)))
    return m.o(join((q @ k.mT).softmax(-1) @ v))


def taken(*order: int) -> Any:
    """Of an index of heads, pieces and widths in some order."""
    sizes = dict(zip(order, (2, 3, 3), strict=True))
    shape = [sizes[i] for i in range(3)]

    def take(z: Tensor) -> list[Tensor]:
        z = z.unflatten(-1, shape).movedim(2 + order[1], 0)
        return [z[i].transpose(1, 2) for i in range(3)]

    return take


def ranges(z: Tensor) -> list[Tensor]:
    z = z.view(*z.shape[:2], 3, 2, 3)
    return [one.flatten(2, 3).transpose(1, 2) for one in z.split([1, 1, 1], 2)]


def grouped(m: Any, x: Tensor) -> Tensor:
    q, k, v = split(m.q(x), 2), split(m.k(x), 1), split(m.v(x), 1)
    return m.o(join(F.scaled_dot_product_attention(q, k, v, enable_gqa=True)))


CAUSAL = torch.tril(torch.ones(L, L)).bool()
ANGLES = torch.arange(1.0, L + 1)[:, None] * torch.tensor([1.0, 0.3])
BIAS = torch.randn(L, L, generator=torch.Generator().manual_seed(0))


def half_split(z: Tensor) -> Tensor:
    cos, sin = (torch.cat([t, t], -1) for t in (ANGLES.cos(), ANGLES.sin()))
    a, b = z.chunk(2, -1)
    return z * cos + torch.cat([-b, a], -1) * sin


def interleaved(z: Tensor) -> Tensor:
    a, b = z[..., ::2], z[..., 1::2]
    c, s = ANGLES.cos(), ANGLES.sin()
    return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2)


def turned(z: Tensor) -> Tensor:
    pairs = torch.view_as_complex(z.reshape(*z.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(ANGLES), ANGLES)).flatten(-2)


def partial(z: Tensor) -> Tensor:
    return torch.cat([half_split(z[..., :4]), z[..., 4:]], -1)


def joined(still: Tensor, moving: Tensor) -> Tensor:
    return torch.cat([still, half_split(moving)], -1)


def rope(turn: Any, d: int = 4, bias: bool = False) -> Any:
    return of(
        lambda m, x: m.o(core(turn(m.q(x)), turn(m.k(x)), m.v(x))), (3, L, 3),
        q=lambda: linear(3, d, bias), k=lambda: linear(3, d, bias), v=lambda: linear(3, 2, bias),
        o=lambda: linear(2, 3, bias),
    )  # fmt: skip


def routed(m: Any, x: Tensor) -> Tensor:
    """A choice of two of four by logits, with a softmax of the chosen."""
    values, chosen = m.g(x).topk(2)
    hot = (chosen.unsqueeze(-1) == torch.arange(4)).to(x.dtype)
    mixed = torch.einsum("tk,tke,ed->td", values.softmax(-1), hot, m.e)
    return m.r((mixed * x).sin())


SHIFTED = "equal shifts along the dimension"

CASES = [
    Case("gain-before-norm", "mul.Tensor", of(
         lambda m, x: m.r(m.n(m.w(x) * m.g)), (12, 4), w=lambda: linear(4, 4),
         g=lambda: weight(4), n=lambda: nn.LayerNorm(4), r=lambda: linear(4, 3))),
    Case("gain-on-a-branch", "mul.Tensor", of(
         lambda m, x: m.r(m.n(m.e(x) + m.w(x.tanh()) * m.g)), (12, 4), e=lambda: linear(4, 4),
         w=lambda: linear(4, 4), g=lambda: weight(4), n=lambda: nn.LayerNorm(4),
         r=lambda: linear(4, 3))),
    Case("gain-after-permute", "transpose", of(
         lambda m, x: m.r(m.n((m.e(x).transpose(1, 2) + m.g.view(-1, 1) * m.w(x.tanh()).mT).mT)),
         (4, 3, 4), e=lambda: linear(4, 4), w=lambda: linear(4, 4), g=lambda: weight(4),
         n=lambda: nn.LayerNorm(4), r=lambda: linear(4, 3))),
    Case("gain-before-narrow", "mul.Tensor", of(
         lambda m, x: m.r(m.w(x.tanh()) * m.g), (12, 4), w=lambda: linear(4, 5),
         g=lambda: weight(5), r=lambda: linear(5, 3))),
    Case("gain-before-softmax", "mul.Tensor", of(
         lambda m, x: m.r((m.w(x) * m.g).softmax(-1)), (12, 4), w=lambda: linear(4, 4),
         g=lambda: weight(4), r=lambda: linear(4, 3))),
    Case("layer-norm", "layer_norm", normed(lambda: nn.LayerNorm(4))),
    Case("layer-norm-no-eps", "layer_norm", normed(lambda: nn.LayerNorm(4, eps=0.0))),
    Case("layer-norm-plain", "layer_norm",
         normed(lambda: nn.LayerNorm(4, elementwise_affine=False))),
    Case("rms-norm", "rms_norm", normed(lambda: nn.RMSNorm(4, eps=0.1))),
    Case("rms-norm-default", "rms_norm", normed(lambda: nn.RMSNorm(4))),
    Case("batch-norm", "batch_norm", channels(with_statistics(nn.BatchNorm2d, 3))),
    Case("batch-norm-train", "batch_norm", channels(lambda: nn.BatchNorm2d(3, eps=0.1)),
         train=True),
    Case("batch-norm-plain", "batch_norm", channels(lambda: nn.BatchNorm2d(3, affine=False))),
    Case("batch-norm-relu", "batch_norm", of(
         lambda m, x: m.r(m.n(m.w(x)).relu()), (4, 2, 3, 3), w=lambda: nn.Conv2d(2, 3, 1),
         n=with_statistics(nn.BatchNorm2d, 3), r=lambda: nn.Conv2d(3, 3, 1))),
    Case("group-norm", "group_norm", channels(lambda: nn.GroupNorm(2, 4), 4)),
    Case("instance-norm", "instance_norm", channels(lambda: nn.InstanceNorm2d(3, affine=True))),
    Case("instance-norm-statistics", "instance_norm",
         channels(with_statistics(nn.InstanceNorm2d, 3))),
    Case("rms-norm-about-one", "rsqrt add.Tensor", scaled_about(lambda z: rms_pow(z, 0.1))),
    Case("modulated", "add.Tensor split.Tensor", of(
         lambda m, x: m.r(F.layer_norm(x, (4,)) * (1 + m.s(x).chunk(2, -1)[0])
                          + m.s(x).chunk(2, -1)[1]),
         (12, 4), s=lambda: linear(4, 8), r=lambda: linear(4, 4))),
    Case("shifted-channels", "relu add.Tensor", of(
         lambda m, x: m.r((m.w(x) * OFFSETS + OFFSETS).relu() - 1.5), (12, 4),
         w=lambda: linear(4, 4), r=lambda: linear(4, 3))),
    Case("rms-pow", "rsqrt", scaled(rms_pow)),
    Case("rms-pow-eps", "rsqrt", scaled(lambda z: rms_pow(z, 0.1))),
    Case("rms-square", "square", scaled(rms_square)),
    Case("rms-product", "sum", scaled(rms_product)),
    Case("rms-of-norm", "linalg_vector_norm", scaled(rms_norm_op)),
    Case("rms-power", "pow.Tensor_Scalar", scaled(rms_power)),
    Case("normalize", "linalg_vector_norm clamp_min", scaled(lambda z: F.normalize(z, dim=-1))),
    Case("cosine", "cosine_similarity", of(
         lambda m, x: F.cosine_similarity(m.u(x), m.v(x), dim=-1), (12, 4),
         u=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("cosine-all-pairs", "cosine_similarity", of(
         lambda m, x: F.cosine_similarity(m.u(x)[:, None], m.v(x)[None], dim=-1), (6, 4),
         u=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("layer-mean", "sub.Tensor", scaled(layer_mean)),
    Case("layer-mean-eps", "sub.Tensor", scaled(lambda z: layer_mean(z, 0.1))),
    Case("layer-moments", "sub.Tensor", scaled(layer_moments)),
    Case("layer-var", "var", scaled(layer_var)),
    Case("layer-std", "std", scaled(layer_std)),
    Case("layer-var-mean", "var_mean", scaled(layer_var_mean)),
    Case("std-mean", "std_mean", sequences(lambda z: torch.stack(torch.std_mean(z, 1), 1), 2)),
    Case("mean", "mean", sequences(lambda z: z.relu().mean(1))),
    Case("sum", "sum", sequences(lambda z: z.relu().sum(1))),
    Case("sum-linear", "sum", sequences(lambda z: z.sum(1), 3)),
    Case("sum-features", "sum", between(lambda z: z.relu().sum(1, keepdim=True), 4, 1)),
    Case("amax", "amax", sequences(lambda z: z.amax(1))),
    Case("amin", "amin", sequences(lambda z: z.amin(1))),
    Case("max", "max.dim", sequences(lambda z: z.max(1).values)),
    Case("min", "min.dim", sequences(lambda z: z.min(1).values)),
    Case("max-all", "max", sequences(lambda z: z.max() * z, 1)),
    Case("min-all", "min", sequences(lambda z: z.min() * z, 1)),
    Case("median", "median.dim", sequences(lambda z: z.median(1).values)),
    Case("mode", "mode", sequences(lambda z: z.mode(1).values)),
    Case("kthvalue", "kthvalue", sequences(lambda z: z.kthvalue(2, 1).values)),
    Case("sort", "sort", sequences(lambda z: z.sort(1).values)),
    Case("topk", "topk", sequences(lambda z: z.topk(2, 1).values)),
    Case("sort-stable", "sort", sequences(lambda z: torch.sort(z, dim=1, stable=True).values)),
    Case("router", "topk", of(routed, (40, 3), g=lambda: linear(3, 4), e=lambda: weight(4, 3),
         r=lambda: linear(3, 3))),
    Case("argmax-gate", "argmax", of(
         lambda m, x: m.r(x * F.one_hot(m.g(x).argmax(-1), 3) + m.g(x).softmax(-1)), (40, 3),
         g=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("logsumexp", "logsumexp", sequences(lambda z: z.logsumexp(1))),
    Case("logcumsumexp", "logcumsumexp", sequences(lambda z: z.logcumsumexp(1))),
    Case("prod", "prod", sequences(lambda z: z.prod(1))),
    Case("cumsum", "cumsum", sequences(lambda z: z.relu().cumsum(1))),
    Case("diff", "diff", sequences(lambda z: z.relu().diff(dim=1))),
    Case("norm", "linalg_vector_norm", sequences(lambda z: z.norm(dim=1))),
    Case("norm-one", "linalg_vector_norm", sequences(lambda z: z.norm(p=1, dim=1))),
    Case("add-scalar", "add.Tensor", between(lambda z: (z + 1).relu())),
    Case("rsub", "rsub.Scalar", between(lambda z: (1 - z).relu())),
    Case("sub", "sub.Tensor", pair(lambda u, v: u.relu() - v.sin(), 3)),
    Case("div", "div.Tensor", pair(lambda u, v: u / v, 2)),
    Case("mul-scalar", "mul.Tensor", between(lambda z: (2 * z).relu())),
    Case("addcmul", "addcmul", of(lambda m, x: m.r(torch.addcmul(m.b, m.w(x), m.g).relu()),
         (12, 3), w=lambda: linear(3, 3), b=lambda: weight(3), g=lambda: weight(3),
         r=lambda: linear(3, 3))),
    Case("addcdiv", "addcdiv", of(lambda m, x: m.r(torch.addcdiv(m.b, m.w(x), m.g).sin()),
         (12, 3), w=lambda: linear(3, 3), b=lambda: weight(3), g=lambda: weight(3),
         r=lambda: linear(3, 3))),
    Case("lerp", "lerp.Scalar", pair(lambda u, v: torch.lerp(u.relu(), v.relu(), 0.3))),
    Case("lerp-tensor", "lerp.Tensor", of(
         lambda m, x: m.r(torch.lerp(m.u(x).sin(), m.v(x).sin(), m.g)), (12, 3),
         u=lambda: linear(3, 3), v=lambda: linear(3, 3), g=lambda: weight(3),
         r=lambda: linear(3, 3))),
    Case("softmax", "softmax", between(lambda z: z.softmax(-1))),
    Case("log-softmax", "log_softmax", between(lambda z: z.log_softmax(-1))),
    Case("softmax-rows", "softmax", sequences(lambda z: z.softmax(1) * z, 2)),
    Case("attention", "softmax matmul", attention(lambda m, q, k, v: core(q, k, v), 2)),
    Case("attention-masked", "softmax masked_fill", attention(
         lambda m, q, k, v: (q @ k.mT).masked_fill(~CAUSAL, float("-inf")).softmax(-1) @ v, 2)),
    Case("attention-where", "softmax where", attention(
         lambda m, q, k, v: torch.where(CAUSAL, q @ k.mT, -1e9).softmax(-1) @ v, 2)),
    Case("attention-biased", "softmax", attention(
         lambda m, q, k, v: (q @ k.mT + m.b).softmax(-1) @ v, 2, b=lambda: weight(L, L))),
    Case("attention-constant", "softmax", attention(
         lambda m, q, k, v: (q @ k.mT + BIAS).softmax(-1) @ v, 2)),
    Case("sdpa", "scaled_dot_product_attention", attention(sdpa)),
    Case("sdpa-causal", "scaled_dot_product_attention",
         attention(lambda *a: sdpa(*a, is_causal=True))),
    Case("sdpa-masked", "scaled_dot_product_attention",
         attention(lambda *a: sdpa(*a, attn_mask=CAUSAL))),
    Case("sdpa-biased", "scaled_dot_product_attention",
         attention(lambda m, *a: sdpa(m, *a, attn_mask=m.b), b=lambda: weight(2, L, L))),
    Case("packed", "scaled_dot_product_attention split.Tensor", of(
         packed, (3, L, 4), qkv=lambda: linear(4, 12), o=lambda: linear(4, 4))),
    Case("packed-normed", "layer_norm scaled_dot_product_attention split.Tensor", of(
         lambda m, x: packed(m, m.n(x)), (3, L, 4), n=lambda: nn.LayerNorm(4),
         qkv=lambda: linear(4, 12, False), o=lambda: linear(4, 4))),
    Case("packed-heads", "scaled_dot_product_attention unbind", of(
         packed_heads, (3, L, 4), qkv=lambda: linear(4, 12), o=lambda: linear(4, 4))),
    *(Case(f"cut-heads-{name}", "softmax", of(
        lambda m, x, take=take: cut_heads(m, x, take), (3, L, 4), qkv=lambda: linear(4, 18),
        n=norm, o=lambda: linear(6, 4)))
      for name, take, norm in (
          ("inside", taken(0, 1, 2), nn.Identity), ("outside", taken(1, 0, 2), nn.Identity),
          ("normed", taken(0, 1, 2), lambda: nn.LayerNorm(3)), ("split", ranges, nn.Identity))),
    Case("grouped-queries", "scaled_dot_product_attention", of(
         grouped, (3, L, 4), q=lambda: linear(4, 4), k=lambda: linear(4, 2),
         v=lambda: linear(4, 2), o=lambda: linear(4, 4))),
    Case("rope-half-split", "softmax", rope(half_split)),
    Case("rope-half-split-bias", "softmax", rope(half_split, bias=True)),
    Case("rope-interleaved", "softmax", rope(interleaved)),
    Case("rope-complex", "softmax", rope(turned)),
    Case("rope-partial", "softmax", rope(partial, 6)),
    Case("rope-partial-bias", "softmax", rope(partial, 6, bias=True)),
    Case("rope-joined", "softmax split_with_sizes", of(
         lambda m, x: m.o(core(joined(*m.q(x).split([2, 4], -1)), joined(m.k(x), m.t(x)), m.v(x))),
         (3, L, 3), q=lambda: linear(3, 6, False), k=lambda: linear(3, 2, False),
         t=lambda: linear(3, 4, False), v=lambda: linear(3, 2, False),
         o=lambda: linear(2, 3, False))),
    Case("max-pool1d", "max_pool1d", images(lambda z: F.max_pool1d(z, 2), d=1)),
    Case("max-pool2d", "max_pool2d", images(lambda z: F.max_pool2d(z, 2))),
    Case("max-pool3d", "max_pool3d", images(lambda z: F.max_pool3d(z, 2), d=3)),
    Case("max-pool2d-indices", "max_pool2d_with_indices",
         images(lambda z: F.max_pool2d(z, 2, return_indices=True)[0])),
    Case("adaptive-max-pool1d", "adaptive_max_pool1d",
         images(lambda z: F.adaptive_max_pool1d(z, 2), d=1)),
    Case("adaptive-max-pool2d", "adaptive_max_pool2d",
         images(lambda z: F.adaptive_max_pool2d(z, 2))),
    Case("adaptive-max-pool3d", "adaptive_max_pool3d",
         images(lambda z: F.adaptive_max_pool3d(z, 2), d=3)),
    *(Case(f"avg-pool{d}d", f"avg_pool{d}d",
         images(lambda z, d=d: getattr(F, f"avg_pool{d}d")(z.relu(), 2), d=d)) for d in (1, 2, 3)),
    Case("avg-pool2d-linear", "avg_pool2d", images(lambda z: F.avg_pool2d(z, 2))),
    Case("avg-pool2d-padded", "avg_pool2d", images(
         lambda z: F.avg_pool2d(z, 3, stride=1, padding=1))),
    *(Case(f"adaptive-avg-pool{d}d", f"adaptive_avg_pool{d}d",
         images(lambda z, d=d: getattr(F, f"adaptive_avg_pool{d}d")(z.relu(), 2), d=d))
      for d in (1, 2, 3)),
    *(Case(f"upsample-{mode}-{d}d", f"upsample_{mode}{d}d",
         images(lambda z, m=mode, d=d: F.interpolate(z.relu(), scale_factor=2, mode=m), d=d,
                size=3 if d < 3 else 2))
      for mode, d in [("nearest", 1), ("nearest", 2), ("nearest", 3), ("linear", 1),
                      ("bilinear", 2), ("trilinear", 3), ("bicubic", 2)]),
    *(Case(f"upsample-exact-{d}", f"_upsample_nearest_exact{d}d",
         images(lambda z, d=d: F.interpolate(z.relu(), size=5, mode="nearest-exact"), d=d, size=3))
      for d in (1, 2, 3)),
    *(Case(f"upsample-{mode}-smooth", f"_upsample_{mode}2d_aa",
         images(lambda z, m=mode: F.interpolate(z.relu(), size=2, mode=m, antialias=True)))
      for mode in ("bilinear", "bicubic")),
    Case("grid-sample", "grid_sampler", of(
         lambda m, x, g: m.r(F.grid_sample(m.w(x), g.tanh(), align_corners=True)),
         (2, 2, 4, 4), (2, 3, 3, 2), w=lambda: nn.Conv2d(2, 2, 1), r=lambda: nn.Conv2d(2, 2, 1)),
         gap="a grid that never leaves the image", counts=(4, 6)),
    Case("pad", "pad", images(lambda z: F.pad(z, (1, 1, 0, 1)).relu())),
    Case("pad-linear", "pad", images(lambda z: F.pad(z, (1, 1, 0, 1)))),
    Case("pad-one", "pad", images(lambda z: F.pad(z, (1, 1), value=1.0).relu())),
    Case("pad-crop", "pad", images(lambda z: F.pad(z, (-1, 1)).relu())),
    Case("pad-features", "pad", between(lambda z: F.pad(z.relu(), (1, 0)), 3, 4)),
    *(Case(f"pad-{mode}-{d}d", "pad",
         images(lambda z, m=mode: F.pad(z.relu(), (1, 1) * (z.dim() - 2), mode=m), d=d, size=3))
      for mode in ("reflect", "replicate", "circular") for d in (1, 2)),
]  # fmt: skip
