"""Dimensions that are derived, discovered and measured, on modules of the ground truth."""

import symfind
from tests.discovery.models import ODD
from tests.ground_truth.models import CASES

NAMES = [
    "linear-5-4-3-6", "relu-6-5-4-6", "tanh-6-5-4-6", "softmax", "rmsnorm", "layernorm",
    "attention-bias", "swiglu", "lora", "weight-norm", "residual-linear",
]  # fmt: skip

print(f"{'':16}{'derived':>9}{'discovered':>12}{'measured':>10}")
models = [(c.name, c.build()[:2]) for c in CASES if c.name in NAMES]
models += [(odd.name, odd.build()) for odd in ODD[:5]]
for name, (model, args) in models:
    found = symfind.discover(model, args)
    derived = found.comparison.redundant
    print(f"{name:16}{derived:>9}{found.dimension:>12}{found.nullity:>10}")
