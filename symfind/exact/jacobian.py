"""The Jacobian of a traced network modulo p, at one input or under `torch.vmap` at many."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.exact.interpret import interpret
from symfind.residues.bound import Bound
from symfind.residues.field import Field
from symfind.residues.tape import Tape, Value
from symfind.trace import Graph

ENTRIES = 4_000_000  # of the tangents of one tensor, at a time
GROUP = 64  # parameters, below which small tensors share a group of tangents

Directions = Iterator[tuple[int, dict[str, Tensor]]]  # how many, and what they are by name


@dataclass(frozen=True)
class Point:
    """Parameters: real ones, which decide on pieces, and their residues."""

    real: Mapping[str, Tensor]
    residues: Mapping[str, Tensor]


@dataclass(frozen=True)
class Rows:
    """What was found at an input.

    Attributes:
        rows: shape (outputs, directions).
        undecided: whether it is too close to where two pieces meet; a single one raises instead.
        pole: whether something vanishes that is divided by; likewise.
        bounds: on the functions that are differentiated.
        denominators: the degree of everything that is divided by.
        fixed: whether the real point decided on anything.
    """

    rows: Tensor
    undecided: Tensor
    pole: Tensor
    bounds: tuple[Bound, ...]
    denominators: int
    fixed: bool


@dataclass(frozen=True)
class Jacobian:
    """The Jacobian along some directions.

    Args:
        graph: the network.
        field: the prime field.
        softmax: whether outputs count up to what softmax ignores.
        at_once: how many inputs there are, under `torch.vmap`; they share the memory.
    """

    graph: Graph
    field: Field
    softmax: bool
    at_once: int = 1

    def rows(
        self,
        point: Point,
        inputs: Mapping[str, Tensor],
        residues: Mapping[str, Tensor],
        basis: Tensor | None,
    ) -> Rows:
        """The rows of an input times a basis of directions, shape (parameters, directions).

        Args:
            point: the parameters.
            inputs: real values and integers, by name.
            residues: of the real ones.
            basis: None for all unit vectors.

        Raises:
            ExactError: the model is not piecewise rational.
            Undecided: the input lies where two pieces meet.
            ZeroDivisionError: it is a pole.
        """
        tape = Tape(self.field)
        parameters = {
            name: tape.variable(point.real[name], residue, True)
            for name, residue in point.residues.items()
        }
        given = {
            name: tape.variable(x, residues[name], False) if name in residues else x
            for name, x in inputs.items()
        }
        outputs = interpret(self.graph, tape, parameters, given)
        if self.softmax:
            outputs = [_differences(tape, v) for v in outputs]
        return Rows(
            self._pushed(tape, parameters, outputs, basis),
            tape.undecided,
            tape.pole,
            tuple(v.bound for v in outputs),
            tape.denominators,
            tape.fixed,
        )

    def _pushed(
        self,
        tape: Tape,
        parameters: dict[str, Value],
        outputs: list[Value],
        basis: Tensor | None,
    ) -> Tensor:
        widest = max((v.real.numel() for s in tape.steps for v in s.results), default=1)
        most = max(1, ENTRIES // max(widest * self.at_once, 1))
        shapes = {name: v.shape for name, v in parameters.items()}
        columns = []
        for width, seeds in _units(shapes, most) if basis is None else _along(basis, shapes, most):
            tangents = tape.push({parameters[name]: seed for name, seed in seeds.items()}, outputs)
            parts = [
                torch.zeros(math.prod(v.shape), width, dtype=torch.int64)
                if tangent is None
                else tangent.reshape(width, math.prod(v.shape)).T
                for v, tangent in zip(outputs, tangents, strict=True)
            ]
            columns.append(torch.cat(parts))
        return torch.cat(columns, 1)


Shapes = Mapping[str, tuple[int, ...]]


def _units(shapes: Shapes, most: int) -> Directions:
    """Unit vectors in groups of neighbours, which need not be pushed through all layers."""
    pending: dict[str, int] = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        if pending and sum(pending.values()) + size > min(most, GROUP):
            yield _identity(pending, shapes)
            pending = {}
        if size <= most:
            pending[name] = size
            continue
        for low in range(0, size, most):
            high = min(size, low + most)
            eye = torch.eye(high - low, dtype=torch.int64)
            seed = torch.nn.functional.pad(eye, (low, size - high)).reshape(-1, *shape)
            yield high - low, {name: seed}
    if pending:
        yield _identity(pending, shapes)


def _identity(sizes: dict[str, int], shapes: Shapes) -> tuple[int, dict[str, Tensor]]:
    width = sum(sizes.values())
    eye = torch.eye(width, dtype=torch.int64).split(list(sizes.values()), 1)
    return width, {n: e.reshape(-1, *shapes[n]) for n, e in zip(sizes, eye, strict=True)}


def _along(basis: Tensor, shapes: Shapes, most: int) -> Directions:
    sizes = [math.prod(shape) for shape in shapes.values()]
    for block in basis.split(most, 1):
        parts = block.T.split(sizes, 1)
        yield (
            block.shape[1],
            {
                name: part.reshape(-1, *shape)
                for (name, shape), part in zip(shapes.items(), parts, strict=True)
            },
        )


def _differences(tape: Tape, value: Value) -> Value:
    """What softmax does not ignore: each score less the first."""
    if not value.shape:
        return value
    first = tape.linear(lambda a: a[..., :1].expand(a.shape), value)
    return tape.add(value, tape.scale(first, -1))
