"""Streams that are read raw and then centred: what adds to all entries alike is not seen."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def encoder(**more: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, batch_first=True, **more)


def residual(m: Any, x: Tensor, norm: Any) -> Tensor:
    x = m.e(x)
    return m.r(torch.tanh(norm(x + m.b(torch.tanh(m.a(x))))))


def ended(norm: Any, **more: Any) -> Any:
    return of(lambda m, x: residual(m, x, norm), (12, 6), e=lambda: linear(6, 4, False),
              a=lambda: linear(4, 3, False), b=lambda: linear(3, 4, False),
              r=lambda: linear(4, 2), **more)  # fmt: skip


CASES = [
    Case("post-norm stream", "layer_norm", ended(lambda z: F.layer_norm(z, (4,)))),
    Case("post-norm stream, eps zero", "layer_norm",
         ended(lambda z: F.layer_norm(z, (4,), eps=0.0))),
    Case("stream that only its mean leaves", "sub.Tensor",
         ended(lambda z: z - z.mean(-1, keepdim=True))),
    Case("stream before a softmax", "softmax", ended(lambda z: z.softmax(-1))),
    Case("stream before a norm without a mean", "rms_norm",
         ended(lambda z: F.rms_norm(z, (4,), eps=0.1))),
    Case("stream before a norm of groups", "group_norm", ended(lambda z: F.group_norm(z, 2)),
         gap="one direction for each group, and matrices across groups", counts=(10, 18)),
    Case("post-norm stream with a gain and a position", "layer_norm",
         of(lambda m, x: residual(m, x, lambda z: F.layer_norm(z * m.g + m.p, (4,))), (8, 3, 6),
            e=lambda: linear(6, 4), a=lambda: linear(4, 3), b=lambda: linear(3, 4),
            g=lambda: weight(4), p=lambda: weight(3, 4), r=lambda: linear(4, 2))),
    Case("encoder layer, norms last", "layer_norm",
         of(lambda m, x: m.r(torch.tanh(m.n(m.e(x)))), (2, 3, 5), e=lambda: linear(5, 4),
            n=encoder, r=lambda: linear(4, 2))),
    Case("encoder layer, norms first", "layer_norm",
         of(lambda m, x: m.r(torch.tanh(m.n(m.e(x)))), (2, 3, 5), e=lambda: linear(5, 4),
            n=lambda: encoder(norm_first=True), r=lambda: linear(4, 2))),
]  # fmt: skip
