"""Ranges of a wire that no input reaches, where inputs reach others: a token beside the data.

A learned token is joined to what is computed of the input, normed with it and taken out again. Its
part is computed of parameters alone.
"""

from typing import Any

from symfind.graph import primitives as p
from symfind.graph.index_map import carried
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
    """Which dimension of each operand, if any, is one of the result, which can be made again of it.

    None where it cannot.
    """
    match x:
        case p.Normalise():
            able = x.exact and dim not in x.dims
        case p.Pointwise():
            able = x.slope is not None or x.apply is not None
        case p.Contract():
            once = all(own.count(x.out[dim]) < 2 for own in x.labels)
            able = once and not x.windows and not x.shares
        case _:
            able = isinstance(x, p.Join | p.Add)
    return [carried(x.index_map(at), dim) for at in range(len(x.inputs))] if able else None


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
