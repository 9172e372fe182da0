"""Rules by operation, and why others have none."""

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
_rules: dict[str, Rule] = {}

_ROOT = "takes a square root, which is not rational"
_TRANSCENDENTAL = "is not a rational function"
_REASONS = {
    **dict.fromkeys(
        ("sqrt", "rsqrt", "layer_norm", "native_layer_norm", "group_norm", "native_group_norm",
         "instance_norm", "rms_norm", "_fused_rms_norm", "linalg_vector_norm", "linalg_norm",
         "norm", "std", "_weight_norm", "_weight_norm_interface", "cdist", "_cdist_forward",
         "pairwise_distance", "cosine_similarity", "hypot"), _ROOT),
    **dict.fromkeys(
        ("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "tanh",
         "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "sigmoid",
         "log_sigmoid", "log_sigmoid_forward", "softplus", "gelu", "silu", "mish", "elu", "celu",
         "selu", "erf", "erfc", "erfinv", "softmax", "log_softmax", "logsumexp", "logaddexp",
         "scaled_dot_product_attention", "xlogy", "lgamma", "digamma", "sinc", "lstm", "gru",
         "rnn_tanh", "glu", "softmin", "logcumsumexp", "lstm_cell", "gru_cell"),
        _TRANSCENDENTAL),
}  # fmt: skip


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the exact rule of some ATen operations, overload optional.

    The function receives the tape, then the operation's own arguments: what depends on parameters
    or real inputs as a `Value`, other tensors as they are.

    Raises:
        ValueError: where an operation has a rule already.
    """

    def register(function: Rule) -> Rule:
        for name in names:
            if name in _rules:
                raise ValueError(f"{name} has an exact rule already")
            _rules[name] = function
        return function

    return register


def find(target: str) -> Rule | None:
    """The rule for `aten.add.Tensor`: of this overload, else of the operation."""
    space, _, name = target.partition(".")
    if space != "aten":
        return None
    return _rules.get(name) or _rules.get(name.partition(".")[0])


def reason(target: str) -> str:
    """Why an operation has no rule."""
    return _REASONS.get(target.removeprefix("aten.").partition(".")[0], "has no exact rule")


def registered() -> list[str]:
    """Operations that have a rule."""
    return sorted(_rules)
