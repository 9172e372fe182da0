"""What the count means at a checkpoint: its Fisher matrix modulo the orbit.

Along the orbit of θ every Fisher matrix is zero, and across it the determinant depends on the
gauge: for θ' = gθ one has F' = g⁻ᵀ F g⁻¹ and Ξ' = g Ξ Ad(g)⁻¹ for the fields Ξ of the orbit, so
that

    log pdet F − log det ΞᵀΞ + 2 log|det g| − 2 log|det Ad g|

does not, where g leads to θ from one representative of the orbit. At the representative g = 1.
The description length of N samples is then d/2 log(N/2π) + ½ of it, with d the rank of F (the Occam
factor of Laplace's method, on the quotient).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.numerics.tolerances import ABSENT, PART
from symfind.orbit.canonical import canonical
from symfind.orbit.element import Element
from symfind.orbit.fisher import Fisher, Volume, fisher, volume
from symfind.orbit.gauge import common_gauge
from symfind.orbit.group import Group, State
from symfind.orbit.objective import Objective
from symfind.orbit.scores import Score, scores
from symfind.orbit.walk import Walk
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily

_IMAGES = 3  # random gauges in which the most sensitive entries are looked up
_TOP = 100  # one entry of so many is among the most sensitive
_LEAST = 10  # of them, or one in ten
_FAR = 0.5  # how far random elements lead


@dataclass(frozen=True)
class Effective:
    """The Fisher matrix of a checkpoint, and what of it no gauge changes.

    Attributes:
        here: at the checkpoint as it is.
        reference: at the representative of its orbit.
        image: at its image under a random element.
        again: at the representative of that image.
        samples: predictions that the matrix is a mean over.
        outputs: "categorical", "gaussian" or "curvature".
        random: ξᵀFξ of a random unit direction at the checkpoint.
        overlap: which part of the most sensitive entries are so in a random gauge as well.
        top: how many entries are called the most sensitive.
        scores: of every site, at the representative.
        change: of scores, relative to the largest of each site, in the image's representative.
        notes: what has no unique form.
    """

    here: Volume
    reference: Volume
    image: Volume
    again: Volume
    samples: int
    outputs: str
    random: float
    overlap: float | None
    top: int
    scores: tuple[Score, ...] = field(repr=False)
    change: float
    notes: tuple[str, ...]


def effective(
    group: Group,
    state: State,
    objective: Objective,
    tell: Callable[[str], None] = lambda text: None,
    seed: int = 0,
) -> Effective:
    """Measure the Fisher matrix of a checkpoint along and across its orbit.

    Args:
        group: of the model.
        state: the checkpoint.
        objective: the model and its data, in float64.
        tell: called with a line on what is being done.
        seed: of random elements.
    """
    names, rng = list(group.shapes), torch.Generator().manual_seed(seed)
    tell("Fisher matrix of the checkpoint")
    own = fisher(objective, state, names)
    tell("representative of the orbit")
    ours, form, first = _settled(group, state, objective, names)
    sites = list(group.sites)  # nothing but these: a permutation would only rename entries
    drawn = [Element.random(group, state, rng, _FAR, sites) for _ in range(_IMAGES)]
    tell("random gauges")
    images = [element.apply(state) for element in drawn]
    moved = [fisher(objective, image, names) for image in images]
    theirs, other, second = _settled(group, images[0], objective, names)
    count = own.rows.shape[1]
    top = max(1, count // _TOP, min(_LEAST, count // 10))
    v = torch.randn(count, 1, generator=rng, dtype=torch.float64)
    return Effective(
        volume(own, fields(group, state)), form,
        volume(moved[0], fields(group, images[0])), other,
        own.samples, own.outputs, float(own.along(v / v.norm())[0]),
        _overlap(own, moved, top) if sites else None, top, tuple(ours), _apart(ours, theirs),
        tuple(dict.fromkeys((*first.notes, *second.notes))),
    )  # fmt: skip


def fields(group: Group, state: State) -> Tensor:
    """Independent fields that span the orbit's tangent at a checkpoint: [parameters, dimension].

    Families come in the order in which they are counted. One whose basis does not depend on the
    weights, and that is independent of those before, is taken as it is. Of any other what it adds
    is taken in an orthonormal basis, which no gauge chooses.
    """
    found: list[Tensor] = []
    span = torch.zeros(sum(state[n].numel() for n in group.shapes), 0, dtype=torch.float64)
    for family in (*group.derivation.families, None):
        columns = group.directions(state, [] if family is None else [family])
        columns = columns[:, torch.isfinite(columns).all(0)]
        lengths = columns.norm(dim=0)
        top = float(lengths.max()) if len(lengths) else 0.0
        rest = columns / lengths.clamp_min(ABSENT * top + 1e-300)
        for _ in range(2):  # once leaves rounding
            rest = rest - span @ (span.T @ rest)
        u, s, _ = torch.linalg.svd(rest, full_matrices=False)
        new = u[:, s > PART]
        plain = isinstance(family, MatrixFamily | ScalingFamily | ShiftFamily)
        plain = plain and not getattr(family, "loose", False) and new.shape == columns.shape
        found.append(columns if plain else new)
        span = torch.cat([span, new], 1)
    return torch.cat(found, 1)


def _settled(
    group: Group, state: State, objective: Objective, names: Sequence[str]
) -> tuple[list[Score], Volume, Walk]:
    """Scores in a common gauge, where units are in their own order, and the representative.

    What is left of the group in a common gauge need not keep lengths (behind gains), and where data
    leaves directions flat beside the orbit, nothing corrects for that: so the last bit is fixed.
    """
    walk = Walk(group, state)
    common_gauge(walk)
    matrix = fisher(objective, walk.state, names)
    found, steps = scores(group, walk.state, matrix), len(walk.steps)
    canonical(walk)
    if len(walk.steps) > steps:
        matrix = fisher(objective, walk.state, names)
    return found, volume(matrix, fields(group, walk.state)), walk


def _overlap(own: Fisher, others: Sequence[Fisher], top: int) -> float:
    mine = set(own.diagonal().topk(top).indices.tolist())
    shared = [len(mine & set(f.diagonal().topk(top).indices.tolist())) for f in others]
    return sum(shared) / (top * len(others))


def _apart(ours: Sequence[Score], theirs: Sequence[Score]) -> float:
    found = [
        float((a.values - b.values).abs().max() / a.values.max().clamp_min(1e-300))
        for a, b in zip(ours, theirs, strict=True)
        if a.values.numel()
    ]
    return max(found, default=0.0)
