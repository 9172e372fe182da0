"""What only constants are left of: shares of one entry, its distance from its mean, copies.

One entry divided by its own sum is 1, and less its own mean 0: a softmax over a single key, a
router's single gate, a norm over one place. A product with a number for all entries repeats the
other factor.
"""

import math
from collections.abc import Sequence
from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.uniform import is_uniform, number


def single(x: Node, dims: Sequence[int]) -> bool:
    """Whether a wire has one entry along some dimensions."""
    return all(x.axes[d].size == 1 for d in dims)


def inside(x: p.Join, dim: int, start: int, length: int) -> int | None:
    """Of which piece of a concatenation a range is a part, None where it is of several."""
    ends = [(x.begin(i), x.begin(i) + z.axes[dim].size) for i, z in enumerate(x.inputs)]
    found = (i for i, (a, b) in enumerate(ends) if a <= start and start + length <= b)
    return next(found, None) if x.dim == dim else None


def repeated(
    b: Any, factors: Sequence[Node], labels: Sequence[Sequence[Any]], out: Sequence[Any]
) -> Node | None:
    """A product with one number for all entries, as copies of a multiple of the other factor.

    Args:
        b: the builder.
        factors: of the product; two of them.
        labels: of their dimensions; nothing is summed over but what has one value.
        out: labels of the result.
    """
    if len(factors) != 2:
        return None
    for at in (0, 1):
        x, own, fill, names = factors[at], labels[at], factors[1 - at], labels[1 - at]
        value = number(fill) if is_uniform(fill) and not x.fixed else math.nan
        sizes = dict(zip([*names, *own], [*fill.shape, *x.shape], strict=True))
        whole = all(n in own or n in out for n, size in sizes.items() if size > 1)
        kept = [n for n, size in zip(own, x.shape, strict=True) if size > 1]
        if not math.isfinite(value) or not whole or len(set(out)) < len(out):
            continue
        if all(kept.count(n) == 1 and n in out for n in kept) and math.prod(fill.shape) > 1:
            return _copied(b, b.scale(x, value) if value != 1 else x, kept, own, out, sizes)
    return None


def _copied(
    b: Any, x: Node, kept: Sequence[Any], own: Sequence[Any], out: Sequence[Any],
    sizes: dict[Any, int],
) -> Node:  # fmt: skip
    """A wire with its dimensions where the result has them, repeated along all others."""
    front = [own.index(n) for n in out if n in kept]
    y = b.permute(x, [*front, *(d for d in range(len(own)) if d not in front)])
    y = b.view(y, [sizes[n] if n in kept else 1 for n in out])
    return b.expand(y, [sizes[n] for n in out])  # type: ignore[no-any-return]
