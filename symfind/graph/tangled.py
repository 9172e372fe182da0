"""Reshapes whose indices have no common refinement.

Along these they are a fixed map, of which no more is known; all other dimensions stay as they are.
"""

import math
from collections.abc import Sequence
from typing import Any

from symfind.algebra.axes import Axis, Tangled, merge, product
from symfind.algebra.runs import Run, runs
from symfind.graph.wires import Node


def entangled(x: Node, axes: Sequence[Axis]) -> tuple[list[Run], str]:
    """Merge the indices of a reshape run by run: runs that cannot be, and why not.

    Raises:
        Tangled: where the two shapes have different numbers of entries.
    """
    found, why = [], ""
    for left, right in runs([a.size for a in x.axes], [a.size for a in axes]):
        try:
            merge(product([x.axes[d] for d in left]), product([axes[d] for d in right]))
        except Tangled as tangle:
            found.append((left, right))
            why = str(tangle)
    return found, why


def mixed(build: Any, x: Node, shape: Sequence[int], tangled: Sequence[Run]) -> Node:
    """A reshape that mixes the runs which are tangled, by a map whose rows sum to one."""
    whole = {left[0]: math.prod(x.axes[d].size for d in left) for left, _ in tangled}
    inside = {d for left, _ in tangled for d in left[1:]}
    middle = [whole.get(d, a.size) for d, a in enumerate(x.axes) if d not in inside]
    kept = [d for d in range(len(x.axes)) if d not in inside]
    dims = [kept.index(d) for d in whole]
    y = build.view(x, middle)
    return build.view(build.mix(y, dims, [middle[d] for d in dims], unit=1.0), shape)
