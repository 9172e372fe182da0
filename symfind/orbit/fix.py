"""Canonical forms of a checkpoint, with a proof that nothing is left to choose."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from symfind.numerics.rank import spectral_rank
from symfind.orbit.canonical import canonical
from symfind.orbit.checkpoint import distance
from symfind.orbit.element import Element
from symfind.orbit.gauge import least_norm
from symfind.orbit.group import Group, State
from symfind.orbit.pins import frozen_entries, left_unpinned, pin
from symfind.orbit.walk import Walk
from symfind.verify import Function

Form = Literal["pins", "balanced", "canonical"]
MOST = 60_000_000  # entries of the matrix of all directions
_ROWS = 400  # of a Jacobian, more than it has columns
_BATCHES = 400


@dataclass(frozen=True)
class Proof:
    """What says that a form is one.

    Attributes:
        redundant: rank of all derived directions at the checkpoint.
        frozen: how many entries the mask holds.
        pinned: how many of them are zero or one.
        transverse: the smallest singular value of the held rows of an orthonormal basis of the
            directions: zero if a direction could still move without them.
        nullity: of the Jacobian at the form; None where it is not measured.
        unexplained: the same with the held entries left out: directions that no derived family
            explains. Zero means that training within the mask has no symmetry left.
        again: distance between the forms of the checkpoint and of its image under a random
            element, relative; None where the form is not claimed to be unique.
        norm: sum of squares before and after.
        why: why something was not measured, empty otherwise.
        unpinned: where pins are asked for, how many directions of which site are held by entries
            that are neither zero nor one.
    """

    redundant: int | None
    frozen: int
    pinned: int
    transverse: float | None
    nullity: int | None
    unexplained: int | None
    again: float | None
    norm: tuple[float, float]
    why: str = ""
    unpinned: dict[str, int] = field(default_factory=dict)


def move(walk: Walk, form: Form, holds: Callable[[State], bool]) -> None:
    """Move a checkpoint to a form.

    Args:
        walk: the checkpoint.
        form: which.
        holds: whether a checkpoint computes the function that this one does.
    """
    if form == "pins":
        pin(walk, holds)
    else:
        {"balanced": least_norm, "canonical": canonical}[form](walk)
    for name in (*walk.group.held, *walk.group.found):
        walk.note(f"{name}: held where it is")


def proof_of(
    walk: Walk,
    start: State,
    form: Form,
    directions: Callable[[State], Tensor],
    function: Function,
    fresh: Callable[[torch.Generator], Any],
    most: int,
    seed: int,
) -> tuple[dict[str, Tensor], Proof]:
    """Masks, and what says that nothing is left.

    Args:
        walk: at the form.
        start: where it began.
        form: which.
        directions: all derived directions at a point, [parameters, number].
        function: the model.
        fresh: draws inputs.
        most: parameters, up to which the Jacobian is formed.
        seed: of random elements and inputs.
    """
    group = walk.group
    again = _again(group, start, walk.state, form, seed)
    norms = (Walk(group, start).norm(), walk.norm())
    count = sum(walk.state[n].numel() for n in group.shapes)
    families = sum(s.family.count() for s in group.sites.values())
    if count * families > MOST:
        why = f"{families:,} directions of {count:,} parameters are too many for dense algebra"
        return {}, Proof(None, 0, 0, None, None, None, again, norms, why)
    matrix = directions(walk.state)
    masks, pinned, transverse = frozen_entries(group, walk.state, matrix)
    held = sum(int(m.sum()) for m in masks.values())
    nullity = left = None
    why = "" if count <= most else f"{count:,} parameters are too many for a Jacobian"
    if count <= most:
        rows = _jacobian(function, walk.state, fresh, seed)
        free = ~torch.cat([masks[n].reshape(-1) for n in function.names])
        whole, part = spectral_rank(rows), spectral_rank(rows[:, free])
        if whole.clear and part.clear:
            nullity = rows.shape[1] - whole.rank
            left = int(free.sum()) - part.rank
        else:
            why = "the spectrum of the Jacobian has no clear gap at this checkpoint"
    other = left_unpinned(group, walk.state) if form == "pins" and pinned < held else {}
    return masks, Proof(held, held, pinned, transverse, nullity, left, again, norms, why, other)


def _again(group: Group, start: State, here: State, form: Form, seed: int) -> float | None:
    """How far the form of a random image is; for a form that claims to be the only one."""
    if form != "canonical":
        return None
    rng = torch.Generator().manual_seed(seed)
    names = [*group.sites, *group.signs, *group.spec.perms]
    moving = [n for n in names if n not in group.found]
    other = Walk(group, Element.random(group, start, rng, sites=moving).apply(start))
    canonical(other)
    return distance(here, other.state, list(group.shapes))


def _jacobian(
    function: Function, state: State, fresh: Callable[[torch.Generator], Any], seed: int
) -> Tensor:
    """Rows at random inputs, more than there are columns."""
    rng = torch.Generator().manual_seed(seed)
    function.hold(state)
    theta = {n: state[n] for n in function.names}
    rows = [function.pullback(theta, function.inputs)]
    wanted = 3 * function.count + _ROWS
    for _ in range(_BATCHES):
        if sum(map(len, rows)) >= wanted:
            break
        rows.append(function.pullback(theta, function.place(fresh(rng))))
    return torch.cat(rows)
