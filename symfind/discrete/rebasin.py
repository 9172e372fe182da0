"""Permutations as re-basin codes want them: one name per axis of every tensor.

Git Re-Basin (Ainsworth et al. 2023, `weight_matching.py`) describes an architecture by
`axes_to_perm`, parameter name to a permutation name or None per axis. An axis that flattens
several indices or packs several blocks has a permutation too, which follows from the smaller ones:
it gets a name of its own, spelled as a product (`*`) and concatenation (`+`). One that the model
numbers otherwise (behind a roll, a flip) has a conjugate of it, marked `~`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from symfind.discrete.tensors import Block, Digit, TensorSpec


@dataclass(frozen=True)
class Whole:
    """What happens along one whole axis: its blocks, whose digits lie on this axis alone."""

    size: int
    blocks: tuple[Block, ...]
    order: tuple[int, ...] | None = None  # how the blocks number it, where otherwise

    @property
    def plain(self) -> str | None:
        """The name of the one permutation that acts on the axis as it is, if that is all."""
        if len(self.blocks) != 1 or len(self.blocks[0].digits) != 1 or self.order:
            return None
        return self.blocks[0].digits[0].perm

    def label(self) -> str:
        """`P_a*64+P_b*64`: segments in order, digits from the outermost; `~` if renumbered."""
        segments = []
        for block in sorted(self.blocks, key=lambda b: b.start):
            names = [digit.perm or str(digit.size) for digit in block.digits]
            segments.append("*".join(names) or "1")
        text = "+".join(segments)
        return text if self.order is None else f"({text})~" if "+" in text else f"{text}~"

    def line(self) -> TensorSpec:
        """The axis as a tensor of its own."""
        orders = () if self.order is None else ((0, self.order),)
        return TensorSpec((self.size,), self.blocks, orders=orders)


def whole(tensor: TensorSpec, axis: int) -> Whole | None:
    """The axis by itself, None where what happens along it depends on the other axes."""
    if not tensor.perms(axis):
        return Whole(tensor.shape[axis], ())
    found: dict[int, Block] = {}
    for block in tensor.blocks:
        places = [i for i, d in enumerate(block.digits) if d.axis == axis]
        digits = []
        for i in places:
            digit = block.digits[i]
            if any(j not in places for j in digit.by):
                return None
            by = tuple(places.index(j) for j in digit.by)
            digits.append(replace(digit, axis=0, by=by))
        own = Block((block.start[axis],), tuple(digits))
        if found.setdefault(block.start[axis], own) != own:
            return None
    return Whole(tensor.shape[axis], tuple(found[s] for s in sorted(found)), tensor.order(axis))


def named(
    tensors: Mapping[str, TensorSpec], taken: set[str]
) -> tuple[dict[str, list[str | None]], dict[str, Whole]]:
    """Names of all axes of the tensors that names of whole axes can express, and the new names.

    Args:
        tensors: by name.
        taken: names of the permutations that act.
    """
    table: dict[str, list[str | None]] = {}
    derived: dict[Whole, str] = {}
    taken = set(taken)
    for key, tensor in tensors.items():
        axes = [whole(tensor, a) for a in range(len(tensor.shape))]
        names: list[str | None] = []
        for axis in axes:
            if axis is None:
                break
            if not axis.blocks:
                names.append(None)
            elif axis.plain is not None:
                names.append(axis.plain)
            else:
                if axis not in derived:
                    label = axis.label()
                    while label in taken:
                        label += "'"
                    taken.add(label)
                    derived[axis] = label
                names.append(derived[axis])
        else:
            table[key] = names
    return table, {name: axis for axis, name in derived.items()}


def segments(tensor: TensorSpec, axis: int) -> list[dict[str, Any]]:
    """The factorisation of one axis, block by block, as plain values."""
    result = []
    for block in tensor.blocks:
        digits = block.along(axis)
        entry = {"start": block.start[axis], "factors": [_digit(block, d) for d in digits]}
        if entry not in result:
            result.append(entry)
    return result


def _digit(block: Block, digit: Digit) -> dict[str, Any]:
    entry: dict[str, Any] = {"size": digit.size, "stride": digit.stride, "perm": digit.perm}
    if digit.perm and digit.by:
        entry["by"] = [
            {"axis": block.digits[i].axis, "perm": block.digits[i].perm,
             "size": block.digits[i].size}
            for i in digit.by
        ]  # fmt: skip
    return entry
