"""Names for the indices of a bare module: by where they stand, one for each, whatever their size.

Nobody says how a module was made that is given ready: equal sizes need not be equal elsewhere.
"""

import re
from collections.abc import Mapping, Sequence

from torch import nn

from symfind.algebra.axes import Axis, atoms
from symfind.graph import primitives as p

_ROLES = ("out", "in", "kernel")


def role_names(
    parameters: Mapping[str, Sequence[p.Source]], modules: Mapping[str, nn.Module]
) -> dict[Axis, str]:
    """A name for every atomic index: what it is of the first tensor on which it occurs.

    `out_0` and `in_0` of the linear map `0`, `rows_embed` and `width_embed` of a table, `scale_1`
    of a parameter `scale` along its second dimension. Parts of one dimension, such as heads and
    their width, are numbered.

    Args:
        parameters: wires by the name of the parameter.
        modules: by path.
    """
    names: dict[Axis, str] = {}
    used: set[str] = set()
    for key, sources in parameters.items():
        path, _, own = key.rpartition(".")
        for source in sources:
            for d, axis in enumerate(source.axes):
                parts = [a.root for a in atoms(axis) if a.size > 1]
                for i, atom in enumerate(parts):
                    if atom in names:
                        continue
                    heads = _heads(parts, modules.get(path))
                    name = heads[i] if heads else _role(own, d, len(source.axes), modules.get(path))
                    number = f"_{i}" if len(parts) > 1 and not heads else ""
                    names[atom] = _unused(_identifier(f"{name}_{path}{number}"), used)
    return names


def _heads(parts: Sequence[Axis], module: nn.Module | None) -> tuple[str, ...]:
    """What the packed rows of torch's attention are made of."""
    if not isinstance(module, nn.MultiheadAttention):
        return ()
    sizes, times = tuple(part.size for part in parts), len(parts) // 2
    both = (module.num_heads, module.head_dim)
    return ("heads", "head_dim") * times if sizes == both * times else ()


def _role(own: str, d: int, dims: int, module: nn.Module | None) -> str:
    if isinstance(module, nn.Embedding):
        return ("rows", "width")[d]
    if own == "weight" and dims > 1 and not isinstance(module, nn.modules.conv._ConvTransposeNd):
        return _ROLES[min(d, 2)]
    if own == "weight" and dims > 1:
        return ("in", "out", "kernel")[min(d, 2)]
    return own if dims == 1 else f"{own}_{d}"


def _identifier(text: str) -> str:
    found = re.sub(r"\W+", "_", text).strip("_")
    return found if found[:1].isalpha() else f"d_{found}"


def _unused(name: str, used: set[str]) -> str:
    number, found = 1, name
    while found in used:
        number += 1
        found = f"{name}_{number}"
    used.add(found)
    return found
