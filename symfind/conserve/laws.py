"""From verified generators to laws: closed combinations, their independence, their words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from symfind.characters import tex_name
from symfind.conserve.closed import Closed, Draw, closed_combinations
from symfind.conserve.fields import Fields, Theta, random_directions
from symfind.conserve.flow import Path, control, relative_drift
from symfind.conserve.model import Law, Split
from symfind.conserve.spelling import spell
from symfind.conserve.twin import classify
from symfind.numerics.rank import spectral_rank
from symfind.report.model import Factor
from symfind.solve.point.generator import BoundGenerator

DIRECTIONS = 1500  # generators, up to which all are solved together at the model's own sizes
ENTRIES = 30_000_000  # of the matrix of all their directions

Form = Literal["linear", "quadratic", "general"]


@dataclass(frozen=True, eq=False)
class Combination:
    """Gradients that are combinations of generators, with their coefficients."""

    law: Law
    spaces: Mapping[int, Fields]
    basis: Mapping[int, Tensor]

    def measured(self, path: Path, rng: torch.Generator) -> "Combination":
        """With its drift along a path, beside that of random quadratics."""
        drift = relative_drift(self.spaces, self.basis, path)
        law = replace(self.law, drift=drift, control=control(self.law.tensors, path, rng))
        return replace(self, law=law)

    def gradients(self, theta: Theta) -> dict[str, Tensor]:
        """∇h at a point: one matrix [entries, functions] per tensor."""
        total: dict[str, Tensor] = {}
        for key, fields in self.spaces.items():
            for name, block in fields.gradients(theta).items():
                part = block @ self.basis[key]
                total[name] = total[name] + part if name in total else part
        return total


@dataclass(frozen=True, eq=False)
class Found:
    """All laws of a model."""

    combinations: tuple[Combination, ...]
    splits: tuple[Split, ...]
    open: tuple[str, ...]
    count: int
    counted: Literal["model", "twin"]


def find_laws(
    factors: Sequence[Factor], shapes: Mapping[str, tuple[int, ...]], draw: Draw, seed: int
) -> Found:
    """Find the conserved quantities among the symmetries of a model.

    Args:
        factors: of a report, with generators bound to the model.
        shapes: of all trainable tensors.
        draw: draws a generic point.
        seed: of all random numbers.
    """
    every: list[tuple[Factor, Any]] = [(f, g) for f in factors for g in f.generators]
    # what discovery found moves parameters by name, and stays undecided
    generators = [(f, g) for f, g in every if isinstance(g, BoundGenerator)]
    found = [f.id for f, g in every if not isinstance(g, BoundGenerator)]
    spaces = [Fields(g.family, None, g.constants) for _, g in generators]
    total = sum(s.count for s in spaces)
    scalars = sum(math.prod(s) for s in shapes.values())
    unread = [_unread(f) for f in factors if not f.generators]
    if total > DIRECTIONS or total * scalars > ENTRIES:
        return _through_twins(factors, generators, spaces, unread, seed, found)
    rng = torch.Generator().manual_seed(seed)
    sound = _differentiable(spaces, draw, rng)
    rough = [f.id for (f, _), s in zip(generators, sound, strict=True) if not s]
    lost = tuple(dict.fromkeys([*found, *rough]))
    kept = [k for k, good in enumerate(sound) if good]
    closed = closed_combinations([spaces[k] for k in kept], draw, rng, mixed=True)
    undecided = [generators[kept[k]][0].id for k in sorted(closed.undecided)]
    lost = tuple(dict.fromkeys([*lost, *undecided]))
    if not closed.clear:
        lost = tuple(dict.fromkeys([*lost, *(f.id for f, _ in generators)]))
    combinations = (
        _combinations(generators, spaces, kept, closed, draw(rng)) if closed.clear else []
    )
    combinations = _independent([*unread, *combinations], draw(rng))
    splits = tuple(_split(f, combinations, lost) for f in factors)
    count = sum(c.law.independent or 0 for c in combinations)
    return Found(tuple(combinations), splits, lost, count, "model")


def _through_twins(
    factors: Sequence[Factor],
    generators: Sequence[tuple[Factor, Any]],
    spaces: Sequence[Fields],
    unread: list[Combination],
    seed: int,
    found: Sequence[str],
) -> Found:
    numbers = classify([s.family for s in spaces], seed)
    rough = [f.id for (f, _), n in zip(generators, numbers, strict=True) if n is None]
    lost = tuple(dict.fromkeys([*found, *rough]))
    combinations = list(unread)
    for (factor, _), space, n in zip(generators, spaces, numbers, strict=True):
        if n:
            words = spell(space.family, n, linear=False)
            form: Form = "quadratic" if words.range[:1] not in "0123456789" else "general"
            law = Law(factor.id, space.names, words.text, words.latex, words.range, n, None, form)
            combinations.append(Combination(law, {}, {}))
    splits = tuple(_split(f, combinations, lost) for f in factors)
    count = sum(c.law.functions for c in combinations)
    return Found(tuple(combinations), splits, lost, count, "twin")


def _differentiable(spaces: Sequence[Fields], draw: Draw, rng: torch.Generator) -> list[bool]:
    theta = draw(rng)
    along = {n: d[0] for n, d in random_directions(theta, list(theta), 1, rng).items()}
    return [s.differentiable(theta, along, rng) for s in spaces]


def _combinations(
    generators: Sequence[tuple[Factor, Any]],
    spaces: Sequence[Fields],
    kept: Sequence[int],
    closed: Closed,
    theta: Theta,
) -> list[Combination]:
    found = []
    for k, basis in zip(kept, closed.own, strict=True):
        if basis.shape[1]:
            factor, space = generators[k][0], spaces[k]
            form = _form({k: space}, {k: basis}, theta)
            words = spell(space.family, basis.shape[1], form == "linear")
            law = Law(factor.id, space.names, words.text, words.latex, words.range,
                      basis.shape[1], None, form)  # fmt: skip
            found.append(Combination(law, {k: space}, {k: basis}))
    if closed.mixed is not None and closed.mixed.shape[1]:
        found.append(_mixed(generators, spaces, kept, closed.mixed, theta))
    return found


def _mixed(
    generators: Sequence[tuple[Factor, Any]],
    spaces: Sequence[Fields],
    kept: Sequence[int],
    basis: Tensor,
    theta: Theta,
) -> Combination:
    parts = basis.split([spaces[k].count for k in kept])
    used = {k: z for k, z in zip(kept, parts, strict=True) if float(z.abs().max()) > 1e-8}
    names = tuple(dict.fromkeys(n for k in used for n in spaces[k].names))
    ids = tuple(dict.fromkeys(generators[k][0].id for k in used))
    n = basis.shape[1]
    form = _form({k: spaces[k] for k in used}, used, theta)
    law = Law(
        " + ".join(ids), names, "combined functions of " + ", ".join(names),
        r"\text{combined functions of }" + r",\ ".join(map(tex_name, names)),
        f"{n}, given by their gradients", n, None, form,
    )  # fmt: skip
    return Combination(law, {k: spaces[k] for k in used}, used)


def _form(spaces: Mapping[int, Fields], basis: Mapping[int, Tensor], theta: Theta) -> Form:
    """Whether the gradients are constant, or change in proportion along a line."""
    blank = Law("", (), "", "", "", 0, None, "general")
    whole = Combination(blank, spaces, basis)
    once, twice, thrice = (
        torch.cat(list(whole.gradients({n: s * v for n, v in theta.items()}).values()))
        for s in (1.0, 2.0, 3.0)
    )
    size = 1e-9 * float(thrice.norm())
    if float((twice - once).norm()) <= size:
        return "linear"
    return "quadratic" if float((thrice - 2 * twice + once).norm()) <= size else "general"


def _unread(factor: Factor) -> Combination:
    """Tensors that nothing reads: each entry is conserved."""
    (name,) = factor.parameters
    law = Law(factor.id, (name,), f"{name} itself", tex_name(name), f"{factor.total} entries",
              factor.total, factor.total, "linear")  # fmt: skip
    return Combination(law, {}, {})


def _independent(combinations: Sequence[Combination], theta: Theta) -> list[Combination]:
    """How many gradients each adds to the span of those before it, at a generic point."""
    sizes = {n: v.numel() for n, v in theta.items()}
    offset = dict(zip(sizes, torch.tensor([0, *sizes.values()]).cumsum(0).tolist(), strict=False))
    span = torch.zeros(0, sum(sizes.values()), dtype=torch.float64)
    known, result = 0, []
    for combination in combinations:
        if combination.spaces:
            rows = torch.zeros(combination.law.functions, span.shape[1], dtype=torch.float64)
            for name, block in combination.gradients(theta).items():
                rows[:, offset[name] : offset[name] + sizes[name]] = block.T
            span = torch.cat([span, rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-300)])
            rank = spectral_rank(span).rank
            law = replace(combination.law, independent=rank - known)
            combination, known = replace(combination, law=law), rank
        result.append(combination)
    return result


def _split(factor: Factor, combinations: Sequence[Combination], lost: Sequence[str]) -> Split:
    mine = [c.law for c in combinations if c.law.factor == factor.id]
    laws = sum(w.functions if w.independent is None else w.independent for w in mine)
    return Split(factor.id, factor.group, factor.algebra, factor.sites, factor.total,
                 None if factor.id in lost else laws)  # fmt: skip
