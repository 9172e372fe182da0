"""The invariance equation of the input, stacked over points, and its null space.

A field X leaves f unchanged where ∇f(x)·X(x) = 0 for all x. With X = C φ(x), the same for every
item, that is a linear equation for C at each point: the sum over items of ∇f_i ⊗ φ(x_i). A row is
divided by |∇f||φ|, never by its own length: a row that vanishes exactly (a radial function and a
rotation about its point) would become noise of length one.

The directions k with k·∇f_i = 0 at all points and items are blind: f does not depend on them. A
field whose values are blind is a symmetry whatever it is, and says nothing. So fields are looked
for on the quotient by them, to which every symmetry descends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.numerics.rank import Spectrum
from symfind.numerics.reveal import reveal
from symfind.numerics.tolerances import ABSENT, NOISE
from symfind.transforms.fields import Dictionary

Sampler = Callable[[int], tuple[Tensor, Tensor]]
"""From a number of samples to coordinates and gradients, [samples, items, n] each."""

MOST_UNKNOWNS = 3000  # coefficients of a field
MOST_COORDINATES = 1000
_SPARE = 40  # equations beyond the unknowns
_FEW = 16  # samples at least
_ROUNDS = 6  # of more points, while fresh ones disagree
_WANTED = 4.0  # equations for each unknown: with few, a true one can look weak
_NOTHING = 10.0**NOISE  # the largest coefficient of an unknown that no equation sees


@dataclass(frozen=True)
class Solved:
    """The fields that leave a function unchanged, on what it depends on.

    Attributes:
        seen: orthonormal columns: the coordinates that the function depends on, [n, r].
        blind: orthonormal columns: what it does not depend on, [n, n - r].
        dictionary: of fields on R^r.
        coefficients: of independent solutions, [k, r, monomials].
        spectrum: rank of the stacked equation, and its gap.
        sight: the same for the gradients.
        points: samples that were stacked.
        rows: the stacked equation, for others to be held against.
        dead: samples at which the function does not change at all.
    """

    seen: Tensor
    blind: Tensor
    dictionary: Dictionary
    coefficients: Tensor
    spectrum: Spectrum
    sight: Spectrum
    points: int
    rows: Tensor
    dead: int

    @property
    def clear(self) -> bool:
        """Whether both ranks are decided by a gap."""
        return self.spectrum.clear and self.sight.clear


def solve(sample: Sampler, size: int, affine: bool, degree: int) -> Solved:
    """Solve the invariance equation over polynomial fields.

    Args:
        sample: gives points with gradients, others each time.
        size: number of coordinates.
        affine: whether fields have constant terms.
        degree: one or two.

    Raises:
        InputError: there are too many unknowns, or the function is constant.
    """
    if size > MOST_COORDINATES:
        raise InputError(
            f"the inputs have {size:,} coordinates, {MOST_COORDINATES:,} at most: act on one axis "
            "(--act), on fewer inputs (--on), or take smaller inputs"
        )
    seen, blind, sight = _sight(sample, size)
    dictionary = Dictionary(seen.shape[1], affine or degree > 1, degree)
    if dictionary.count > MOST_UNKNOWNS:
        raise InputError(
            f"{dictionary.words} on {dictionary.size} coordinates have {dictionary.count:,} "
            f"coefficients, {MOST_UNKNOWNS:,} at most: act on one axis (--act), on fewer inputs "
            "(--on), or take smaller inputs"
        )
    rows, points, dead = seen.new_zeros(0, dictionary.count), 0, 0
    wanted = int(_WANTED * dictionary.count) + _SPARE
    found = None
    for _ in range(_ROUNDS):
        x, g = sample(wanted)
        fresh = equations(dictionary, x @ seen, g @ seen)
        alive = g.flatten(1).abs().amax(1) > 0
        if found is not None and _hold(fresh, found.null / found.scales[:, None]):
            break
        rows, points = torch.cat([rows, fresh[alive]]), points + len(fresh)
        dead += int((~alive).sum())
        found = reveal(torch.where(rows.abs().amax(0) > _NOTHING, rows, 0.0))
    assert found is not None
    solutions = (found.null / found.scales[:, None]).T
    solutions = solutions.reshape(-1, dictionary.size, len(dictionary.monomials))
    return Solved(seen, blind, dictionary, solutions, found.spectrum, sight, points, rows, dead)


def equations(dictionary: Dictionary, x: Tensor, g: Tensor) -> Tensor:
    """One equation for each sample, [samples, unknowns], of length one at most."""
    phi = dictionary.features(x)
    rows = torch.einsum("sin,sip->snp", g, phi).flatten(1)
    scale = g.flatten(1).norm(dim=1) * phi.flatten(1).norm(dim=1)
    return rows / scale.clamp(min=torch.finfo(scale.dtype).tiny)[:, None]


def _sight(sample: Sampler, size: int) -> tuple[Tensor, Tensor, Spectrum]:
    """Coordinates that the function depends on, and those that it does not."""
    _, g = sample(_FEW)
    missing = -(-(2 * size + _SPARE) // g.shape[1]) - _FEW
    if missing > 0:
        g = torch.cat([g, sample(missing)[1]])
    norms = g.flatten(1).norm(dim=1)
    alive = norms > 0  # an item without a gradient stays without one beside the others
    found = reveal((g[alive] / norms[alive][:, None, None]).reshape(-1, size))
    blind = torch.linalg.qr(found.null / found.scales[:, None]).Q
    full = torch.linalg.qr(torch.cat([blind, torch.eye(size, dtype=blind.dtype)], 1)).Q
    seen = torch.eye(size, dtype=blind.dtype) if not blind.shape[1] else full[:, blind.shape[1] :]
    return seen, blind, found.spectrum


def _hold(rows: Tensor, null: Tensor) -> bool:
    """Whether solutions [unknowns, k] solve fresh equations."""
    if not null.shape[1]:
        return True
    unit = torch.linalg.qr(null).Q
    return float((rows @ unit).abs().max()) <= ABSENT
