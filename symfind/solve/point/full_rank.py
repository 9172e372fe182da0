"""Weights that are matrices of full rank, at almost all parameters.

A matrix of parameters is one, and so is what a function that is analytic makes of parameters, where
it is one anywhere: a minor that is not zero at one point is zero almost nowhere. A product through
fewer numbers is none, nor are as many rows as columns from which a norm takes off the mean.
"""

import math
from collections.abc import Hashable, Iterator, MutableMapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.solve.point.regular import halved
from symfind.solve.point.values import Environment

LARGEST = 4_000_000  # entries of a matrix that is looked at
NOISE = 1e-9  # of its largest singular value
_POINTS = 4  # at which vectors are looked at: on one side of a kink some may be zero

_known: MutableMapping[Node, dict[tuple[Hashable, ...], bool]] = WeakKeyDictionary()


def full_rank(
    x: Node, names: Sequence[Hashable], shared: Sequence, summed: Sequence, made: Sequence
) -> bool:
    """Whether a wire that no input reaches, as matrices from what is summed to what is made, is.

    Args:
        x: the wire.
        names: a label for each of its dimensions.
        shared: labels of dimensions along each of which there is a matrix of its own.
        summed: labels of the rows.
        made: labels of the columns, no more than there are rows; without any, of vectors it is
            asked whether none of them is zero.
    """
    if _plain(x):
        return True
    order = tuple(names.index(n) for n in (*shared, *summed, *made))
    key = (*order, len(shared), len(summed))
    known = _known.setdefault(x, {})
    if key not in known:
        known[key] = _seen(x, names, shared, summed, made) if made else _not_zero(x, names, summed)
    return known[key]


def _plain(x: Node) -> bool:
    """Whether all entries of a wire are parameters of their own."""
    match x:
        case p.Source():
            return x.role == "parameter"
        case p.View() | p.Permute() | p.Narrow():
            return _plain(x.inputs[0])
    return False


def _seen(
    x: Node, names: Sequence[Hashable], shared: Sequence, summed: Sequence, made: Sequence
) -> bool:
    if math.prod(x.shape) > LARGEST:
        return False
    if any(isinstance(n, p.Pointwise) and halved(n) for n in ancestors([x])):
        return False  # which is another function on the other side of a kink
    try:
        value = Environment(dict(_drawn(x))).value(x)
    except (LookupError, RuntimeError):
        return False
    size = dict(zip(names, value.shape, strict=True))
    flat = einsum([value], [list(names)], [*shared, *summed, *made])
    flat = flat.reshape(-1, *(math.prod(size[n] for n in some) for some in (summed, made)))
    values = torch.linalg.svdvals(flat)
    return bool((values[:, -1] > NOISE * values[:, 0]).all())


def _not_zero(x: Node, names: Sequence[Hashable], summed: Sequence) -> bool:
    """Whether no vector is zero wherever it was looked at, as what a constant zero scales is."""
    found = torch.zeros(())
    for seed in range(_POINTS):
        try:
            value = Environment(dict(_drawn(x, seed))).value(x)
        except (LookupError, RuntimeError):
            return False
        rows = [d for d, n in enumerate(names) if n in summed]
        size = value.abs().amax(rows) if rows else value.abs()
        found = torch.maximum(found.to(size), size)
        if bool((found > 0).all()):
            return True
    return False


def _drawn(x: Node, seed: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Random parameters of which a wire is made."""
    generator = torch.Generator().manual_seed(seed)
    for n in ancestors([x]):
        if isinstance(n, p.Source) and n.chart is not None:
            yield from _drawn(n.chart.node, seed)
        elif isinstance(n, p.Source) and n.role == "parameter":
            yield n.key, torch.randn(n.shape, generator=generator, dtype=torch.float64)
