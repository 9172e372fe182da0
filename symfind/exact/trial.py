"""One evaluation of the Jacobian: a prime, a point modulo it, and real points that fix pieces."""

import math
import random
from collections.abc import Iterator

import torch
from torch import Tensor

from symfind.errors import ExactError
from symfind.exact.interpret import interpret
from symfind.exact.rank import NullSpace
from symfind.exact.subject import Subject
from symfind.residues.bound import Bound, miss
from symfind.residues.field import Field
from symfind.residues.tape import Tape, Undecided, Value

_ATTEMPTS = 20
_ENTRIES = 4_000_000  # of the tangents of one tensor, at a time
_GROUP = 64  # parameters, below which small tensors share a group of tangents

Directions = Iterator[tuple[slice, dict[str, Tensor]]]


class Cell:
    """Real parameters and a growing sequence of real inputs, which decide on pieces."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.rng = torch.Generator().manual_seed(seed)
        self.theta = subject.draw_parameters(self.rng)
        self.inputs: list[dict[str, Tensor]] = []


class Trial:
    """The rank at one random point modulo one prime, input by input.

    Args:
        cell: the real points; more inputs are drawn for it as needed.
        field: the prime field.
        rng: the source of residues.
        softmax: whether outputs count up to what softmax ignores.
    """

    def __init__(self, cell: Cell, field: Field, rng: random.Random, softmax: bool) -> None:
        self.cell, self.field, self.softmax = cell, field, softmax
        self.graph = cell.subject.graph
        self.shapes = {name: tuple(op.shape or ()) for name, op in self.graph.parameters.items()}
        self.count = sum(math.prod(shape) for shape in self.shapes.values())
        self.rng = torch.Generator().manual_seed(rng.getrandbits(63))
        self.theta = {name: field.random(shape, self.rng) for name, shape in self.shapes.items()}
        self.null = NullSpace(field, self.count)
        self.draws = self.rows = self.denominators = self.steps = 0
        self.bounds: list[Bound] = []
        self.mixed = 1
        self.fixed = cell.subject.discrete

    @property
    def rank(self) -> int:
        """Over the inputs so far; never more than the generic one."""
        return self.null.rank

    @property
    def height(self) -> int:
        """Rows of one input."""
        return sum(math.prod(op.shape or ()) for op in self.graph.outputs)

    def extend(self, draws: int) -> None:
        """Add rows until there are so many inputs, or the rank is full.

        Raises:
            ZeroDivisionError: the point is a pole.
            ExactError: every input drawn is at a boundary between pieces.
        """
        self.steps += 1
        waiting: list[Tensor] = []
        while self.draws < draws and self.rank < self.count:
            waiting.append(self._draw())
            if sum(map(len, waiting)) >= self.null.dimension or self.draws == draws:
                self.null.add(torch.cat(waiting))
                waiting = []

    def miss(self, fixed_prime: int) -> float:
        """The probability that the rank is too small for these inputs, at most."""
        if self.rank == self.count:
            return 0.0
        chance = miss(
            self.bounds, self.count, self.denominators, mixed=self.mixed, fixed_prime=fixed_prime
        )
        return min(1.0, self.steps * chance)

    def _draw(self) -> Tensor:
        known = self.draws < len(self.cell.inputs)
        for _ in range(_ATTEMPTS):
            if not known:
                self.cell.inputs.append(self.cell.subject.draw_inputs(self.cell.rng))
            try:
                rows = self._rows(self.cell.inputs[self.draws])
            except Undecided:
                if known:
                    break
                self.cell.inputs.pop()
                continue
            self.draws += 1
            return rows
        raise ExactError(
            "every point drawn lies where two pieces meet, or is not finite: the activation "
            "pattern cannot be decided in floating point"
        )

    def _rows(self, inputs: dict[str, Tensor]) -> Tensor:
        tape = Tape(self.field)
        parameters = {
            name: tape.variable(self.cell.theta[name], residue, True)
            for name, residue in self.theta.items()
        }
        given = {
            name: tape.variable(x, self.field.random(tuple(x.shape), self.rng), False)
            if x.is_floating_point()
            else x
            for name, x in inputs.items()
        }
        outputs = interpret(self.graph, tape, parameters, given)
        if self.softmax:
            outputs = [_differences(tape, v) for v in outputs]
        self.fixed |= tape.fixed
        self.denominators += tape.denominators
        self.bounds += [v.bound for v in outputs]
        rows = self._pushed(tape, parameters, outputs)
        self.rows += len(rows)
        if len(rows) <= 2 * self.null.dimension:
            return rows
        self.mixed = max(self.mixed, len(rows))
        weights = self.field.random((self.null.dimension, len(rows)), self.rng)
        limbs = self.field.limbs(weights, len(rows))
        return limbs.contract(lambda limb: limb @ rows.double())

    def _pushed(self, tape: Tape, parameters: dict[str, Value], outputs: list[Value]) -> Tensor:
        """The Jacobian times the directions that are still null."""
        height = sum(math.prod(v.shape) for v in outputs)
        rows = torch.zeros(height, self.null.dimension, dtype=torch.int64)
        widest = max((v.real.numel() for s in tape.steps for v in s.results), default=1)
        most = max(1, _ENTRIES // max(widest, 1))
        every = self._units(most) if self.null.basis is None else self._null_directions(most)
        for columns, seeds in every:
            tangents = tape.push({parameters[name]: seed for name, seed in seeds.items()}, outputs)
            row = 0
            for value, tangent in zip(outputs, tangents, strict=True):
                size = math.prod(value.shape)
                if tangent is not None:
                    rows[row : row + size, columns] = tangent.reshape(len(tangent), size).T
                row += size
        return rows

    def _units(self, most: int) -> Directions:
        """Unit vectors in groups of neighbours, which need not be pushed through all layers."""
        column = 0
        pending: dict[str, int] = {}
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            if pending and sum(pending.values()) + size > min(most, _GROUP):
                yield self._identity(column, pending)
                column, pending = column + sum(pending.values()), {}
            if size <= most:
                pending[name] = size
                continue
            for low in range(0, size, most):
                high = min(size, low + most)
                eye = torch.eye(high - low, dtype=torch.int64)
                seed = torch.nn.functional.pad(eye, (low, size - high)).reshape(-1, *shape)
                yield slice(column + low, column + high), {name: seed}
            column += size
        if pending:
            yield self._identity(column, pending)

    def _identity(self, column: int, sizes: dict[str, int]) -> tuple[slice, dict[str, Tensor]]:
        eye = torch.eye(sum(sizes.values()), dtype=torch.int64).split(list(sizes.values()), 1)
        seeds = {n: e.reshape(-1, *self.shapes[n]) for n, e in zip(sizes, eye, strict=True)}
        return slice(column, column + sum(sizes.values())), seeds

    def _null_directions(self, most: int) -> Directions:
        assert self.null.basis is not None
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        for low in range(0, self.null.dimension, most):
            columns = slice(low, min(low + most, self.null.dimension))
            parts = self.null.basis[:, columns].T.split(sizes, 1)
            yield (
                columns,
                {
                    name: part.reshape(-1, *shape)
                    for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
                },
            )


def _differences(tape: Tape, value: Value) -> Value:
    """What softmax does not ignore: each score less the first."""
    if not value.shape:
        return value
    first = tape.linear(lambda a: a[..., :1].expand(a.shape), value)
    return tape.add(value, tape.scale(first, -1))
