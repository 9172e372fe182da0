"""What the recorder asks of an operator: what it writes, and what depends on values."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from symfind.trace.simplify import spelled

_RENAMED = {"normal_": "normal_functional", "_index_put_impl_": "index_put"}
_RESTRIDE = {
    "squeeze_", "unsqueeze_", "t_", "transpose_", "swapaxes_", "swapdims_",
}  # fmt: skip
_FILLS = {
    "zeros_like", "ones_like", "full_like", "empty_like",
    "new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided",
}  # fmt: skip
# composites that are not tagged
_COUNTS = {"aten.where.default", "aten.nonzero_numpy.default", "aten.argwhere.default"}
_NOTHING = {"detach_", "requires_grad_"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one operator from its schema.

    Attributes:
        mutable: it writes to its arguments.
        written: position, or name, of the one argument that it writes; None where it writes none,
            or several.
        functional: the operator that computes the same and writes nothing.
        nothing: writing changes no value.
        restrides: it changes how its argument looks at its memory, and no value.
        random: it draws random numbers, whatever its arguments.
        counts: how many entries it results in may depend on values.
        reads: it results in a Python number.
        device: position, or name, of the argument that says where the result shall be.
        fills: it makes a constant of the shape of its argument, or by its dtype and device.
        view: its result looks at the memory of its argument.
        parts: the same as other operators together, which are known better.
    """

    mutable: bool
    written: int | str | None
    functional: Any
    nothing: bool
    restrides: bool
    random: bool
    counts: bool
    reads: bool
    device: int | str | None
    fills: bool
    view: bool
    parts: bool


@cache
def facts(func: Any) -> Facts:
    """The facts of an operator, from its schema and tags."""
    schema, tags = func._schema, func.tags
    name = schema.name.rpartition("::")[2]
    mutable = bool(schema.is_mutable)
    return Facts(
        mutable=mutable,
        written=_written(schema) if mutable else None,
        functional=_functional(func, name) if mutable else func,
        nothing=name in _NOTHING,
        restrides=name in _RESTRIDE,
        random=torch.Tag.nondeterministic_seeded in tags and not _switched(schema),
        counts=torch.Tag.dynamic_output_shape in tags or str(func) in _COUNTS,
        reads=torch.Tag.data_dependent_output in tags or name == "is_nonzero",
        device=_device(schema),
        fills=name in _FILLS,
        view=func.is_view,
        parts=_composite(func) and (_steps(schema) or (func.is_view and not spelled(name))),
    )


def _switched(schema: Any) -> bool:
    """Whether randomness can be switched off, as that of dropout and attention is in evaluation."""
    names = {argument.name for argument in schema.arguments}
    return bool(names & {"train", "training", "dropout", "dropout_p"})


def _steps(schema: Any) -> bool:
    """Whether it runs over packed sequences, and counts with values how many are left."""
    return any(argument.name == "batch_sizes" for argument in schema.arguments)


def _composite(func: Any) -> bool:
    return bool(
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    )


def _device(schema: Any) -> int | str | None:
    for place, argument in enumerate(schema.arguments):
        if argument.name == "device":
            return "device" if argument.kwarg_only else place
    return None


def _written(schema: Any) -> int | str | None:
    found: list[int | str] = []
    for place, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            if not isinstance(argument.type, torch.TensorType):
                return None
            found.append(argument.name if argument.kwarg_only else place)
    return found[0] if len(found) == 1 else None


def _functional(func: Any, name: str) -> Any:
    """``aten.add.Tensor`` for ``aten.add_.Tensor`` and for ``aten.add.out``; None without one."""
    packets = getattr(torch.ops, func.namespace)
    overload = func._overloadname
    for spelling, kind in _spellings(name, overload):
        found = getattr(getattr(packets, spelling, None), kind, None)
        if found is not None and not found._schema.is_mutable and _tensors(found):
            return found
    return None


def _tensors(func: Any) -> bool:
    """Whether it makes a tensor of tensors, and is not arithmetic on numbers."""
    return isinstance(func._schema.returns[0].type, torch.TensorType)


def _spellings(name: str, overload: str) -> Iterator[tuple[str, str]]:
    if name in _RENAMED:
        yield _RENAMED[name], "default"
    if name.startswith("__i"):
        yield "__" + name[3:], overload
    elif name.endswith("_"):
        yield name[:-1], overload
    elif overload == "out":
        yield from ((name, "default"), (name, "Tensor"))
    elif overload.endswith("_out"):
        yield name, overload[:-4]
