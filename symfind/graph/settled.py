"""Ranges of a wire that no input reaches, where inputs reach others: a token beside the data.

A learned token is joined to what is computed of the input, normed with it and taken out again. Its
part is computed of parameters alone.
"""

from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.single import inside

_DEEP = 8  # operations behind a range that are looked at


def settled(b: Any, x: Node, dim: int, start: int, length: int) -> Node | None:
    """A range of one dimension as a wire that does not vary, None where inputs reach it.

    Args:
        b: the builder.
        x: a wire that varies.
        dim: the dimension.
        start: of the range.
        length: of the range.
    """
    return _made(b, x, dim, start, length) if _still(x, dim, start, length) else None


def _still(x: Node, dim: int, start: int, length: int, depth: int = _DEEP) -> bool:
    """Whether no input is seen to reach a range."""
    if not x.varies or not depth:
        return not x.varies
    if isinstance(x, p.Join) and x.dim == dim:
        piece = inside(x, dim, start, length)
        if piece is None:
            return False
        return _still(x.inputs[piece], dim, start - x.begin(piece), length, depth - 1)
    below = _below(x, dim)
    return below is not None and all(
        not y.varies if d is None else _still(y, d, start, length, depth - 1)
        for y, d in zip(x.inputs, below, strict=True)
    )


def _below(x: Node, dim: int) -> list[int | None] | None:
    """Which dimension of each operand a dimension is, as all that depends on it; None if unknown.

    Of an operand that has no such dimension, None.
    """
    match x:
        case p.Normalise() if x.exact and dim not in x.dims:
            return [dim]
        case p.Pointwise() if x.slope is not None or x.apply is not None:
            return [dim]
        case p.Join():
            return [dim] * len(x.inputs)
        case p.Add():
            own = [dim - len(x.axes) + len(y.axes) for y in x.inputs]
            return [d if d >= 0 and y.axes[d].size > 1 else None
                    for d, y in zip(own, x.inputs, strict=True)]  # fmt: skip
        case p.Contract() if not x.windows and not x.shares:
            name = x.out[dim]
            if any(own.count(name) > 1 for own in x.labels):
                return None
            return [own.index(name) if name in own else None for own in x.labels]
    return None


def _made(b: Any, x: Node, dim: int, start: int, length: int) -> Node:
    if not x.varies or (isinstance(x, p.Join) and x.dim == dim):
        return b.narrow(x, dim, start, length)  # type: ignore[no-any-return]
    parts = [y if d is None else _made(b, y, d, start, length)
             for y, d in zip(x.inputs, _below(x, dim) or (), strict=True)]  # fmt: skip
    match x:
        case p.Normalise():
            return b.exact_norm(parts[0], x.dims, x.centred, x.eps)  # type: ignore[no-any-return]
        case p.Pointwise():
            made = b.pointwise(parts[0], degree=x.degree, slope=x.slope, parity=x.parity)
            made.apply, made.growth, made.decades = x.apply, x.growth, x.decades
            return made  # type: ignore[no-any-return]
        case p.Join():
            return b.join(parts, x.dim)  # type: ignore[no-any-return]
        case p.Add():
            return b.add(*parts, signs=list(x.signs))  # type: ignore[no-any-return]
        case p.Contract():
            return b.contract(parts, x.labels, x.out)  # type: ignore[no-any-return]
    raise TypeError(type(x))
