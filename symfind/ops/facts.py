"""What is true of an operation whatever the model: one row for each, one column for each fact."""

from dataclasses import dataclass

from symfind.trace import Op

_ROOT = "takes a square root, which is not rational"
_TRANSCENDENTAL = "is not a rational function"
ARGUMENTS = "arguments"  # kinks that are not the operation's own


@dataclass(frozen=True)
class Facts:
    """Places are those of positional arguments.

    Attributes:
        eps: of the small number under a root that keeps a normalisation away from zero.
        weight: of what every channel is multiplied with.
        bias: of what is added to every channel.
        index: of the integers that are looked up in the first argument.
        bends: where a smooth function bends; far from there it is as good as linear or constant.
        kinks: where the slope of a function jumps, `ARGUMENTS` where its arguments say so.
        moves: every entry of the result is one of the first argument's.
        truth: every entry of the result is 0 or 1.
        irrational: why there is no exact rule.
    """

    eps: int | None = None
    weight: int | None = None
    bias: int | None = None
    index: int | None = None
    kinks: tuple[float, ...] | str = ()
    bends: tuple[float, ...] = ()
    moves: bool = False
    truth: bool = False
    irrational: str = ""


_NOTHING = Facts()
_AT_ZERO = (0.0,)
TABLE: dict[str, Facts] = {
    # normalisations
    "layer_norm": Facts(eps=4, weight=2, bias=3, irrational=_ROOT),
    "native_layer_norm": Facts(eps=4, irrational=_ROOT),
    "group_norm": Facts(eps=4, weight=2, bias=3, irrational=_ROOT),
    "rms_norm": Facts(eps=3, irrational=_ROOT),
    "_fused_rms_norm": Facts(eps=3, irrational=_ROOT),
    "batch_norm": Facts(eps=7, weight=1, bias=2),
    "instance_norm": Facts(weight=1, bias=2, irrational=_ROOT),
    # weights
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"),
        Facts(weight=1, bias=2)),
    "addmm": Facts(weight=2, bias=0),
    **dict.fromkeys(("matmul", "mm"), Facts(weight=1)),
    # look-ups
    "embedding": Facts(index=1),
    "index": Facts(index=1, moves=True),
    **dict.fromkeys(("index_select", "gather"), Facts(index=2, moves=True)),
    "take_along_dim": Facts(index=2),
    # movements
    **dict.fromkeys(
        ("_to_copy", "chunk", "clone", "contiguous", "detach", "expand", "flatten", "flip",
         "getitem", "permute", "repeat", "reshape", "roll", "select", "slice", "split",
         "squeeze", "t", "transpose", "unsqueeze", "view"),
        Facts(moves=True)),
    # truths
    **dict.fromkeys(("gt", "ge", "lt", "le"), Facts(truth=True, kinks=ARGUMENTS)),
    **dict.fromkeys(
        ("eq", "ne", "logical_not", "logical_and", "logical_or", "any", "all", "isnan", "isinf",
         "isfinite"),
        Facts(truth=True)),
    # piecewise functions
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "rrelu", "abs", "sign"), Facts(kinks=_AT_ZERO)),
    **dict.fromkeys(
        ("elu", "celu", "selu"), Facts(kinks=_AT_ZERO, irrational=_TRANSCENDENTAL)
    ),
    "relu6": Facts(kinks=(0.0, 6.0)),
    **dict.fromkeys(("hardswish", "hardsigmoid"), Facts(kinks=(-3.0, 3.0))),
    **dict.fromkeys(
        ("hardtanh", "clamp", "clamp_min", "clamp_max", "threshold"), Facts(kinks=ARGUMENTS)
    ),
    # smooth functions that saturate, at one end or both
    **dict.fromkeys(
        ("tanh", "sigmoid", "log_sigmoid", "log_sigmoid_forward", "softplus", "gelu", "silu",
         "mish", "erf", "erfc", "atan"),
        Facts(bends=_AT_ZERO, irrational=_TRANSCENDENTAL)),
    # no rational functions
    **dict.fromkeys(
        ("sqrt", "rsqrt", "native_group_norm", "linalg_vector_norm",
         "linalg_norm", "norm", "std", "_weight_norm", "_weight_norm_interface", "cdist",
         "_cdist_forward", "pairwise_distance", "cosine_similarity", "hypot"),
        Facts(irrational=_ROOT)),
    **dict.fromkeys(
        ("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan",
         "asin", "acos", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh",
         "erfinv", "softmax", "log_softmax", "logsumexp", "logaddexp",
         "scaled_dot_product_attention", "xlogy", "lgamma", "digamma", "sinc", "lstm", "gru",
         "rnn_tanh", "glu", "softmin", "logcumsumexp", "lstm_cell", "gru_cell"),
        Facts(irrational=_TRANSCENDENTAL)),
}  # fmt: skip


def facts(op: Op) -> Facts:
    """The row of an operation, an empty one where nothing is known."""
    return TABLE.get(op.base, _NOTHING)
