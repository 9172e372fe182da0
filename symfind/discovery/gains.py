"""Gains, found as what they are: vectors whose entries are scaled against an axis of a tensor.

With a gain γ between a normalisation and its reader W, the function depends on `W diag(γ)` alone.
This is seen in the diagonal part of the algebra, before anything else is known.
"""

from collections.abc import Sequence

from torch import Tensor

from symfind.discovery.dictionary import Dress, Shape, diagonals
from symfind.discovery.equation import independent, solve
from symfind.discovery.rationalise import echelon, sparsify
from symfind.discovery.samples import Samples

_SAME = 1e-7  # distance of two coefficients that count as equal
_POINTS = 3  # at which the size of a gain is looked at


def dresses(shapes: Sequence[Shape], samples: Samples) -> dict[str, list[Dress]]:
    """By tensor, the gains that multiply one of its axes.

    Where several vectors scale together (a gain and the offset after it), the one that stays
    furthest from zero is the gain.
    """
    blocks = diagonals(shapes)
    unknowns = independent(blocks, samples)
    solution = solve(unknowns, samples)
    if not solution.settled or solution.null.shape[1] == 0:
        return {}
    rows = unknowns.spread(echelon(solution.null))
    full = sparsify(rows, unknowns.relations)
    vectors = [i for i, b in enumerate(blocks) if len(b.letters) == 1]
    places = _places(blocks)
    found: dict[str, list[Dress]] = {}
    for i in vectors:
        scaled = _following(full, places[i], places)
        together = [j for j in vectors if j in scaled]
        if not together:
            continue
        gain = max(together, key=lambda j: _distance(blocks[j].target, samples))
        if abs(scaled[gain]) != 1:
            continue
        for j, power in scaled.items():
            power = power * scaled[gain]
            block = blocks[j]
            if j == gain or power not in (1, -1):
                continue
            axis = block.letters.index(block.free)
            own = found.setdefault(block.target, [])
            if all(d.axis != axis for d in own):
                own.append(Dress(blocks[gain].target, axis, int(power)))
    return found


def _places(blocks: Sequence) -> list[slice]:
    start, places = 0, []
    for block in blocks:
        places.append(slice(start, start + block.count))
        start += block.count
    return places


def _following(full: Tensor, vector: slice, places: Sequence[slice]) -> dict[int, int]:
    """The axes that scale with a vector, entry by entry, and their powers.

    Empty unless every entry of the vector has a row of its own in the echelon form.
    """
    own = full[:, vector]
    leads = [
        [r for r in range(len(full)) if _leads(full[r], vector.start + a)]
        for a in range(own.shape[1])
    ]
    if any(len(lead) != 1 for lead in leads) or len(leads) < 2:
        return {}
    rows = full[[lead[0] for lead in leads]]
    found = {}
    for j, place in enumerate(places):
        part = rows[:, place]
        if part.shape[0] != part.shape[1]:
            continue
        diagonal = part.diagonal()
        power = round(float(diagonal[0]))
        off = part - power * part.new_ones(len(part)).diag()
        if power and float(off.abs().max()) < _SAME:
            found[j] = power
    return found


def _leads(row: Tensor, column: int) -> bool:
    """Whether the first entry of a row that is not zero is in this column."""
    nonzero = (row.abs() > _SAME).nonzero()
    return len(nonzero) > 0 and int(nonzero[0]) == column


def _distance(name: str, samples: Samples) -> float:
    """How far from zero the entries of a vector stay, relative to their size."""
    values = [samples[i].theta[name].abs() for i in range(_POINTS)]
    return min(float(v.min() / v.mean()) for v in values)
