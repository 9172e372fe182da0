"""Permutation symmetries found by trying: which sets of axes may be swapped together."""

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from symfind.verify import Function

Axes = frozenset[tuple[str, int]]


def swapped(theta: dict[str, Tensor], axes: Axes, i: int, j: int) -> dict[str, Tensor]:
    """Entries i and j exchanged along every one of some axes."""
    result = dict(theta)
    for name, axis in axes:
        index = torch.arange(result[name].shape[axis])
        index[i], index[j] = j, i
        result[name] = result[name].index_select(axis, index)
    return result


def symmetric_sets(function: Function, size: int) -> set[Axes]:
    """All sets of axes of one size along which the first two entries may be exchanged."""
    theta = function.random_point(torch.Generator().manual_seed(5))
    before = function(theta)
    places = [
        (name, axis)
        for name, shape in function.shapes.items()
        for axis, n in enumerate(shape)
        if n == size
    ]
    found = set()
    for axes in map(frozenset, _subsets(places)):
        after = function(swapped(theta, axes, 0, 1))
        if torch.allclose(before, after, rtol=1e-10, atol=1e-12):
            found.add(axes)
    return found


def unions(sets: list[Axes]) -> set[Axes]:
    """All unions of some of the given sets, but the empty one."""
    return {frozenset().union(*chosen) for chosen in _subsets(sets)}


def _subsets(items: list) -> Iterator[tuple]:
    for k in range(1, len(items) + 1):
        yield from combinations(items, k)
