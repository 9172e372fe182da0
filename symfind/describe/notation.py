"""Entries of tensors as NumPy writes them: `c_attn.weight[:, 768+i]`."""

from collections.abc import Mapping, Sequence
from typing import Any

from symfind.algebra.axes import positions
from symfind.graph import primitives as p

# The index of an atom of a block, where it has one. Where all atoms of a dimension have the same,
# it counts through all of them.
Letters = Mapping[int, str]


def block(source: p.Source, cells: Sequence[int], letters: Letters, name: str) -> list[str]:
    """Blocks of a tensor, or the entries of them at given indices.

    Args:
        source: the parameter.
        cells: numbers of its blocks that are alike; together they may be all of a dimension.
        letters: by the position of an atom in its block.
        name: of the tensor.

    Returns:
        One text if all blocks can be said at once, else one for each.
    """
    parts = [_entries(source, cell, letters) for cell in cells]
    if len(cells) == len(source.cells) and len(cells) > 1:
        indexed = {source.cells[cell].places[k][0] for cell in cells for k in letters}
        whole = [
            [entry if d in indexed else ":" for d, entry in enumerate(entries)] for entries in parts
        ]
        if all(entries == whole[0] for entries in whole):
            parts = whole[:1]
    return [name if set(entries) <= {":"} else f"{name}[{', '.join(entries)}]" for entries in parts]


def _entries(source: p.Source, cell: int, letters: Letters) -> list[str]:
    chosen = source.cells[cell]
    result = []
    for dim, (axis, choice) in enumerate(zip(source.axes, chosen.choice, strict=True)):
        own = [k for k, (d, _) in enumerate(chosen.places) if d == dim]
        names = [letters.get(k) for k in own]
        if dim in source.orders:  # the tensor holds them in another order
            result.append("".join(n for n in names if n) or ":")
        else:
            result.append(_entry(positions(axis, choice), axis.size, names))
    return result


def _entry(places: Any, size: int, names: list[str | None]) -> str:
    """One index expression: of flat positions, with a dimension for every atom."""
    if places.size == size and not any(names):
        return ":"
    flat = places.reshape(-1)
    base = int(flat[0])
    if len(set(names)) == 1 and names[0] and (flat == range(base, base + places.size)).all():
        return f"{base}+{names[0]}" if base else names[0]
    strides = [int(places.take(1, axis=k).reshape(-1)[0]) - base for k in range(places.ndim)]
    first = "+".join(
        [str(base)] * bool(base)
        + [n if s == 1 else f"{s}{n}" for s, n in zip(strides, names, strict=True) if n]
    )
    rest = [
        (s, places.shape[k]) for k, (s, n) in enumerate(zip(strides, names, strict=True)) if not n
    ]
    if not rest:
        return first or "0"
    step = min(s for s, _ in rest)
    length = 1
    for s, n in sorted(rest):
        if s != step * length:
            return f"{places.size} of {size}" if not first or first == str(base) else f"{first}+..."
        length *= n
    start = first or "0"
    if step * length == size and step > 1:
        return f"{start}::{step}"
    stop = str(base + step * length) if start.isdigit() else f"{start}+{step * length}"
    return f"{start}:{stop}" + (f":{step}" if step > 1 else "")
