"""Finite groups that act beside the continuous ones, as the report holds them."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class DiscretePlace:
    """One site of a finite group: the axes of every tensor on which it acts.

    A tensor that is moved as a whole (its sign) has no axes. `buffers` are moved but not trained.
    """

    id: str
    axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    buffers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Discrete:
    """A finite group that acts beside the continuous ones, such as permutations of hidden units.

    Attributes:
        id: first site and kind, `transformer.h.0.mlp.c_fc:permutation`; unique in the report.
        group: over all sites, `S_3072^12`, `(S_4 wr S_2)^32` (wreath product), `(Z/2)^256`.
        sites: number of places with the same action (layers).
        parameters: every trainable tensor that it moves, over all sites.
        text: how it acts.
        kind: `permutation`, `sign`, or `reflection`: the component of negative determinant of a
            continuous group.
        order: number of elements, as a formula.
        log10_order: its decimal logarithm.
        module: common module path of the sites, `transformer.h.*.mlp.c_fc`.
        places: the sites one by one.
        residual: how much elements of it changed the outputs, None where that was not tried.
    """

    id: str
    group: str
    sites: int = 1
    parameters: tuple[str, ...] = ()
    text: str = ""
    kind: Literal["permutation", "sign", "reflection"] = "permutation"
    order: str = ""
    log10_order: float = 0.0
    module: str = ""
    places: tuple[DiscretePlace, ...] = ()
    residual: float | None = None
