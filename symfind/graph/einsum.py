"""Contractions whose labels are any objects."""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(
    values: Sequence[Tensor], labels: Sequence[Sequence[Hashable]], out: Sequence[Hashable]
) -> Tensor:
    """Contraction with arbitrary labels; those that only the result has give size one."""
    names: dict[Hashable, str] = {}

    def spell(name: Hashable) -> str:
        return names.setdefault(name, _LETTERS[len(names)])

    terms = ["".join(spell(n) for n in own) for own in labels]
    present = [n for n in out if n in names]
    result = torch.einsum(",".join(terms) + "->" + "".join(names[n] for n in present), *values)
    for at, name in enumerate(out):
        if name not in names:
            result = result.unsqueeze(at)
    return result
