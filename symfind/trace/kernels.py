"""Run single operations with torch, in double precision."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from symfind.errors import TraceError
from symfind.trace.graph import Op

_WIDE = {torch.complex64: torch.complex128, torch.complex32: torch.complex128}


def widen_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which values of ``dtype`` are computed."""
    return torch.float64 if dtype.is_floating_point else _WIDE.get(dtype, dtype)


def widen(result: Any) -> Any:
    """Bring every tensor in ``result`` to its wide dtype."""
    if isinstance(result, Tensor):
        wide = widen_dtype(result.dtype)
        return result if result.dtype == wide else result.to(wide)
    if isinstance(result, (tuple, list)):
        return type(result)(widen(item) for item in result)
    return result


@cache
def resolve(target: str) -> Callable[..., Any]:
    """The torch operator named by ``target``; raises TraceError where there is none."""
    namespace, _, rest = target.partition(".")
    name, _, overload = rest.rpartition(".")
    try:
        return getattr(getattr(getattr(torch.ops, namespace), name), overload)
    except (AttributeError, RuntimeError) as error:
        raise TraceError(f"operation {target} is not one that torch can run by itself") from error


@cache
def _takes_dtype(target: str) -> bool:
    schema = getattr(resolve(target), "_schema", None)
    return schema is not None and any(
        argument.name == "dtype" and argument.kwarg_only for argument in schema.arguments
    )


def run(op: Op, args: tuple, kwargs: dict[str, Any], device: torch.device) -> Any:
    """The result of ``op`` on concrete operands, floating results in float64."""
    target = op.target
    if target == "getitem":
        return args[0][args[1]]
    if target == "output":
        return args[0]
    if target == "aten.view.default":
        # reshape, because the copies that made views legal have been removed from the graph
        return args[0].reshape(args[1])
    kwargs = {k: widen_dtype(v) if isinstance(v, torch.dtype) else v for k, v in kwargs.items()}
    args = tuple(widen_dtype(v) if isinstance(v, torch.dtype) else v for v in args)
    if target == "aten.batch_norm.default":
        x, weight, bias, mean, var, training, momentum, eps = args
        if training:
            mean = var = None  # statistics of the batch are used, and updating buffers is not
        return torch.ops.aten.batch_norm.default(
            x, weight, bias, mean, var, training, momentum, eps, False
        )
    if target == "aten.embedding.default":
        args = args[:2]  # that a row has no gradient is no property of the function
    function = resolve(target)
    operands = any(isinstance(a, Tensor) for a in _leaves(args))
    if op.dtype is not None and op.dtype.is_floating_point and _takes_dtype(target):
        kwargs.setdefault("dtype", torch.float64)
    if not operands and _takes_dtype(target):
        kwargs["device"] = device
    return widen(function(*args, **kwargs))


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in _leaves(item)]
    return [tree]
