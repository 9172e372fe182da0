"""Operations called by their own names, and those that are locally constant."""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.rules.harness import Case, between, images, linear, of, pair, sequences

ops = torch.ops.aten
SLOPE = "a shift of the dividend"
BOUNDS = torch.tensor([-0.5, 0.0, 0.5])

_STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "sign": torch.sign,
    "sgn": torch.sgn,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "trunc": torch.trunc,
    "floor_divide": lambda z: z.detach() // 0.5,
    "div.Tensor_mode": lambda z: torch.div(z, torch.tensor(0.5), rounding_mode="floor"),
    "eq": lambda z: z == 0.5,
    "ne": lambda z: z != 0.5,
    "lt": lambda z: z < 0,
    "le": lambda z: z <= 0,
    "gt": lambda z: z > 0,
    "ge": lambda z: z >= 0,
    "isnan": torch.isnan,
    "isinf": torch.isinf,
    "isfinite": torch.isfinite,
    "logical_not": torch.logical_not,
    "logical_and": lambda z: torch.logical_and(z > 0, z < 1),
    "logical_or": lambda z: torch.logical_or(z > 0, z < -1),
    "bitwise_not": lambda z: ~(z > 0),
    "bitwise_and": lambda z: (z > 0) & (z < 1),
    "bitwise_or": lambda z: (z > 1) | (z < 0),
    "any": lambda z: (z > 1).any(1, keepdim=True),
    "all": lambda z: (z > -1).all(1, keepdim=True),
    "argmax": lambda z: z.argmax(1, keepdim=True),
    "argmin": lambda z: z.argmin(1, keepdim=True),
    "histc": lambda z: torch.histc(z, 2),
    "searchsorted": lambda z: torch.searchsorted(BOUNDS.to(z), z),
    "bucketize": lambda z: torch.bucketize(z, BOUNDS.to(z)),
    "fmod.Scalar": lambda z: torch.fmod(z, 0.7),
    "remainder.Scalar": lambda z: torch.remainder(z, 0.7),
}


def _step(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.sin(z) * (run(z).to(z) + 1.5)


CASES = [
    *(Case(name, name, between(_step(run), 2)) for name, run in _STEPS.items()),
    Case("fmod", "fmod.Tensor", pair(lambda u, v: torch.fmod(u, v * v + 1), 2),
         gap=SLOPE, counts=(0, 2)),
    Case("remainder", "remainder.Tensor", pair(lambda u, v: torch.remainder(u, v * v + 1), 2),
         gap=SLOPE, counts=(0, 2)),
    Case("min-other", "min.other", pair(lambda u, v: torch.min(u, v), 2)),
    Case("vstack", "vstack", pair(lambda u, v: torch.vstack([u.sin(), v.cos()]), 2)),
    Case("column-stack", "column_stack",
         pair(lambda u, v: torch.column_stack([u.relu(), v.sin()]), 2, 4)),
    Case("triu", "triu", sequences(lambda z: z @ (z.mT @ z).triu())),
    Case("diag", "diag", of(lambda m, x: m.r(torch.diag(m.w(x)[:3])), (12, 3),
         w=lambda: linear(3, 3), r=lambda: linear(3, 2)), rigid=("aten.diag.default",),
         gap="diagonals", counts=(0, 6)),
    Case("diag-embed", "diag_embed", sequences(lambda z: torch.diag_embed(z).sum(-1)),
         rigid=("aten.diag_embed.default",), gap="diagonals", counts=(0, 20)),
    Case("constant-pad", "constant_pad_nd",
         images(lambda z: ops.constant_pad_nd(z, [1, 1], 0.0).relu())),
    Case("constant-pad-one", "constant_pad_nd",
         images(lambda z: ops.constant_pad_nd(z, [1, 1], 1.0))),
    *(Case(f"{kind}-pad{d}d", f"{kind}_pad{d}d", images(
         lambda z, k=kind, d=d: getattr(ops, f"{k}_pad{d}d")(z.relu(), [1, 1] * d), d=d, size=3))
      for kind in ("reflection", "replication") for d in (1, 2, 3)),
    Case("max-pool1d-indices", "max_pool1d_with_indices",
         images(lambda z: ops.max_pool1d_with_indices(z, [2])[0], d=1)),
    Case("max-pool3d-indices", "max_pool3d_with_indices",
         images(lambda z: ops.max_pool3d_with_indices(z, [2, 2, 2])[0], d=3)),
    Case("native-layer-norm", "native_layer_norm",
         between(lambda z: ops.native_layer_norm(z, [4], None, None, 0.1)[0])),
    Case("convolution", "convolution", of(
         lambda m, x: m.r(ops.convolution(x, m.w.weight, m.w.bias, [1, 1], [0, 0], [1, 1], False,
                                          [0, 0], 1).relu()), (2, 2, 4, 4),
         w=lambda: torch.nn.Conv2d(2, 2, 2), r=lambda: torch.nn.Conv2d(2, 2, 1))),
    Case("safe-softmax", "_safe_softmax", between(lambda z: ops._safe_softmax(z, -1))),
    Case("add-scalar-itself", "add.Scalar", between(lambda z: ops.add.Scalar(z, 1).relu())),
    Case("sub-scalar-itself", "sub.Scalar", between(lambda z: ops.sub.Scalar(z, 1).relu())),
    Case("mul-scalar-itself", "mul.Scalar", between(lambda z: ops.mul.Scalar(z, 2).relu())),
    Case("div-scalar-itself", "div.Scalar", between(lambda z: ops.div.Scalar(z, 2).relu())),
    Case("cast", "_to_copy", between(lambda z: (z.sin() * (z > 0).to(torch.float32)))),
]  # fmt: skip
