"""Representations of a finite group: named ones, and what a character is made of."""

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.transforms.groups import FiniteGroup

NAMES = ("trivial", "regular", "vector", "index")


def along(group: FiniteGroup, name: str, size: int, index: Tensor | None, what: str) -> Tensor:
    """Copies of a named representation along an index of a size, [count, size, size].

    Args:
        group: the group.
        name: `trivial`, `regular` (it permutes its own elements), `vector` (its matrices), or
            `index` (as the index of the input).
        size: of the index.
        index: matrices along the index of the input.
        what: how messages name the index.

    Raises:
        InputError: the size is no multiple of that of the representation.
    """
    if name == "trivial":
        return torch.eye(size, dtype=torch.float64).expand(len(group.elements), -1, -1)
    if name == "regular":
        own = group.regular
    elif name == "vector":
        own = group.elements
    elif name == "index" and index is not None:
        own = index
    else:
        raise InputError(f"{name!r} names no representation here: write {', '.join(NAMES)}")
    copies, rest = divmod(size, own.shape[1])
    if rest or not copies:
        raise InputError(
            f"{what} has {size} values, which is no multiple of {own.shape[1]}, the size of the "
            f"{name} representation of {group.name}"
        )
    eye = torch.eye(copies, dtype=torch.float64)
    return torch.stack([torch.kron(eye, matrix.contiguous()) for matrix in own])


def spelled(group: FiniteGroup, characters: Tensor) -> str:
    """Of what a representation is made: `trivial`, `2 trivial + vector`, `3 trivial + (5)`.

    Args:
        group: the group.
        characters: traces of the elements, [count].
    """
    size = round(float(characters[0])) if group.full else round(float(characters.max()))
    rest, parts = characters.clone(), []
    for name, own in _known(group):
        length = group.mean(own * own)
        if abs(length - 1.0) > 1e-6:
            continue  # it can be split further
        copies = round(group.mean(rest * own))
        if copies:
            parts.append(name if copies == 1 else f"{copies} {name}")
            rest = rest - copies * own
            size -= copies * round(float(own[0] if group.full else own.max()))
    if size:
        parts.append(f"others of dimension {size}")
    return " + ".join(parts) or "none"


def _known(group: FiniteGroup) -> list[tuple[str, Tensor]]:
    """Characters of representations that have names."""
    elements = group.elements
    one = torch.ones(len(elements), dtype=torch.float64)
    sign = torch.linalg.det(elements)
    found = [("trivial", one)]
    if bool((sign - 1.0).abs().max() > 1e-6):
        found.append(("sign", sign))
    own = elements.diagonal(dim1=1, dim2=2).sum(1)
    if group.kind == "grid":
        found.append(("vector", own))
        if bool((sign - 1.0).abs().max() > 1e-6):
            found.append(("pseudovector", own * sign))
    else:
        found.append(("standard", own - 1.0))
    return found
