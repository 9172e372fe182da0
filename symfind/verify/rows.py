"""Jacobian rows of many inputs at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from symfind.errors import InputError
from symfind.verify.batching import batching
from symfind.verify.function import Call, Function, InputsLike, Point
from symfind.verify.infinite import finite
from symfind.verify.reverse import pulled_back
from symfind.verify.volume import measured
from symfind.verify.windows import Windows

_ENTRIES = 20_000_000  # that one block of rows, and each activation's part of it, should stay below
_ALL = 40_000_000  # and all that is computed for its inputs: of more, memory is waited for
_ROWS = 1024  # of one block,
_SOON = 3  # of the first so many; of twice as many in the next, and so on,
_MANY_ROWS = 4096  # up to so many
_COMBINED = 16  # rows of one input at least, where it has as many,
_SMALL = 1200  # parameters, beyond which no more than half of what an input has: all outputs
# together often pass through fewer numbers than they are, and say no more than those do,
_FEW = 4  # unless they are so few;
_VARIETY = 256  # so that there are about this many inputs among as many rows as parameters,
_ALONE = 64  # or this many, where each is a pass of its own
_POOL = 10_000_000  # numbers in the inputs that are kept for the next point
_AGREE = 1e-9  # relative difference of batched and separate evaluation


_Evaluate = Callable[[Tensor], Tensor]
_Derive = Callable[[_Evaluate, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass
class _Chunk:
    """Several inputs: with the leaves that vary stacked, where they can be."""

    calls: list[Call]
    leaves: list[Any]
    varying: list[int]
    spec: pytree.TreeSpec | None


class Rows:
    """Rows of the Jacobian over several inputs: batched where the model can be, else one by one.

    Where one input has many outputs, its rows are some random combinations of them, others for each
    input: rows of many inputs have more rank than as many rows of few, and what is added to outputs
    whatever the input is (a bias of the last layer) is seen by as many combinations as are drawn.
    Batched evaluation (`torch.func.vmap` over inputs) is compared with separate evaluation once; a
    model that it does not suit is evaluated separately. Inputs are drawn once, and used at every
    point, unless they are large.

    Args:
        function: what is differentiated.
        draw: draws inputs.
        rng: the source of inputs.
    """

    def __init__(
        self, function: Function, draw: Callable[[torch.Generator], InputsLike],
        rng: torch.Generator,
    ) -> None:  # fmt: skip
        self.function, self.draw, self.rng = function, draw, rng
        self.batched: bool | None = None  # not known before the first block
        self.forward: bool | None = None  # not known before the first product
        self._rng = torch.Generator().manual_seed(function.count)
        self._outputs = 0
        self._pool: list[_Chunk] = []
        self._room = _POOL
        self._elements = _size(function.inputs)
        self._budget = self._most = self._at_once = 1  # not known before anything is evaluated

    def prepare(self, theta: Point) -> None:
        """Look at the size of the output, and at how much is computed for it."""
        if self._outputs:
            return
        value, volume = measured(lambda: self.function(theta, self.draw(self.rng)))
        self._outputs = max(value.numel(), 1)
        widest = max(self.function.count, volume.largest, 1)
        self._budget = max(1, min(_ROWS, _ENTRIES // widest, 2 * self.function.count))
        self._most = min(_MANY_ROWS, _ENTRIES // widest)
        self._at_once = max(1, _ALL // max(volume.total, 1))

    @property
    def width(self) -> int:
        """Rows of one input."""
        count = self.function.count
        every = count <= _SMALL or self._outputs <= _FEW
        outputs = self._outputs if every else (self._outputs + 1) // 2
        variety = _ALONE if self.batched is False else _VARIETY
        return min(outputs, self._budget, max(_COMBINED, count // variety))

    def draws(self, index: int) -> int:
        """How many inputs a block is of: more where many blocks came before it."""
        if self.batched is False:
            return 1
        most = max(self._budget, self._most)
        rows = min(self._budget * (1 + index // _SOON), most)
        return max(1, min(rows // self.width, self._at_once))

    def block(self, theta: Point, index: int) -> Tensor:
        """Rows of the inputs number `index` of their sequence, shape (draws * width, parameters).

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        return self._rows(theta, self._inputs(index))

    def along(self, theta: Point, index: int, directions: Tensor) -> Tensor:
        """The products of such rows with directions, columns [parameters, number].

        By derivatives along them, where the model can be differentiated so: no row is computed.

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        chunk = self._inputs(index)
        if directions.shape[1] == 0:
            return directions.new_zeros(len(chunk.calls) * self.width, 0)
        if self.batched and self.forward is not False and chunk.spec is not None:
            moved = self._pushed(theta, chunk, directions)
            if moved is not None:
                return moved
        return self._rows(theta, chunk) @ directions

    def _inputs(self, index: int) -> _Chunk:
        if index < len(self._pool):
            return self._pool[index]
        chunk = _chunk([self.function.place(self.draw(self.rng)) for _ in range(self.draws(index))])
        size = self._elements * len(chunk.calls)
        if index == len(self._pool) and size <= self._room:
            self._pool.append(chunk)
            self._room -= size
        return chunk

    def _rows(self, theta: Point, chunk: _Chunk) -> Tensor:
        cotangents = self._cotangents(len(chunk.calls))
        if self.batched is not False and chunk.spec is not None:
            rows = self._together(theta, chunk, cotangents)
            if rows is not None:
                return rows
        each = zip(chunk.calls, cotangents, strict=True)
        return torch.cat([self._separate(theta, call, own) for call, own in each])

    def _cotangents(self, draws: int) -> Tensor:
        """What rows are combinations of, [draws, width, outputs]."""
        like: dict[str, Any] = {"dtype": torch.float64, "device": self.function.device}
        if self._whole:
            return torch.eye(self._outputs, **like).expand(draws, -1, -1)
        few = draws * self.width * self._outputs <= _ENTRIES  # else the same for all
        shape = draws if few else 1, self.width, self._outputs
        drawn = torch.randn(shape, generator=self._rng, dtype=torch.float64)
        return (drawn.to(**like) / self._outputs**0.5).expand(draws, -1, -1)

    @property
    def _whole(self) -> bool:
        """Whether the rows of an input are its outputs."""
        return self.width == self._outputs

    def _separate(self, theta: Point, call: Call, cotangents: Tensor) -> Tensor:
        return self.function.pullback(theta, call, cotangents)

    def _together(self, theta: Point, chunk: _Chunk, cotangents: Tensor) -> Tensor | None:
        rows = self._attempt(theta, chunk, cotangents, pulled_back)
        if rows is None:
            self.batched = False
            return None
        if self.batched is None:
            alone = self._separate(theta, chunk.calls[0], cotangents[0])
            self.batched = _agree(rows[0], alone)
            if not self.batched:
                return None
        return rows.flatten(0, 1)

    def _pushed(self, theta: Point, chunk: _Chunk, directions: Tensor) -> Tensor | None:
        cotangents = self._cotangents(len(chunk.calls))
        if self.forward is None:  # null vectors would agree whatever is computed
            rng = torch.Generator().manual_seed(self.function.count)
            drawn = torch.randn(len(directions), 1, generator=rng, dtype=torch.float64)
            directions = torch.cat([directions, drawn.to(directions)], 1)

        def push(evaluate: _Evaluate, flat: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
            def along(direction: Tensor) -> Tensor:
                return own @ torch.func.jvp(evaluate, (flat,), (direction,))[1]

            return evaluate(flat), torch.func.vmap(along, out_dims=1)(directions.T)

        moved = self._attempt(theta, chunk, cotangents, push)
        if moved is not None and self.forward is None:
            alone = self._separate(theta, chunk.calls[0], cotangents[0])
            self.forward = _agree(moved[0, :, -1], alone @ directions[:, -1])
            moved = moved[:, :, :-1] if self.forward else None
        if moved is None:
            self.forward = False
            return None
        return moved.flatten(0, 1)

    def _attempt(
        self, theta: Point, chunk: _Chunk, cotangents: Tensor, derive: _Derive
    ) -> Tensor | None:
        """What is derived from each input, unless the model cannot be evaluated so."""
        try:
            value, derived = self._map(theta, chunk, cotangents, derive)
        except InputError:
            raise
        except Exception:  # whatever the code of a model raises when its inputs are batched
            return None
        finite(value, "the output", theta)
        return finite(derived, "the Jacobian", theta)

    def _map(
        self, theta: Point, chunk: _Chunk, cotangents: Tensor, derive: _Derive
    ) -> tuple[Tensor, Tensor]:
        function = self.function
        flat = function.flatten(theta)
        rest = {n: v for n, v in theta.items() if n not in function.shapes}

        def one(own: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
            filled = list(chunk.leaves)
            for i, leaf in zip(chunk.varying, given, strict=True):
                filled[i] = leaf
            assert chunk.spec is not None
            args, kwargs = pytree.tree_unflatten(filled, chunk.spec)

            def evaluate(point: Tensor) -> Tensor:
                return function.evaluate({**rest, **function.unflatten(point)}, Call(args, kwargs))

            return derive(evaluate, flat, own)

        with function.scope(), batching(), Windows():
            given = [chunk.leaves[i] for i in chunk.varying]
            if self._whole and not given:
                value, derived = one(cotangents[0])
                return value[None], derived.expand(len(chunk.calls), *derived.shape)
            alike = (cotangents[0], None) if self._whole else (cotangents, 0)
            dims = (alike[1], *[0] * len(given))
            return torch.func.vmap(one, in_dims=dims, randomness="same")(alike[0], *given)


def _agree(found: Tensor, alone: Tensor) -> bool:
    return bool((found - alone).norm() <= _AGREE * alone.norm())


def _size(inputs: Call) -> int:
    leaves = pytree.tree_leaves(tuple(inputs))
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor))


def _chunk(calls: list[Call]) -> _Chunk:
    """Inputs together with their leaves, those that vary stacked."""
    separate = _Chunk(calls, [], [], None)
    flat = [pytree.tree_flatten(tuple(call)) for call in calls]
    spec = flat[0][1]
    if any(other != spec for _, other in flat):
        return separate
    leaves: list[Any] = []
    varying: list[int] = []
    for i, column in enumerate(zip(*(values for values, _ in flat), strict=True)):
        first = column[0]
        if not isinstance(first, Tensor):
            if any(other != first for other in column[1:]):
                return separate
            leaves.append(first)
            continue
        if any(t.shape != first.shape or t.dtype != first.dtype for t in column):
            return separate
        fixed = all(t is first for t in column) or (
            not first.is_floating_point() and all(torch.equal(t, first) for t in column)
        )
        if not fixed:
            varying.append(i)
        leaves.append(first if fixed else torch.stack(column))
    return _Chunk(calls, leaves, varying, spec)
