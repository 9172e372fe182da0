"""Entries of tensors as NumPy writes them: `c_attn.weight[:, 768+i]`."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symfind.action.record import Block

# The letter of an index of a block, where it has one. Where all indices of a dimension have the
# same, it counts through all of them.
Letters = Mapping[int, str]
_OUTER = "hmn"  # letters of what a slice cannot say: for all values of them
_LISTED = 6


def entries(
    shape: Sequence[int], blocks: Sequence[Block], letters: Letters, name: str
) -> list[str]:
    """Blocks of a tensor, or the entries of them at given indices.

    Args:
        shape: of the tensor.
        blocks: that are alike; together they may be all of a dimension.
        letters: by the position of an index in a block.
        name: of the tensor.

    Returns:
        One text if all blocks can be said at once, else one for each. Letters h, m, n in it stand
        for all values below what is said in parentheses at its end.
    """
    bounds: list[list[str]] = [[] for _ in blocks]
    parts = [_entries(shape, b, letters, own) for b, own in zip(blocks, bounds, strict=True)]
    covered = sum(math.prod(i.size for i in block.indices) for block in blocks)
    if len(blocks) > 1 and covered == math.prod(shape):
        indexed = {block.indices[k].dim for block in blocks for k in letters}
        whole = [[entry if d in indexed else ":" for d, entry in enumerate(part)] for part in parts]
        if all(part == whole[0] for part in whole):
            parts = whole[:1]
    return [
        name if set(part) <= {":"}
        else f"{name}[{', '.join(part)}]" + (f" ({', '.join(own)})" if own else "")
        for part, own in zip(parts, bounds, strict=False)
    ]  # fmt: skip


def bare(entry: str) -> str:
    """Entries without what their letters stand for."""
    return entry.partition("] (")[0] + "]" if "] (" in entry else entry


def _entries(shape: Sequence[int], block: Block, letters: Letters, bounds: list[str]) -> list[str]:
    spare = iter(_OUTER)
    result = []
    for dim, size in enumerate(shape):
        own = [k for k, i in enumerate(block.indices) if i.dim == dim]
        names = [letters.get(k) for k in own]
        sizes = [block.indices[k].size for k in own]
        order = block.orders.get(str(dim))
        if order is not None:
            result.append(_listed(order, sizes, names))
            continue
        strides = [block.indices[k].stride for k in own]
        result.append(_entry(block.offsets[dim], sizes, strides, size, names, spare, bounds))
    return result


def _listed(order: Sequence[int], sizes: Sequence[int], names: Sequence[str | None]) -> str:
    """Positions in no order, one by one."""
    if any(names):
        return "p_" + "".join(n for n in names if n)
    shown = ", ".join(map(str, order[:_LISTED]))
    more = f", ... {len(order)} in all" if len(order) > _LISTED else ""
    return f"[{shown}{more}]"


def _entry(
    base: int,
    sizes: Sequence[int],
    strides: Sequence[int],
    size: int,
    names: Sequence[str | None],
    spare: Iterator[str],
    bounds: list[str],
) -> str:
    """One index expression: of flat positions, with a dimension for every index."""
    count = math.prod(sizes)
    if count == size and not any(names):
        return ":"
    if len(set(names)) == 1 and names[0] and straight(sizes, strides):
        return f"{base}+{names[0]}" if base else names[0]
    terms = [str(base)] * bool(base)
    terms += [_term(s, n) for s, n in zip(strides, names, strict=True) if n]
    rest = sorted(
        (s, n) for s, n, name in zip(strides, sizes, names, strict=True) if not name and n > 1
    )
    if not rest:
        return "+".join(terms) or "0"
    step, length = rest[0][0], 1
    while rest and rest[0][0] == step * length:
        length *= rest.pop(0)[1]
    for stride, n in reversed(rest):  # what a slice cannot say
        letter = next(spare, "...")
        terms.append(_term(stride, letter))
        bounds.append(f"{letter} < {n}")
    start = "+".join(terms) or "0"
    if step * length == size and step > 1:
        return f"{start}::{step}"
    stop = str(base + step * length) if start.isdigit() else f"{start}+{step * length}"
    return f"{start}:{stop}" + (f":{step}" if step > 1 else "")


def _term(stride: int, letter: str) -> str:
    return letter if stride == 1 else f"{stride}{letter}"


def straight(sizes: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether some indices of one dimension count through it without a gap."""
    places = np.zeros(1, dtype=int)
    for n, s in zip(sizes, strides, strict=True):
        places = np.add.outer(places, s * np.arange(n)).reshape(-1)
    return bool((places == np.arange(places.size)).all())
