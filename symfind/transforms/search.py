"""From a function to the transformations of its input: solve, compare with rules, apply, name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.transforms.action import Action
from symfind.transforms.answer import answer
from symfind.transforms.basis import beyond, echelon, rational
from symfind.transforms.derived import Engines
from symfind.transforms.equations import Solved, equations, solve
from symfind.transforms.fields import Dictionary
from symfind.transforms.flows import HOLDS, SAMPLES, follow
from symfind.transforms.naming import as_matrices, named, text
from symfind.transforms.oracle import Oracle
from symfind.transforms.points import Points
from symfind.transforms.result import Found, Generator, Source

Tell = Callable[[str], None]

_HOLDS = 1e-8  # part of a derived field outside of the solutions; equation of a rational one
_CHECKED = 200  # samples of the defect
_APART = 60  # generators, up to which each is applied alone


@dataclass(frozen=True)
class Basis:
    """Fields on all coordinates, those of degree two first.

    Attributes:
        dictionary: of fields on R^n.
        rows: [k, n, monomials].
        sources: of each, how it is known.
    """

    dictionary: Dictionary
    rows: Tensor
    sources: tuple[Source, ...]


def search(
    oracle: Oracle,
    action: Action,
    affine: bool,
    degree: int,
    engines: Callable[[Dictionary], Engines | None],
    seed: int,
    tell: Tell,
    spec: str,
) -> Found:
    """Find the fields that leave a function unchanged.

    Args:
        oracle: the function.
        action: what moves.
        affine: whether fields have constant terms.
        degree: one or two.
        engines: what is asked before the measurement; None where nothing is.
        seed: of all random numbers.
        tell: called with a line on what is being done.
        spec: what was asked for.

    Raises:
        InputError: the function is constant or nowhere finite, or there are too many unknowns.
    """
    points = Points(oracle, action, torch.Generator().manual_seed(seed))
    tell("solving the invariance equation")
    solved = solve(points, action.size, affine, degree)
    whole = Dictionary(action.size, affine or degree > 1, degree)
    basis, ruled = _known(solved, whole, engines(whole), tell)
    tell("applying finite transformations")
    generators = _checked(basis, points)
    reason = _unclear(solved, generators) or _jumps(solved, points)
    tell("naming the algebra")
    name = named(whole, basis.rows)
    trivial = solved.blind.shape[1] * len(whole.monomials)
    gap = (round(solved.spectrum.kept, 1), round(solved.spectrum.dropped, 1))
    return answer(
        points, whole, name, generators, trivial, reason,
        spec=spec,
        blind=tuple(tuple(row) for row in _sparse(solved.blind.T).tolist()),
        points=solved.points,
        gap=gap,
        sources={s: basis.sources.count(s) for s in dict.fromkeys(basis.sources)},
        rules=ruled,
        notes=_notes(solved, points, name.reason),
    )  # fmt: skip


def _known(
    solved: Solved, whole: Dictionary, engines: Engines | None, tell: Tell
) -> tuple[Basis, str]:
    """A basis of the solutions by how they are known, and why rules were not asked."""
    solutions = _Solutions(solved, whole)
    if engines is None:
        return solutions.basis([]), "not asked for"
    tell("deriving symmetries of x -> f(A x + b)")
    ruled = engines.rules()
    groups: list[tuple[Source, Tensor]] = [("rules", solutions.inside(ruled.coefficients))]
    if len(groups[0][1]) < len(solutions.rows):
        tell("discovering symmetries of x -> f(A x + b)")
        groups.append(("discovery", solutions.inside(engines.discovery().coefficients)))
    return solutions.basis(groups), ruled.reason


class _Solutions:
    """Solutions on all coordinates, as rows."""

    def __init__(self, solved: Solved, whole: Dictionary) -> None:
        self.solved, self.whole = solved, whole
        self.back = solved.dictionary.pulled_back(solved.seen)
        self.shape = (-1, whole.size, len(whole.monomials))
        self.rows = (solved.seen @ solved.coefficients @ self.back).flatten(1)

    def inside(self, fields: Tensor) -> Tensor:
        """Independent ones of some fields, modulo blind values, that are solutions."""
        known = _quotient(fields, self.whole, self.solved.seen)
        return _inside(known, self.rows)

    def basis(self, groups: Sequence[tuple[Source, Tensor]]) -> Basis:
        """One that begins with groups of known fields, in readable form."""
        rows, sources = self.rows[:0], list[Source]()
        for source, fields in (*groups, ("measured", self.rows)):
            if len(rows) < len(self.rows):
                fresh = beyond(self._readable(fields), rows)
                rows = torch.cat([rows, fresh])
                sources += [source] * len(fresh)
        fields = rows.reshape(self.shape)
        curved = fields[:, :, self.whole.size + self.whole.constant :].abs().sum((1, 2)) > 0
        places = torch.argsort((~curved).int(), stable=True).tolist()
        return Basis(self.whole, fields[places], tuple(sources[i] for i in places))

    def _readable(self, rows: Tensor) -> Tensor:
        return rational(echelon(rows, _order(self.whole)), self._hold) if len(rows) else rows

    def _hold(self, rows: Tensor) -> bool:
        fields = rows.reshape(self.shape) @ torch.linalg.pinv(self.back)
        reduced = (self.solved.seen.T @ fields).flatten(1)
        size = reduced.norm(dim=1).clamp(min=1e-300)
        error = (self.solved.rows @ reduced.T).abs().amax(0) / size
        return bool((error <= _HOLDS).all())


def _quotient(fields: Tensor, whole: Dictionary, seen: Tensor) -> Tensor:
    """Affine fields modulo those with blind values, as rows; independent ones."""
    n = whole.size
    inside = seen @ seen.T
    moved = fields.clone()
    moved[:, :, :n] = inside @ fields[:, :, :n] @ inside
    if whole.constant:
        moved[:, :, n : n + 1] = inside @ fields[:, :, n : n + 1]
    rows = moved.flatten(1)
    return beyond(rows[rows.norm(dim=1) > _HOLDS], rows[:0])


def _inside(rows: Tensor, solutions: Tensor) -> Tensor:
    """Rows that lie in the span of the solutions, as combinations of them."""
    if not len(rows) or not len(solutions):
        return rows[:0]
    unit = torch.linalg.qr(solutions.T).Q
    within = rows @ unit @ unit.T
    return within[(rows - within).norm(dim=1) <= _HOLDS * rows.norm(dim=1)]


def _order(whole: Dictionary) -> Tensor:
    """Columns of the echelon form: terms of degree two, linear ones, constants."""
    n, m = whole.size, len(whole.monomials)
    places = torch.arange(n * m).reshape(n, m)
    later = n + whole.constant
    blocks = (places[:, later:], places[:, :n], places[:, n:later])
    return torch.cat([block.reshape(-1) for block in blocks])


def _checked(basis: Basis, points: Points) -> tuple[Generator, ...]:
    """Every field with its defect at fresh points, and what its flow does."""
    if not len(basis.rows):
        return ()
    rng = torch.Generator().manual_seed(1)
    values = points.draw(_CHECKED)
    x, g = points.gradients(values)
    rows = equations(basis.dictionary, x, g)
    few = [value[:SAMPLES] for value in values]
    found = []
    together = None
    if len(basis.rows) > _APART:  # one flow of a random combination is along all of them
        mix = torch.randn(len(basis.rows), generator=rng, dtype=torch.float64)
        mixed = torch.einsum("k,knm->nm", mix, basis.rows)
        together = follow(points.oracle, points.action, basis.dictionary, mixed, few, rng)
    for field, source in zip(basis.rows, basis.sources, strict=True):
        defect = float((rows @ (field / field.norm()).flatten()).square().mean().sqrt())
        flow = together or follow(points.oracle, points.action, basis.dictionary, field, few, rng)
        flat = basis.dictionary.degree == 1 or not bool(field[:, basis.dictionary.size + 1 :].any())
        found.append(
            Generator(
                text=text(basis.dictionary, field),
                matrix=as_matrices(basis.dictionary, field[None])[0] if flat else [],
                source=source,
                defect=defect,
                moved=flow.moved,
                residual=flow.residual,
                coefficients=field,
            )
        )
    return tuple(found)


def _unclear(solved: Solved, generators: tuple[Generator, ...]) -> str:
    if not solved.clear:
        return "the singular values have no clear gap: f may be noisy, or kinked everywhere"
    failed = [g for g in generators if g.residual is None or not g.residual <= HOLDS]
    if failed:
        return (
            f"{len(failed)} of the fields hold at points, and yet a finite transformation changes "
            f"f (relative change {max(g.residual or 0.0 for g in failed):.0e})"
        )
    return ""


def _jumps(solved: Solved, points: Points) -> str:
    """Whether f changes along directions in which its gradient vanishes."""
    if not solved.blind.shape[1]:
        return ""
    values = points.draw(SAMPLES)
    x = points.action.coordinates(values)
    shape = (*x.shape[:2], solved.blind.shape[1])
    step = torch.randn(shape, generator=points.rng, dtype=x.dtype) @ solved.blind.T
    moved = x + step * (x.norm(dim=2, keepdim=True) / step.norm(dim=2, keepdim=True))
    before = points.oracle(values)
    after = points.oracle(points.action.moved(values, moved))
    fine = torch.isfinite(after).all(1)
    change = (after - before)[fine].abs().max() if bool(fine.any()) else torch.zeros(())
    spread = float((before - before.mean(0)).abs().max())
    if float(change) <= HOLDS * spread:
        return ""
    return "f changes along directions in which its gradient vanishes: it jumps, or is kinked"


def _notes(solved: Solved, points: Points, reason: str) -> tuple[str, ...]:
    notes = []
    if points.outside:
        share = points.outside / max(points.drawn, 1)
        about = "; they were drawn about the example" if points.near else ""
        notes.append(f"f is not finite at {share:.0%} of the inputs that were drawn{about}")
    if solved.dead:
        notes.append(f"f does not change at {solved.dead} of {solved.points} points")
    if reason:
        notes.append(reason)
    return tuple(notes)


def _sparse(rows: Tensor) -> Tensor:
    """A basis that is easy to read."""
    if not len(rows):
        return rows
    return rational(echelon(rows, torch.arange(rows.shape[1])), lambda _: True)
