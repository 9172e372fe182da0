"""From permuted indices to names, strides and axes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from symfind.algebra.axes import Axis
from symfind.discrete.permuting import Shuffle
from symfind.discrete.spec import PermutationSpec
from symfind.discrete.tensors import Block, Digit, Permutation, TensorSpec
from symfind.graph.primitives import Source
from symfind.ops.lower import Lowered


def permutation_spec(
    lowered: Lowered,
    shuffles: Sequence[Shuffle],
    shapes: Mapping[str, tuple[int, ...]],
    aliases: Mapping[str, tuple[str, ...]],
    continuous: Collection[Shuffle] = (),
) -> PermutationSpec:
    """Name all permutations and say where they act.

    Args:
        lowered: the primitives of the model.
        shuffles: what may be permuted.
        shapes: of all trainable parameters.
        aliases: other names of shared tensors.
        continuous: those of `shuffles` that lie in continuous groups.
    """
    names = name_all(shuffles)
    perms = {
        names[s]: Permutation(names[s], s.size, tuple(a.size for a in s.by), s in continuous)
        for s in shuffles
    }
    acting = {
        (id(spot.source), spot.cell, spot.atom): (shuffle, names[shuffle])
        for shuffle in shuffles
        for spot in shuffle.spots
    }
    sources = {key: wires[0] for key, wires in lowered.parameters.items()}
    states = {
        spot.source.key: spot.source
        for shuffle in shuffles
        for spot in shuffle.spots
        if spot.source.role != "parameter"
    }
    tensors = {}
    for key in (*shapes, *states):
        source = sources.get(key) or states.get(key)
        cells = range(0 if source is None else len(source.cells))
        blocks = _joined([_block(source, c, acting) for c in cells if source is not None])
        shape = shapes[key] if key in shapes else states[key].shape
        orders = () if source is None else _orders(source, blocks)
        tensors[key] = TensorSpec(shape, blocks, key in shapes, aliases.get(key, ()), orders)
    return PermutationSpec(perms, tensors)


def name_all(shuffles: Sequence[Shuffle]) -> dict[Shuffle, str]:
    """`P_` and the module of the first parameter, numbered where several begin there."""
    names: dict[Shuffle, str] = {}
    taken: set[str] = set()
    for shuffle in shuffles:
        key = shuffle.parameters[0]
        stem = "P_" + (key.rpartition(".")[0] or key)
        name, n = stem, 2
        while name in taken:
            name, n = f"{stem}.{n}", n + 1
        taken.add(name)
        names[shuffle] = name
    return names


def _block(
    source: Source, c: int, acting: Mapping[tuple[int, int, int], tuple[Shuffle, str]]
) -> Block:
    cell = source.cells[c]
    windows = [affine(a, choice) for a, choice in zip(source.axes, cell.choice, strict=True)]
    digits = []
    for at, (atom, (axis, place)) in enumerate(zip(cell.atoms, cell.places, strict=True)):
        found = acting.get((id(source), c, at))
        stride = windows[axis][1][place]
        if found is None:
            digits.append(Digit(axis, atom.size, stride))
        else:
            shuffle, name = found
            by = tuple(cell.atoms.index(a) for a in shuffle.by)
            digits.append(Digit(axis, atom.size, stride, name, by))
    return Block(tuple(start for start, _ in windows), _merged(digits))


def _orders(source: Source, blocks: Iterable[Block]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Axes that a wire numbers otherwise than its tensor, and along which that matters."""
    asked = set()
    for block in blocks:
        for digit in block.digits:
            if digit.perm:
                asked |= {digit.axis, *(block.digits[i].axis for i in digit.by)}
    found = ((axis, tuple(order)) for axis, order in sorted(source.orders.items()))
    return tuple((a, o) for a, o in found if a in asked and o != tuple(range(len(o))))


def _joined(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Neighbours that differ only along an index on which nothing acts are one block."""
    result: list[Block] = []
    for block in blocks:
        result.append(block)
        while len(result) > 1 and (one := _union(result[-2], result[-1])) is not None:
            result[-2:] = [one]
    return tuple(result)


def _union(a: Block, b: Block) -> Block | None:
    apart = [axis for axis, (x, y) in enumerate(zip(a.start, b.start, strict=True)) if x != y]
    asked = {i for d in (*a.digits, *b.digits) for i in d.by}
    if len(apart) != 1 or len(a.digits) != len(b.digits):
        return None
    for k, (x, y) in enumerate(zip(a.digits, b.digits, strict=True)):
        step = b.start[apart[0]] - a.start[apart[0]]
        idle = x.perm is None and k not in asked and x.axis == apart[0]
        if idle and replace(x, size=y.size) == y and step == x.size * x.stride:
            grown = (*a.digits[:k], replace(x, size=x.size + y.size), *a.digits[k + 1 :])
            alike = b.digits[:k] == a.digits[:k] and b.digits[k + 1 :] == a.digits[k + 1 :]
            return Block(a.start, grown) if alike else None
    return None


def _merged(digits: list[Digit]) -> tuple[Digit, ...]:
    """Neighbours along which nothing acts are one digit."""
    asked = {i for d in digits for i in d.by}
    result: list[Digit] = []
    new: dict[int, int] = {}
    loose = False
    for i, digit in enumerate(digits):
        last = result[-1] if result else None
        idle = digit.perm is None and i not in asked
        if idle and loose and last is not None and last.axis == digit.axis:
            # row-major within the axis: the last one steps over all of this one
            result[-1] = replace(digit, size=last.size * digit.size)
        else:
            result.append(digit)
        new[i], loose = len(result) - 1, idle
    return tuple(replace(d, by=tuple(new[i] for i in d.by)) for d in result)


def affine(axis: Axis, choice: tuple[int, ...]) -> tuple[int, list[int]]:
    """First flat position of one branch of an axis, and the stride of every atom of it."""
    start, strides, rest = _affine(axis.root, list(choice))
    assert not rest
    return start, strides


def _affine(axis: Axis, choice: list[int]) -> tuple[int, list[int], list[int]]:
    if axis.kind == "atom":
        return 0, [1] if axis.size != 1 else [], choice
    if axis.kind == "sum":
        index, *rest = choice
        before = sum(part.root.size for part in axis.parts[:index])
        start, strides, rest = _affine(axis.parts[index].root, rest)
        return before + start, strides, rest
    start, strides = 0, []
    for part in axis.parts:
        inner, own, choice = _affine(part.root, choice)
        start = start * part.root.size + inner
        strides = [s * part.root.size for s in strides] + own
    return start, strides, choice
