"""A record as lines of Python that need nothing but torch: what one would write by hand.

The lines draw an element of the group and let it act on a dictionary `w` of tensors by name.
"""

import json
import math

from symfind.action.record import Action, Block, Element, Gain, Record

_LETTERS = "abcdefghijklmnopqrstuvwxy"
_NEW = "z"


class Unwritten(Exception):
    """The record is not of those that a line for each tensor says; the message says why."""


def code(record: Record, most: int = 8) -> list[str]:
    """Lines that let a random element act.

    Args:
        record: how a group acts.
        most: tensors for which lines are written; the others are counted in a comment.

    Raises:
        Unwritten: it depends on more than single tensors and gains.
    """
    if record.missing or record.change is not None or record.flow is not None:
        raise Unwritten("the change depends on several tensors")
    if record.motion == "followed":
        raise Unwritten("the field is followed in small steps")
    shown = record.actions if len(record.actions) <= most else record.actions[: most - 1]
    lines = [*_drawn(record.element, any(a.dual for a in shown))]
    for action in shown:
        lines += _acted(action)
    left = len(record.actions) - len(shown)
    return lines + ([f"# and {left} more, each in the same way"] if left else [])


def _drawn(element: Element, dual: bool) -> list[str]:
    copies = "".join(f"{n}, " for n in element.copies)
    if element.kind == "scale":
        if any(element.ties):
            raise Unwritten("some scales are tied")
        return [f"s = torch.rand({copies.removesuffix(', ') or '()'}) + 0.5"]
    if element.kind == "shift":
        return [f"t = torch.randn({copies.removesuffix(', ') or '()'})"]
    if element.kind != "matrix":
        raise Unwritten("the element is a vector field")
    n = element.size
    lines = [f"X = 0.1 * torch.randn({copies}{n}, {n})"]
    match element.algebra:
        case "general":
            pass
        case "orthogonal":
            lines.append("X = X - X.mT")
        case "stabiliser" | "affine-stabiliser":
            lines.append(f"P = torch.eye({n}) - 1 / {n}  # keeps the all-ones vector")
            lines.append("X = P @ (X - X.mT) @ P" if element.algebra == "stabiliser"
                         else "X = P @ X @ P")  # fmt: skip
        case "complex" | "rotations":
            lines += _commuting(element)
        case _:
            raise Unwritten(f"matrices are {element.algebra}")
    lines.append("A = torch.linalg.matrix_exp(X)")
    return [*lines, "B = torch.linalg.inv(A).mT"] if dual else lines


def _commuting(element: Element) -> list[str]:
    """Of a matrix, the part that commutes with rotations of all pairs of coordinates."""
    pairs, n = element.pairs, element.size
    half = n // 2
    if pairs == tuple((k, k + half) for k in range(half)):
        first, second = f"torch.arange({half})", f"torch.arange({half}, {n})"
    elif pairs == tuple((2 * k, 2 * k + 1) for k in range(half)):
        first, second = f"torch.arange(0, {n}, 2)", f"torch.arange(1, {n}, 2)"
    else:
        raise Unwritten("some coordinates are in no pair")
    lines = [
        f"i, j = {first}, {second}  # the pairs that are rotated",
        "Y, X = X, torch.zeros_like(X)",
        "X[..., j, i], X[..., i, j] = Y[..., j, i], -Y[..., j, i]",
    ]
    if element.algebra == "complex":
        lines.append("X[..., i, i] = X[..., j, j] = Y[..., i, i]")
    return lines


def _acted(action: Action) -> list[str]:
    block = action.block
    if block is None or action.origin is not None or action.act in ("follow", "field"):
        raise Unwritten("a tensor moves with others")
    sizes = [index.size for index in block.indices]
    letters = _LETTERS[: len(sizes)]
    if len(sizes) > len(_LETTERS):
        raise Unwritten("too many indices")
    part, whole = _slice(action, block)
    name = f"w[{json.dumps(action.tensor)}]"
    tensor = f"{name}{part}"
    view = f".reshape({', '.join(map(str, sizes))})" if sizes != whole else ""
    back = f".reshape({', '.join(map(str, whole))})" if sizes != whole else ""
    copies = "".join(
        letters[p]
        for p, i in sorted(enumerate(block.indices), key=lambda one: one[1].copy)
        if i.role == "copy"
    )
    if action.act == "multiply":
        (acted,) = (letters[p] for p, i in enumerate(block.indices) if i.role == "acted")
        out = letters.replace(acted, _NEW)
        gains, marks = _gains(action.gains, acted)
        matrix = "B" if action.dual else "A"
        terms = ",".join([f"{copies}{_NEW}{acted}", *marks, letters])
        made = f'torch.einsum("{terms}->{out}", {", ".join([matrix, *gains, tensor + view])})'
    elif action.act == "scale":
        power = "s" if action.exponent == 1 else f"s**{action.exponent:g}"
        made = f'torch.einsum("{copies},{letters}->{letters}", {power}, {tensor}{view})'
    else:
        shape = [f"{i.size}" if i.role == "copy" else "1" for i in block.indices]
        order = [i.copy for i in block.indices if i.role == "copy"]
        if order != sorted(order):
            raise Unwritten("copies in another order")
        made = f"({tensor}{view} + t.reshape({', '.join(shape)}))"
    return [f"{tensor} = {made}{back}"]


def _slice(action: Action, block: Block) -> tuple[str, list[int]]:
    """Which part of a tensor a block is, with its shape."""
    if block.orders:
        raise Unwritten("entries in no simple order")
    cuts, shape = [], []
    for dim, size in enumerate(action.shape):
        inside = [i for i in block.indices if i.dim == dim]
        width = math.prod(i.size for i in inside)
        step = width
        for index in inside:
            step //= index.size
            if index.stride != step and index.size > 1:
                raise Unwritten("entries in no simple order")
        start = block.offsets[dim]
        cuts.append(":" if width == size else f"{start}:{start + width}")
        shape.append(width)
    dims = [i.dim for i in block.indices]
    if dims != sorted(dims):
        raise Unwritten("indices in another order")
    part = "" if all(c == ":" for c in cuts) else f"[{', '.join(cuts)}]"
    return part, shape


def _gains(gains: tuple[Gain, ...], acted: str) -> tuple[list[str], list[str]]:
    """What a matrix is conjugated with, as operands of a sum: G A G^-1."""
    operands, marks = [], []
    for gain in gains:
        program = gain.value.program
        plain = program is not None and len(program.reads) == 1 and (
            gain.value.text == program.reads[0]
        )  # fmt: skip
        if not plain:
            raise Unwritten("a gain is no tensor of its own")
        name = f"w[{json.dumps(gain.value.text)}]"
        powers = (gain.exponent, -gain.exponent)
        operands += [name if e == 1 else f"{name} ** {e}" for e in powers]
        marks += [_NEW, acted]
    return operands, marks
