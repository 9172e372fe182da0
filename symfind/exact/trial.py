"""One evaluation of the Jacobian: a prime, a point modulo it, and real points that fix pieces."""

import math
import random

import torch
from torch import Tensor

from symfind.errors import ExactError
from symfind.exact.jacobian import ENTRIES, GROUP, Jacobian, Point, Rows
from symfind.exact.rank import NullSpace
from symfind.exact.subject import Subject
from symfind.points import enliven
from symfind.residues.bound import Bound, miss
from symfind.residues.field import Field
from symfind.residues.tape import Undecided

_ATTEMPTS = 20
_FEWEST = 128  # inputs at a time, where they fit: a pass over few costs as much
_LIVELY = 12  # inputs on which units are to switch
_AWAY = 1e-3  # how far parameters are moved after that

Inputs = dict[str, Tensor]


class Cell:
    """Real parameters and a growing sequence of real inputs, which decide on pieces.

    Args:
        subject: what is examined.
        seed: of the random draws.
        lively: whether units are made to switch within the inputs. Any real point will do, but at
            most random ones some unit of a narrow network is always off, and more is null there.
    """

    def __init__(self, subject: Subject, seed: int, lively: bool = False) -> None:
        self.subject = subject
        self.rng = torch.Generator().manual_seed(seed)
        self.theta = subject.draw_parameters(self.rng)
        if lively:
            inputs = [self.draw() for _ in range(_LIVELY)]
            living = enliven(subject.graph, self.theta, inputs, self.rng)
            # where all units before are off, many inputs give one value: not to be on the boundary
            self.theta = {name: v + _AWAY * self._like(v) for name, v in living.items()}
        self.inputs: list[Inputs] = []
        self.singly = False  # whether inputs cannot be evaluated together

    def _like(self, value: Tensor) -> Tensor:
        return torch.randn(value.shape, generator=self.rng, dtype=torch.float64)

    def draw(self) -> Inputs:
        """One more input, which is not kept."""
        return self.subject.draw_inputs(self.rng)


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
        shapes = {name: tuple(op.shape or ()) for name, op in self.graph.parameters.items()}
        self.count = sum(math.prod(shape) for shape in shapes.values())
        self.rng = torch.Generator().manual_seed(rng.getrandbits(63))
        residues = {name: field.random(shape, self.rng) for name, shape in shapes.items()}
        self.point = Point(cell.theta, residues)
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
            waiting.append(self._draw(min(draws - self.draws, self._together())))
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

    def _together(self) -> int:
        """How many inputs to take at once: enough rows for the columns, as far as they fit."""
        if self.cell.singly:
            return 1
        widest = max((math.prod(op.shape or ()) for op in self.graph.ops), default=1)
        one = max(widest, self.height) * min(self.null.dimension, GROUP)
        fitting = ENTRIES // max(one, 1)
        return max(1, min(fitting, max(_FEWEST, -(-self.null.dimension // max(self.height, 1)))))

    def _draw(self, most: int) -> Tensor:
        """Rows of at most so many more inputs."""
        known = self.cell.inputs[self.draws : self.draws + most]
        for _ in range(_ATTEMPTS):
            inputs = known or [self.cell.draw() for _ in range(most)]
            rows, good = self._rows(inputs)
            if known and not all(good):
                break
            kept = [x for x, fine in zip(inputs, good, strict=True) if fine]
            if not kept:
                continue
            self.draws += len(kept)
            self.cell.inputs += [] if known else kept
            return self._mixed(rows).flatten(0, 1)
        raise ExactError(
            "every point drawn lies where two pieces meet, or is not finite: the activation "
            "pattern cannot be decided in floating point"
        )

    def _rows(self, inputs: list[Inputs]) -> tuple[Tensor, list[bool]]:
        """Of those inputs that decide on a piece, shape (inputs, height, dimension); which do."""
        residues = [
            {
                name: self.field.random(tuple(x.shape), self.rng)
                for name, x in one.items()
                if x.is_floating_point()
            }
            for one in inputs
        ]
        if len(inputs) > 1:
            try:
                return self._at_once(inputs, residues)
            except (ExactError, RuntimeError):  # an operation may need the numbers of each input
                self.cell.singly = True
        found = [self._single(*one) for one in zip(inputs, residues, strict=True)]
        rows = [rows for rows in found if rows is not None]
        return torch.stack(rows) if rows else torch.empty(0), [r is not None for r in found]

    def _single(self, inputs: Inputs, residues: Inputs) -> Tensor | None:
        jacobian = Jacobian(self.graph, self.field, self.softmax)
        try:
            found = jacobian.rows(self.point, inputs, residues, self.null.basis)
        except Undecided:
            return None
        self._note(found, 1)
        return found.rows

    def _at_once(self, inputs: list[Inputs], residues: list[Inputs]) -> tuple[Tensor, list[bool]]:
        jacobian = Jacobian(self.graph, self.field, self.softmax, len(inputs))
        noted: list[Rows] = []

        def one(x: Inputs, residue: Inputs) -> tuple[Tensor, Tensor, Tensor]:
            noted.append(jacobian.rows(self.point, x, residue, self.null.basis))
            return noted[0].rows, noted[0].undecided, noted[0].pole

        rows, undecided, pole = torch.vmap(one)(_stacked(inputs), _stacked(residues))
        good = ~undecided
        if bool((pole & good).any()):
            raise ZeroDivisionError
        self._note(noted[0], int(good.sum()))
        return rows[good], good.tolist()

    def _note(self, found: Rows, count: int) -> None:
        self.fixed |= found.fixed
        self.denominators += found.denominators * count
        self.bounds += found.bounds
        self.rows += len(found.rows) * count

    def _mixed(self, rows: Tensor) -> Tensor:
        """No more rows of an input than twice as many as there are columns to tell apart."""
        count, height, dimension = rows.shape
        if height <= 2 * dimension:
            return rows
        self.mixed = max(self.mixed, height)
        weights = self.field.random((count, dimension, height), self.rng)
        limbs = self.field.limbs(weights, height)
        return limbs.contract(lambda limb: limb @ rows.double())


def _stacked(inputs: list[Inputs]) -> Inputs:
    return {name: torch.stack([one[name] for one in inputs]) for name in inputs[0]}
