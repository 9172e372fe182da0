"""Runs of a reshape: which dimensions of one shape make up which of another."""

from collections.abc import Sequence

from symfind.algebra.axes import Axis, Tangled

Run = tuple[list[int], list[int]]  # numbers of dimensions on both sides


def runs(one: Sequence[int], two: Sequence[int]) -> list[Run]:
    """Minimal runs of dimensions with equal products on both sides, those of size one left out.

    Raises:
        Tangled: where the two shapes have different numbers of entries.
    """
    a, b = ([d for d, n in enumerate(shape) if n != 1] for shape in (one, two))
    found: list[Run] = []
    i = j = 0
    while i < len(a) or j < len(b):
        if i >= len(a) or j >= len(b):
            raise Tangled("a reshape that does not keep the number of entries")
        left, right = [a[i]], [b[j]]
        m, n = one[a[i]], two[b[j]]
        i, j = i + 1, j + 1
        while m != n:
            if (m < n and i >= len(a)) or (m > n and j >= len(b)):
                raise Tangled("a reshape that does not keep the number of entries")
            if m < n:
                left.append(a[i])
                m *= one[a[i]]
                i += 1
            else:
                right.append(b[j])
                n *= two[b[j]]
                j += 1
        found.append((left, right))
    return found


def runs_of_axes(
    left: Sequence[Axis], right: Sequence[Axis]
) -> list[tuple[list[Axis], list[Axis]]]:
    """The same, as axes.

    Raises:
        Tangled: where the two shapes have different numbers of entries.
    """
    found = runs([a.size for a in left], [a.size for a in right])
    return [([left[d] for d in one], [right[d] for d in two]) for one, two in found]
