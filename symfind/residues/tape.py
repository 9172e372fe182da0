"""Evaluate at a point modulo p and, beside it, at a real point; then push tangents through.

Exact rules (`symfind.ops`) are written in the few primitives of :class:`Tape`. Each of them
computes the result for residues and for real numbers at once, and records how a tangent is pushed
forward modulo p. Real values only ever decide which piece of a piecewise rational function is
meant.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from symfind.residues.bound import Bound
from symfind.residues.field import MANTISSA, Field
from symfind.residues.together import together, whole

Tangent = Tensor | None
_CLOSE = 1e-9  # what differs by less, relative to the largest, is not decided by rounded numbers
_INFINITE = "uses a constant that is not finite, as masks before a softmax are"


class Refusal(Exception):  # noqa: N818
    """An operation that is not piecewise rational, or has no rule; the text says why."""


class Undecided(Exception):  # noqa: N818
    """The point drawn is too close to where two pieces meet, or to a pole: draw another one."""


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor: at the real point (float64), modulo p (int64), and a bound on its entries."""

    real: Tensor
    residue: Tensor
    bound: Bound
    active: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return tuple(self.real.shape)


@dataclass(frozen=True)
class _Step:
    results: tuple[Value, ...]
    operands: tuple[Value, ...]
    push: Callable[..., Sequence[Tensor]]


class Tape:
    """What has been computed so far.

    `fixed` tells whether the real point has decided anything. Under `torch.vmap`, where each draw
    has a point of its own, `undecided` and `pole` tell of which draws the point is of no use;
    else such a point raises.
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self.steps: list[_Step] = []
        self.denominators = 0
        self.op: Any = None  # the traced operation that is computed
        self.fixed = False
        self.undecided = self.pole = torch.tensor(False)

    # --- leaves

    def variable(self, real: Tensor, residue: Tensor, active: bool) -> Value:
        """An input, or (active) a parameter: indeterminates."""
        return Value(real, residue, Bound(1), active)

    def lift(self, value: Any) -> Value:
        """A constant, exactly: each float is the rational number that it is."""
        if isinstance(value, Value):
            return value
        # a number is not to be rounded to torch's default precision
        wide = None if isinstance(value, Tensor) else torch.float64
        real = torch.as_tensor(value, dtype=wide).detach().cpu()
        if real.is_complex():
            raise Refusal("works on complex numbers")
        real = real.double()
        if not bool(torch.isfinite(whole(real)).all()):
            raise Refusal(_INFINITE)
        mantissa, exponent = torch.frexp(real)
        integers = (mantissa * 2.0**MANTISSA).long()
        lowest = (integers & -integers).double().log2()
        places = MANTISSA - exponent - lowest  # behind the binary point
        scale = int(places[integers != 0].max().clamp_min(0)) if bool(real.any()) else 0
        norm = math.log2(float(real.abs().max())) if bool(real.any()) else 0.0
        return Value(real, self.field.encode(real), Bound(0, norm, 2**scale))

    # --- primitives

    def linear(self, function: Callable[..., Any], *values: Value) -> Any:
        """A function each of whose results is a sum of some entries of its operands.

        Returns a Value where the function returns a tensor, else a tuple of them.
        """
        single, ones = _listed(function(*(_ones(v) for v in values)))
        terms = int(max((float(whole(o).max()) for o in ones if o.numel()), default=1.0))
        self.field.check_sum(terms)
        reals = _listed(function(*(v.real for v in values)))[1]
        residues = _listed(function(*(v.residue.double() for v in values)))[1]
        bound = Bound.common((v.bound for v in values), terms)

        def push(*tangents: Tangent) -> list[Tensor]:
            count = next(len(t) for t in tangents if t is not None)
            full = [
                torch.zeros(count, *v.shape, dtype=torch.float64) if t is None else t.double()
                for v, t in zip(values, tangents, strict=True)
            ]
            return [self.field.reduce(t) for t in _listed(torch.vmap(function)(*full))[1]]

        active = any(v.active for v in values)
        results = tuple(
            Value(real, self.field.reduce(residue), bound, active)
            for real, residue in zip(reals, residues, strict=True)
        )
        self._record(results, values, push)
        return results[0] if single else results

    def bilinear(self, function: Callable[[Tensor, Tensor], Tensor], a: Value, b: Value) -> Value:
        """A function each of whose results is a sum of products of an entry of each operand."""
        field = self.field
        ones = function(_ones(a), _ones(b))
        terms = int(whole(ones).max()) if ones.numel() else 1
        right = field.limbs(b.residue, terms)
        left = field.limbs(a.residue, terms) if b.active else None
        residue = right.contract(lambda limb: function(a.residue.double(), limb))

        def push(da: Tangent, db: Tangent) -> list[Tensor]:
            parts = []
            if da is not None:
                along = da.double()
                parts.append(
                    right.contract(lambda limb: torch.vmap(lambda t: function(t, limb))(along))
                )
            if db is not None:
                assert left is not None
                across = db.double()
                parts.append(
                    left.contract(lambda limb: torch.vmap(lambda t: function(limb, t))(across))
                )
            return [parts[0] if len(parts) == 1 else field.reduce(parts[0] + parts[1])]

        bound = a.bound.times(b.bound, terms)
        return self._one(function(a.real, b.real), residue, bound, push, a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        """Entry by entry, with broadcasting."""
        prime = self.field.prime
        residue = a.residue * b.residue % prime

        def push(da: Tangent, db: Tangent) -> list[Tensor]:
            parts = [
                torch.vmap(lambda t, other=other: t * other % prime)(tangent)
                for tangent, other in ((da, b.residue), (db, a.residue))
                if tangent is not None
            ]
            return [parts[0] if len(parts) == 1 else (parts[0] + parts[1]) % prime]

        return self._one(a.real * b.real, residue, a.bound.times(b.bound), push, a, b)

    def add(self, a: Value, b: Value) -> Value:
        """Entry by entry, with broadcasting."""
        return self.linear(torch.add, a, b)

    def scale(self, value: Value, factor: Fraction | int | float) -> Value:
        """A rational multiple; a float is the rational number that it is."""
        if isinstance(factor, float) and not math.isfinite(factor):
            raise Refusal(_INFINITE)
        factor = Fraction(factor)
        if factor == 1:
            return value
        if factor == 0:
            return self.lift(torch.zeros(value.shape))
        prime, residue = self.field.prime, self.field.fraction(factor)

        def push(tangent: Tensor) -> list[Tensor]:
            return [tangent * residue % prime]

        real = value.real * float(factor)
        bound = value.bound.scaled(factor)
        return self._one(real, value.residue * residue % prime, bound, push, value)

    def inverse(self, value: Value) -> Value:
        """One over every entry; raises ZeroDivisionError at a pole modulo p."""
        zero = value.residue == 0
        self._pole(zero.any())
        prime, inverse = self.field.prime, self.field.inverse(value.residue + zero.long())
        slope = (prime - inverse) * inverse % prime
        bound = value.bound.inverse(max(value.real.numel(), 1))
        self.denominators += sum(divisor.degree for divisor in bound.divisors)

        def push(tangent: Tensor) -> list[Tensor]:
            return [tangent * slope % prime]

        return self._one(value.real.reciprocal(), inverse, bound, push, value)

    def choose(self, mask: Tensor, a: Value, b: Value) -> Value:
        """Entries of ``a`` where ``mask`` holds, else those of ``b``."""
        return self.linear(lambda x, y: torch.where(mask, x, y), a, b)

    # --- decisions

    def positive(self, value: Value) -> Tensor:
        """Which entries are positive on the piece that the real point lies in.

        Raises:
            Undecided: an entry is as good as zero, and not identically so.
        """
        self.fixed = True
        real = self._finite(value.real)
        if real.numel():
            tiny = _CLOSE * real.abs().max()
            self._boundary(((real.abs() <= tiny) & (value.residue != 0)).any())
        return real > 0

    def ordered(self, value: Value, dims: Sequence[int]) -> None:
        """Make sure that the order of entries along some dimensions together is decided.

        Raises:
            Undecided: two entries are as good as equal, and not identically so.
        """
        self.fixed = True
        dims = [d % max(len(value.shape), 1) for d in dims]
        last = [d for d in range(len(value.shape)) if d not in dims] + list(dims)
        if not value.real.numel() or not dims:
            return
        size = math.prod(value.shape[d] for d in dims)
        real = self._finite(value.real).permute(last).reshape(-1, size)
        residue = value.residue.permute(last).reshape(-1, size)
        real, order = real.sort(-1)
        close = real.diff(dim=-1) <= _CLOSE * real.abs().max()
        self._boundary((close & (residue.gather(-1, order).diff(dim=-1) != 0)).any())

    def _finite(self, real: Tensor) -> Tensor:
        self._boundary(~torch.isfinite(real).all())
        return real

    def _boundary(self, here: Tensor) -> None:
        if together(here):
            self.undecided = self.undecided | here
        elif bool(here):
            raise Undecided

    def _pole(self, here: Tensor) -> None:
        if together(here):
            self.pole = self.pole | here
        elif bool(here):
            raise ZeroDivisionError

    # --- tangents

    def push(self, seeds: Mapping[Value, Tensor], wanted: Sequence[Value]) -> list[Tangent]:
        """Push tangents, shape (count, *shape), from some leaves to the values that are wanted."""
        tangents: dict[Value, Tensor] = dict(seeds)
        left = Counter(v for step in self.steps for v in step.operands)
        left.update(wanted)
        for step in self.steps:
            given = [tangents.get(v) for v in step.operands]
            if any(t is not None for t in given):
                tangents.update(zip(step.results, step.push(*given), strict=True))
            for value in step.operands:
                left[value] -= 1
                if not left[value]:
                    tangents.pop(value, None)
        return [tangents.get(v) for v in wanted]

    def _one(
        self, real: Tensor, residue: Tensor, bound: Bound, push: Callable[..., Any], *values: Value
    ) -> Value:
        result = Value(real, residue, bound, any(v.active for v in values))
        self._record((result,), values, push)
        return result

    def _record(
        self, results: tuple[Value, ...], values: tuple[Value, ...], push: Callable[..., Any]
    ) -> None:
        if results and results[0].active:
            self.steps.append(_Step(results, values, push))


def _listed(result: Any) -> tuple[bool, list[Tensor]]:
    """Whether it is one tensor, and the tensors as a list."""
    if isinstance(result, Tensor):
        return True, [result]
    return False, list(result)


def _ones(value: Value) -> Tensor:
    return torch.ones(value.shape, dtype=torch.float64)
