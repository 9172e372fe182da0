"""A traced graph run operation by operation, whose parameters can be changed on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.trace import Graph, Op, replace
from symfind.trace.constants import evaluate
from symfind.trace.kernels import run, widen

_CPU = torch.device("cpu")


class Run:
    """Values of all wires on several inputs, at parameters that may be changed.

    Args:
        graph: what is run.
        theta: parameters by name; changed in place of the mapping, never inside tensors.
        inputs: values by the names of the graph's inputs, once for every draw.
    """

    def __init__(
        self, graph: Graph, theta: dict[str, Tensor], inputs: Sequence[Mapping[str, Tensor]]
    ) -> None:
        self.graph, self.theta, self.inputs = graph, theta, inputs
        self.values: dict[int, list[Any]] = {}
        self.numbers = 0  # that are kept
        self._place = {id(op): i for i, op in enumerate(graph.ops)}

    def visit(self, op: Op) -> None:
        """Evaluate one operation, those that it reads being there."""
        if op.target == "input":
            self.values[id(op)] = [widen(x[op.key]) for x in self.inputs]
        elif op.target == "parameter" and op.trainable:
            self.values[id(op)] = [self.theta[op.key]] * len(self.inputs)
        elif op.constant:
            self.values[id(op)] = [evaluate(op)] * len(self.inputs)
        elif not op.varies:
            self.values[id(op)] = [self._once(op, 0)] * len(self.inputs)
        else:
            self.values[id(op)] = [self._once(op, i) for i in range(len(self.inputs))]
            self.numbers += sum(v.numel() for v in self.values[id(op)] if isinstance(v, Tensor))

    def _once(self, op: Op, i: int) -> Any:
        at = lambda x: self.values[id(x)][i]  # noqa: E731
        return run(op, replace(op.args, at), replace(op.kwargs, at), _CPU)

    def channels(self, op: Op, dim: int) -> Tensor:
        """All values of each channel: shape (channels, values)."""
        return torch.cat([v.movedim(dim, 0).flatten(1) for v in self.values[id(op)]], 1)

    def flat(self, op: Op) -> Tensor:
        """All values."""
        return torch.cat([v.reshape(-1) for v in self.values[id(op)]])

    def change(self, leaf: Op, value: Tensor, chain: Sequence[Op]) -> None:
        """Give a parameter another value, and evaluate again what depends on it in a chain.

        The chain is of operations that vary; what they read of parameters is evaluated first, and
        whatever else leads from its first to its last, as the cube in a GELU of tanh.
        """
        self.changes([(leaf, value)], chain)

    def changes(self, new: Sequence[tuple[Op, Tensor]], chain: Sequence[Op]) -> None:
        """The same of several parameters at once, for one evaluation of the chain."""
        for leaf, value in new:
            self.theta[leaf.key] = value
            self.visit(leaf)
        made = self._made_of({id(leaf) for leaf, _ in new})
        for op in self._between(chain):
            self._again(op.operands, made)
            self.visit(op)

    def trial(self, leaf: Op, value: Tensor, chain: Sequence[Op]) -> Any:
        """What the last of a chain is on the first draw, were a parameter another; all stays."""
        before = dict(self.values), self.theta[leaf.key], self.inputs, self.numbers
        self.inputs = self.inputs[:1]
        try:
            self.change(leaf, value, chain)
            return self.values[id(chain[-1])][0]
        finally:
            self.values, self.theta[leaf.key], self.inputs, self.numbers = before

    def _between(self, chain: Sequence[Op]) -> list[Op]:
        """All operations on ways from the first of a chain to its last, in order."""
        if len(chain) < 3:
            return list(chain)
        start, seen, stack = self._place[id(chain[0])], dict[int, Op](), [chain[-1]]
        while stack:
            op = stack.pop()
            if op.varies and self._place[id(op)] > start and id(op) not in seen:
                seen[id(op)] = op
                stack.extend(op.operands)
        found, reached = [chain[0]], {id(chain[0])}
        for op in sorted(seen.values(), key=lambda op: self._place[id(op)]):
            if any(id(x) in reached for x in op.operands):
                reached.add(id(op))
                found.append(op)
        return found

    def _made_of(self, changed: set[int]) -> set[int]:
        """All that parameters which were changed are in, and no input; the parameters not."""
        made = set(changed)
        for op in self.graph.ops:
            if op.trainable and not op.varies and any(id(x) in made for x in op.operands):
                made.add(id(op))
        return made - changed

    def _again(self, read: Sequence[Op], made: set[int]) -> None:
        """Evaluate again what wires are made of, each operation once; it is taken out of `made`."""
        found, stack = dict[int, Op](), list(read)
        while stack:
            op = stack.pop()
            if id(op) in made and id(op) not in found:
                found[id(op)] = op
                stack.extend(op.operands)
        for op in sorted(found.values(), key=lambda op: self._place[id(op)]):
            self.visit(op)
        made -= found.keys()
