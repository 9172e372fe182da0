"""What the symbolic side found, counted and grouped into the factors of a report."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from symfind.count.counted import Counted
from symfind.count.null_directions import known_directions
from symfind.count.tally import tally_beside, whole
from symfind.describe.factors import Group, factor, gather, written
from symfind.describe.recorded import Recorder
from symfind.describe.where import Places
from symfind.formulas.slots import Slot, slot_of
from symfind.report.model import Factor, GeneratorText, Unsupported
from symfind.solve.point.family import Family
from symfind.solve.point.generator import BoundGenerator

if TYPE_CHECKING:
    from symfind.discovery.factor import FoundFactor


class Derived:
    """The factors of a report; those that verification rejects leave its totals."""

    def __init__(self, counted: Counted) -> None:
        """Gather what was derived and counted into factors."""
        self.derivation, self.symbols = counted.derivation, counted.symbols
        self.shapes, self.parameters = counted.shapes, counted.parameters
        self.unread, self.seen = counted.unread, counted.seen
        tallies, relaxed = counted.tallies, counted.derivation.approximate
        self.open = [t for t in tallies if not t.known]
        self.groups = gather(tallies)
        self.approximate = gather([whole(f, self.symbols) for f in relaxed])
        self.failed: frozenset[int] = frozenset()  # positions of factors that verification rejected
        self.recorder = Recorder(self.shapes, counted.derivation.lowered.nodes)
        self.sites = Places(counted.derivation.matrices)
        taken: set[str] = set()
        self.factors = self._written(self.groups, taken)
        self.near = self._written(self.approximate, taken)
        self.found: tuple[FoundFactor, ...] = ()

    def _written(self, groups: Sequence[Group], taken: set[str]) -> list[Factor]:
        return [factor(g, self.symbols, taken, self.recorder, self.sites) for g in groups]

    def with_found(self, found: Sequence["FoundFactor"]) -> "Derived":
        """The same with what discovery adds."""
        result = copy.copy(self)
        result.found = tuple(found)
        return result

    def generators(
        self, groups: Sequence[Group], factors: Sequence[Factor]
    ) -> list[tuple[BoundGenerator, int]]:
        """Bound generators and the factor that each belongs to."""
        return [
            (BoundGenerator(f"{f.id}@{i}", t.family), k)
            for k, (g, f) in enumerate(zip(groups, factors, strict=True))
            for i, t in enumerate(g.tallies)
        ]

    def reject(self, rejected: set[int], kept: Sequence[Family] = ()) -> None:
        """Give families that failed factors of their own, so that the others stand.

        Args:
            rejected: identities of families.
            kept: what is true within those.
        """
        if not rejected:
            return
        failed: set[int] = set()
        groups: list[Group] = []
        for group in self.groups:
            good = [t for t in group.tallies if id(t.family) not in rejected]
            bad = [t for t in group.tallies if id(t.family) in rejected]
            groups += [Group(good)] if good else []
            if bad:
                failed.add(len(groups))
                groups.append(Group(bad))
        taken: set[str] = set()
        self.failed = frozenset(failed)
        self.groups = groups
        self.groups = groups + gather(tally_beside(self.families, kept, self.shapes, self.symbols))
        self.factors = self._written(self.groups, taken)

    def promote(self, families: Sequence[Family]) -> bool:
        """Count families that were taken for approximate and are exact; False where none adds.

        Args:
            families: some of `approximate`.
        """
        more = gather(tally_beside(self.families, families, self.shapes, self.symbols))
        chosen = {id(f) for f in families}
        rest = [[t for t in g.tallies if id(t.family) not in chosen] for g in self.approximate]
        self.approximate = [Group(tallies) for tallies in rest if tallies]
        taken = {f.id for f in self.factors}
        self.groups = [*self.groups, *more]
        self.factors += self._written(more, taken)
        self.near = self._written(self.approximate, taken)
        return bool(more)

    @property
    def families(self) -> list[Family]:
        """All families that stand."""
        standing = (g for k, g in enumerate(self.groups) if k not in self.failed)
        return [t.family for g in standing for t in g.tallies]

    def known(self) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """What gives all derived directions at a point, also those whose count was left open."""
        families = [*self.families, *(t.family for t in self.open)]
        return known_directions(families, self.shapes, self.unread)

    @property
    def redundant(self) -> int:
        """Dimension of the span of all directions that stand."""
        _, symmetry, inert = self.orbit()
        return symmetry + inert

    def orbit(self) -> tuple[int, int, int]:
        """Dimensions of algebra, orbit and inert directions of the factors that stand."""
        algebra = symmetry = inert = 0
        for k, g in enumerate(self.groups):
            if k in self.failed:
                continue
            if g.tallies[0].family.kind == "inert":
                inert += g.orbit
            else:
                algebra += sum(t.algebra for t in g.tallies)
                symmetry += g.orbit
        algebra += sum(one.algebra for one in self.found)
        symmetry += sum(one.orbit for one in self.found)
        return algebra, symmetry, inert + sum(self.unread.values())

    def formula(self) -> str:
        """The redundant dimension in the model's own sizes."""
        return written(self._total())

    def sizes(self) -> dict[str, int]:
        """The sizes that the formula names, in order."""
        import sympy

        values = self.symbols.values(sympy.factor_terms(self._total()))
        return {name: n for name, n in sorted((str(s), n) for s, n in values.items())}

    def _total(self) -> Any:
        import sympy

        total: Any = sum(self.unread.values())
        for k, g in enumerate(self.groups):
            if k not in self.failed:
                total = total + g.formula(self.symbols, orbit=True)
        for one in self.found:
            total = total + (one.orbit if one.formula is None else one.formula)
        return sympy.sympify(total)

    def standing(self) -> tuple[Factor, ...]:
        """The factors that count, those of parameters that nothing reads among them."""
        unread = tuple(
            Factor(
                f"{name}:unread", "inert", f"R^{n}", f"R^{n}", 1, n, n, str(n), (name,),
                GeneratorText(f"{name} -> anything", ""), site=name,
            )
            for name, n in self.unread.items()
        )  # fmt: skip
        derived = [f for k, f in enumerate(self.factors) if k not in self.failed]
        if not self.found:
            return (*derived, *unread)
        # discovery holds itself against an analysis, and so imports it
        from symfind.discovery.factor import factor_of

        taken = {f.id for f in (*self.factors, *unread)}
        return (*derived, *(factor_of(one, taken, self.recorder) for one in self.found), *unread)

    def slots(self) -> list[set[Slot]]:
        """The slots of all families of each factor that stands, none of what no rule derives."""
        derived = [g for k, g in enumerate(self.groups) if k not in self.failed]
        known = [{slot_of(t.family) for t in g.tallies} for g in derived]
        return known + [set()] * (len(self.found) + len(self.unread))

    def gaps(self, complete: bool = False) -> tuple[Unsupported, ...]:
        """Operations that are rigid, what was not looked for, and what could not be counted.

        `complete`: a certificate says that nothing is missing, wherever a search has stopped.
        """
        nodes: dict[tuple[str, str], list[str]] = {}
        for op, why in self.derivation.lowered.gaps:
            nodes.setdefault((op.target, why), []).append(op.name)
        gaps = [
            Unsupported(target, tuple(names), "rigid" if why == "no rule" else f"rigid: {why}")
            for (target, why), names in nodes.items()
        ]
        gaps += [
            Unsupported("limit", tuple(names), f"not looked for: {what}")
            for what, names in self.derivation.limits.found.items()
            if not complete
        ]
        if self.open:
            names = tuple(dict.fromkeys(n for t in self.open for n in t.family.names))
            gaps.append(Unsupported("count", names, "left out: no closed formula was identified"))
        return tuple(gaps)
