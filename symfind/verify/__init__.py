"""The numerical side: a model as a function, its measured nullity, and the check of generators."""

from symfind.verify.function import Call, Function
from symfind.verify.invariance import Residual, Verification, verify
from symfind.verify.nullity import Nullity, measure_nullity, nullity_at
from symfind.verify.sampling import draw_like

__all__ = [
    "Call",
    "Function",
    "Nullity",
    "Residual",
    "Verification",
    "draw_like",
    "measure_nullity",
    "nullity_at",
    "verify",
]
