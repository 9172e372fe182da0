"""What all exponents of a softmax have in common: it is divided out."""

from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def apart(b: Any, x: Node, dims: tuple[int, ...]) -> Node | None:
    """A wire without something that is constant along some dimensions; None where all is.

    Args:
        b: the builder.
        x: what a softmax reads.
        dims: the dimensions of that softmax.
    """
    if isinstance(x, p.Centre) and set(x.dims) <= set(dims):
        return x.inputs[0]
    if not isinstance(x, p.Add):
        return None
    places = [[d - len(x.axes) + len(t.axes) for d in dims] for t in x.inputs]
    kept = [
        i
        for i, (t, own) in enumerate(zip(x.inputs, places, strict=True))
        if any(d >= 0 and t.axes[d].size > 1 for d in own)
    ]
    terms = [x.inputs[i] for i in kept]
    if not 0 < len(kept) < len(x.inputs):
        return None
    if tuple(a.size for a in b._broadcast(terms)) != x.shape:
        return None
    return b.add(*terms, signs=[x.signs[i] for i in kept])  # type: ignore[no-any-return]
