"""Parameters that are transposed before a product: `x @ W.T` is what a linear layer does."""

from collections.abc import Sequence
from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def as_they_are(
    factors: Sequence[Node], labels: Sequence[Sequence[Any]]
) -> tuple[list[Node], list[Sequence[Any]]]:
    """Parameters before they were transposed, with their labels."""
    found, names = list(factors), list(labels)
    for i, x in enumerate(found):
        while isinstance(x, p.Permute) and _given(x):
            names[i] = [names[i][x.order.index(d)] for d in range(len(x.order))]
            x = found[i] = x.inputs[0]
    return found, names


def _given(x: Node) -> bool:
    """Whether a wire is a parameter in another order."""
    while isinstance(x, p.Permute):
        x = x.inputs[0]
    return isinstance(x, p.Source) and x.role == "parameter"
