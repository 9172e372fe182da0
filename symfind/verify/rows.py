"""Jacobian rows of many inputs at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from symfind.errors import InputError
from symfind.verify.function import Call, Function, InputsLike, Point

_ENTRIES = 20_000_000  # that one block of rows, and each activation's part of it, should stay below
_ROWS = 1024  # of one block
_ACTIVATIONS = 10  # numbers in the largest activation, per number of the input (a guess)
_AGREE = 1e-9  # relative difference of batched and separate evaluation


class Rows:
    """Rows of the Jacobian over several inputs: batched where the model can be, else one by one.

    Where one input has many outputs, its rows are random combinations of them, which span as much.
    Batched evaluation (`torch.func.vmap` over inputs) is compared with separate evaluation once; a
    model that it does not suit is evaluated separately.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.batched: bool | None = None  # not known before the first call
        self._rng = torch.Generator().manual_seed(function.count)
        self._outputs = 0
        elements = sum(
            leaf.numel()
            for leaf in pytree.tree_leaves(tuple(function.inputs))
            if isinstance(leaf, Tensor)
        )
        widest = max(function.count, _ACTIVATIONS * elements, 1)
        self._budget = max(1, min(_ROWS, _ENTRIES // widest))

    def prepare(self, theta: Point, inputs: InputsLike) -> None:
        """Look at the size of the output."""
        self._outputs = max(self.function(theta, inputs).numel(), 1)

    @property
    def width(self) -> int:
        """Rows of one input."""
        share = max(256, self.function.count // 4)
        return min(self._outputs, self._budget, share)

    @property
    def draws(self) -> int:
        """How many inputs should be given at once."""
        return 1 if self.batched is False else max(1, self._budget // self.width)

    def __call__(self, theta: Point, inputs: Sequence[InputsLike]) -> Tensor:
        """Rows of all inputs, shape (len(inputs) * width, parameters).

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        calls = [self.function.place(i) for i in inputs]
        cotangents = self._cotangents()
        if self.batched is not False:
            rows = self._together(theta, calls, cotangents)
            if rows is not None:
                return rows
        return torch.cat([self._separate(theta, call, cotangents) for call in calls])

    def _cotangents(self) -> Tensor:
        like: dict[str, Any] = {"dtype": torch.float64, "device": self.function.device}
        if self.width == self._outputs:
            return torch.eye(self._outputs, **like)
        drawn = torch.randn(self.width, self._outputs, generator=self._rng, dtype=torch.float64)
        return drawn.to(**like) / self._outputs**0.5

    def _separate(self, theta: Point, call: Call, cotangents: Tensor) -> Tensor:
        return self.function.pullback(theta, call, cotangents)

    def _together(self, theta: Point, calls: list[Call], cotangents: Tensor) -> Tensor | None:
        stacked = _stack(calls)
        if stacked is None:
            return None
        try:
            value, rows = self._map(theta, *stacked, len(calls), cotangents)
        except InputError:
            raise
        except Exception:  # whatever the code of a model raises when its inputs are batched
            self.batched = False
            return None
        self.function.finite(value, "the output")
        self.function.finite(rows, "the Jacobian")
        if self.batched is None:
            alone = self._separate(theta, calls[0], cotangents)
            self.batched = bool((rows[0] - alone).norm() <= _AGREE * alone.norm())
            if not self.batched:
                return None
        return rows.flatten(0, 1)

    def _map(
        self,
        theta: Point,
        leaves: list[Any],
        varying: list[int],
        spec: pytree.TreeSpec,
        count: int,
        cotangents: Tensor,
    ) -> tuple[Tensor, Tensor]:
        function = self.function
        flat = function.flatten(theta)
        rest = {n: v for n, v in theta.items() if n not in function.shapes}

        def one(*given: Tensor) -> tuple[Tensor, Tensor]:
            filled = list(leaves)
            for i, leaf in zip(varying, given, strict=True):
                filled[i] = leaf
            args, kwargs = pytree.tree_unflatten(filled, spec)

            def evaluate(point: Tensor) -> Tensor:
                return function.evaluate({**rest, **function.unflatten(point)}, Call(args, kwargs))

            value, pull = torch.func.vjp(evaluate, flat)
            return value, torch.func.vmap(lambda c: pull(c)[0])(cotangents)

        with function.scope():
            if not varying:
                value, rows = one()
                return value[None], rows.expand(count, *rows.shape)
            return torch.func.vmap(one, randomness="same")(*[leaves[i] for i in varying])


def _stack(calls: list[Call]) -> tuple[list[Any], list[int], pytree.TreeSpec] | None:
    """Leaves of all calls with those that vary stacked, which they are, and the structure."""
    flat = [pytree.tree_flatten(tuple(call)) for call in calls]
    spec = flat[0][1]
    if any(other != spec for _, other in flat):
        return None
    leaves, varying = [], []
    for i, column in enumerate(zip(*(values for values, _ in flat), strict=True)):
        first = column[0]
        if not isinstance(first, Tensor):
            if any(other != first for other in column[1:]):
                return None
            leaves.append(first)
            continue
        if any(t.shape != first.shape or t.dtype != first.dtype for t in column):
            return None
        fixed = all(t is first for t in column) or (
            not first.is_floating_point() and all(torch.equal(t, first) for t in column)
        )
        if not fixed:
            varying.append(i)
        leaves.append(first if fixed else torch.stack(column))
    return leaves, varying, spec
