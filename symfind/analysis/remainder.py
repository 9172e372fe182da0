"""What is measured and not derived: which tensors carry it, and what it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from symfind.count.carriers import Carried, carried
from symfind.numerics.spans import beyond_span, span
from symfind.report.certificate import NullEntry, NullKind, NullSet, NullVector
from symfind.report.words import some_of
from symfind.verify import Function, Nullity
from symfind.verify.jumps import drawn, jumping
from symfind.verify.nature import fills, linearly_explained, persisting
from symfind.verify.nullity import Draw
from symfind.verify.samples import Samples

_POINTS = 4  # at which a vector field must vanish
_VECTORS = 2  # of a set that are shown
_ENTRIES = 8  # of a vector
_LINES = 5  # in words
_PLACES = 3  # that share a sentence


@dataclass(frozen=True)
class _Kind:
    kind: NullKind
    words: str
    linear: int | None = None


_PIECEWISE = _Kind("piecewise", (
    "piecewise constant: derivatives along these are zero, but along finite steps the function "
    "jumps (a threshold, rounding, an order, the largest entries): no symmetry by themselves"
))  # fmt: skip


class Surroundings(Protocol):
    """What a measured function is fed with: a model under analysis, or a twin of one."""

    @property
    def seed(self) -> int:
        """Of all random numbers."""

    def fresh(self) -> Draw:
        """What draws inputs over their full domain."""

    def wider(self) -> Mapping[str, Draw]:
        """What draws inputs beyond these, by what is different about them."""


class Remainder:
    """The null directions that a measurement shows beyond the derived ones.

    Args:
        subject: the model, or a twin of it.
        function: the same, as it was measured.
        measured: a measurement with directions beyond the known ones.
        found: directions of discovered vector fields at its point, [parameters, number], where
            any were looked for.
    """

    def __init__(
        self,
        subject: Surroundings,
        function: Function,
        measured: Nullity,
        found: Tensor | None = None,
    ) -> None:
        assert measured.theta is not None
        assert measured.directions is not None and measured.beyond is not None
        self.subject, self.function, self.measured = subject, function, measured
        self.theta = measured.theta
        self.known, self.beyond = measured.directions.cpu(), measured.beyond.cpu()
        self.found = self.beyond[:, :0] if found is None else found
        self.sizes = {n: self.theta[n].numel() for n in function.names}
        rng = torch.Generator().manual_seed(1)
        others = [function.random_point(rng) for _ in range(_POINTS - 1)]
        fresh = subject.fresh()
        self._steps = drawn(fresh, function.inputs, subject.seed)
        self._points = [Samples(function, theta, fresh, 1) for theta in (self.theta, *others)]
        self._wider = {
            what: Samples(function, self.theta, draw, subject.seed)
            for what, draw in subject.wider().items()
        }

    def sets(self) -> tuple[NullSet, ...]:
        """All of it, by the fewest tensors that carry it: first what was discovered."""
        known = span(self.known)
        found = beyond_span(span(self.found), known)
        rest = beyond_span(span(self.beyond), torch.cat([known, found], 1))
        sets = [self._named(one, known) for one in self._carried(known, found)]
        if rest.shape[1]:
            whole = self._filled(self.function.names, self.measured.rank or 0)
            known = torch.cat([known, found], 1)
            for one in self._carried(known, rest):
                smooth, jumping = self._parted(one)
                if jumping is not None:
                    sets.append(self._described(jumping, _PIECEWISE))
                if smooth is not None:
                    sets.append(self._described(smooth, self._kind(smooth, known, whole)))
                known = torch.cat([known, one.vectors], 1)
        return tuple(sets)

    def _carried(self, known: Tensor, beyond: Tensor) -> tuple[Carried, ...]:
        return carried(self.sizes, known, beyond) if beyond.shape[1] else ()

    def _parted(self, one: Carried) -> tuple[Carried | None, Carried | None]:
        """What stays under finite steps as far as can be seen, and what a jump takes away."""
        jump = torch.tensor(jumping(
            self.function, self.theta, one.vectors, self._steps, self.subject.seed
        ))  # fmt: skip
        parts = (one.vectors[:, ~jump], one.vectors[:, jump])
        smooth, jumps = (replace(one, vectors=v) if v.shape[1] else None for v in parts)
        return smooth, jumps

    def _named(self, one: Carried, known: Tensor) -> NullSet:
        """What a discovered symmetry explains."""
        given = self._of_inputs(one.vectors, known)
        if given is not None:
            return self._described(one, given)
        linear = self._linear(one.tensors, known)
        linear = linear if linear is None else min(linear, one.vectors.shape[1])
        words = f"{self._where}; discovered as a vector field: a rule is missing"
        return self._described(one, _Kind("structural", words, linear))

    def _described(self, one: Carried, kind: _Kind) -> NullSet:
        vectors = tuple(self._vector(v) for v in one.vectors.T[:_VECTORS])
        dimension = one.vectors.shape[1]
        return NullSet(kind.kind, dimension, one.tensors, kind.linear, kind.words, vectors)

    def _kind(self, one: Carried, known: Tensor, whole: bool) -> _Kind:
        given = self._of_inputs(one.vectors, known)
        if given is not None:
            return given
        if whole:
            return _Kind("filling", (
                "filling: the functions that the model reaches fill an affine space of dimension "
                f"{self.measured.rank:,} (tangent spaces at two points agree); there "
                "are more parameters than dimensions, and it takes no group to make them null"
            ))  # fmt: skip
        rank = self._rank(one.tensors)
        if len(one.tensors) < len(self.sizes) and self._filled(one.tensors, rank):
            return _Kind("filling", (
                "filling: with all others held, what these tensors reach fills an affine space of "
                f"dimension {rank:,} (tangent spaces at two points agree); there are "
                "more parameters than dimensions, and it takes no group to make them null"
            ))  # fmt: skip
        if self.measured.scattered:
            return _Kind("point", (
                f"null at the best of {len(self.measured.points)} random points, which disagree: "
                "units may be dead or always on at all of them"
            ))  # fmt: skip
        linear = self._linear(one.tensors, known)
        linear = linear if linear is None else min(linear, one.vectors.shape[1])
        if linear:
            return _Kind("structural", (
                f"{self._where}; a linear action on these tensors explains {linear:,}: a rule is "
                "missing"
            ), linear)  # fmt: skip
        looked = "no linear action on these tensors explains it: " if linear == 0 else ""
        return _Kind("structural", (
            f"{self._where}; {looked}an inner part has more parameters than "
            "functions (it fills, or is defective), or a rule is missing"
        ), linear)  # fmt: skip

    @property
    def _where(self) -> str:
        """At which points these were seen to be null."""
        number = len(self.measured.points)
        if self.measured.scattered:
            return f"null at the best of {number} random points, which disagree"
        return f"structural (as many are null at each of {number} random points)"

    def _of_inputs(self, vectors: Tensor, known: Tensor) -> _Kind | None:
        """What is null only for inputs like those given."""
        known, vectors = self._placed(known), self._placed(vectors)
        for what, samples in self._wider.items():
            left = persisting(samples, known, vectors)
            if left is not None and left < vectors.shape[1]:
                seen = vectors.shape[1] - left
                which = "it" if left == 0 else f"{seen:,} of it"
                return _Kind("inputs", (
                    f"null for inputs like those given: {what} showed {which}; "
                    "analyse with such inputs (--input)"
                ))  # fmt: skip
        return None

    def _filled(self, names: Sequence[str], rank: int) -> bool:
        return bool(fills(self._points[0], names, rank, self.subject.seed + 1))

    def _rank(self, names: Sequence[str]) -> int:
        """Of the derivative by some tensors: scalars less null vectors within them."""
        null = torch.linalg.qr(torch.cat([self.known, self.beyond], 1)).Q
        outside = [piece for name, piece in self._pieces(null) if name not in names]
        inside = sum(self.sizes[name] for name in names)
        if not outside:
            return inside - null.shape[1]
        values = torch.linalg.svdvals(torch.cat(outside))
        return inside - (null.shape[1] - int((values > 1e-7).sum()))

    def _linear(self, names: Sequence[str], known: Tensor) -> int | None:
        return linearly_explained(self._points, names, self._placed(known))

    def _placed(self, columns: Tensor) -> Tensor:
        return columns.to(self.function.device)

    def _pieces(self, columns: Tensor) -> list[tuple[str, Tensor]]:
        return list(zip(self.sizes, columns.split(list(self.sizes.values())), strict=True))

    def _vector(self, vector: Tensor) -> NullVector:
        entries = []
        for name, piece in self._pieces(vector):
            shape = tuple(self.theta[name].shape)
            for flat in torch.nonzero(piece)[:, 0].tolist():
                index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), shape))
                entries.append(NullEntry(name, index, float(f"{float(piece[flat]):.6g}")))
        largest = sorted(entries, key=lambda e: -abs(e.value))[:_ENTRIES]
        return NullVector(len(entries), tuple(largest))


def sentences(sets: Sequence[NullSet]) -> list[str]:
    """One for every mechanism, with where it is met; at most a few."""
    kinds: dict[tuple[str, str], list[NullSet]] = {}
    for one in sets:
        # sets that differ in numbers only are explained alike
        kinds.setdefault((one.kind, re.sub(r"[\d,]+", "#", one.words)), []).append(one)
    found = [_sentence(same) for same in kinds.values()]
    if len(found) > _LINES:
        rest = sum(one.dimension for same in list(kinds.values())[_LINES - 1 :] for one in same)
        found = [*found[: _LINES - 1], f"{rest:,} more of other kinds: --details lists them."]
    return found


def _sentence(same: Sequence[NullSet]) -> str:
    places = [f"{one.dimension:,} in {some_of(one.tensors)}" for one in same[:_PLACES]]
    rest = sum(one.dimension for one in same[_PLACES:])
    places += [f"{rest:,} in {len(same) - _PLACES} more sets"] if rest else []
    return f"{'; '.join(places)}: {same[0].words}."
