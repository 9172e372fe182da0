"""Values of parameter-only wires at a point, at the model's own sizes or at shrunken ones."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, interval, positions
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.trace.graph import Op, replace
from symfind.trace.kernels import run


class Environment:
    """A point in parameter space: tensors by name, sizes of the atomic indices, values on demand.

    With `sizes` the point is on a twin: constants and unknown functions take generic values, for
    only the rank of what is built there matters.
    """

    def __init__(
        self,
        theta: Mapping[str, Tensor],
        sizes: Sizes | None = None,
        constants: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Take the parameters by name; `constants` replaces the values of buffers by name."""
        self.theta = theta
        self.sizes = sizes
        self.constants = constants or {}
        self._values: dict[int, Tensor] = {}
        self._ops: dict[int, Any] = {}
        self.slopes: dict[Node, Tensor] = {}  # of functions of single entries, once asked for
        first = next(iter(theta.values()), torch.zeros((), dtype=torch.float64))
        self.like: dict[str, Any] = {"dtype": first.dtype, "device": first.device}

    def given(self, key: str) -> Tensor:
        """The value of a parameter."""
        return self.theta[key]

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of a wire here."""
        return tuple(extent(a, self.sizes) for a in node.axes)

    def value(self, node: Node) -> Tensor:
        """The value of a wire that no input reaches."""
        if id(node) not in self._values:
            self._values[id(node)] = self._evaluate(node)
        return self._values[id(node)]

    def _evaluate(self, node: Node) -> Tensor:
        if isinstance(node, p.Source):
            return self._source(node)
        if self.sizes is None and node.result_of is not None and node.result_of.varies:
            return self._though_read(node)
        if self.sizes is None and node.result_of is not None:
            own = self.value_of(node.result_of)
            if own.shape != node.shape:  # of one of several copies
                own = own[tuple(slice(n) for n in node.shape)]
            own = self.arranged(node, own)
            return own.to(self.like["dtype"]) if own.dtype == torch.bool else own
        if isinstance(node, p.Moved):
            return node.make(self)
        values = [self.value(x) for x in node.inputs]
        value = node.evaluate(values, self.sizes)
        if value is not None:
            return value
        if self.sizes is None:
            raise LookupError(f"no value for {node.op}")
        return self.generic(node)

    def _though_read(self, node: Node) -> Tensor:
        """Where an operation does read the input, but nothing is left of that in its result."""
        values = [self.value(x) for x in node.inputs]
        value = node.evaluate(values, None)
        if value is not None:
            return value
        known = {id(x.result_of): v for x, v in zip(node.inputs, values, strict=True)}
        op, device = node.result_of, self.like["device"]
        if any(id(x) not in known for x in op.operands):
            raise LookupError(f"no value for {op.name}")
        args, kwargs = (replace(a, lambda x: known[id(x)]) for a in (op.args, op.kwargs))
        return self.arranged(node, run(op, args, kwargs, device))

    def _source(self, node: p.Source) -> Tensor:
        if node.chart is not None:
            return self._shifted(node, node.chart.value(self), -1.0)
        if node.role == "parameter":
            return self._shifted(node, self.arranged(node, self.given(node.key)), -1.0)
        if node.make is not None:
            return node.make(self)
        if node.zero and node.compute is None:
            return torch.zeros(self.shape(node), **self.like)
        if self.sizes is not None:
            return self.generic(node)
        found = self.constants.get(node.key) if node.key else None
        if found is None:
            found = node.value()
        if found is None:
            raise LookupError(f"the value of {node.key or node.op} is not known")
        return self.arranged(node, found.to(**self.like))

    def _shifted(self, node: p.Source, value: Tensor, sign: float) -> Tensor:
        for shift in (node.offset, node.origin):
            if shift is not None:
                value = value + sign * self.value(shift)
        return value

    def parameter(self, node: p.Source, value: Tensor) -> Tensor:
        """The parameter of a wire, where the wire has the given value."""
        return self.restored(node, self._shifted(node, value, 1.0))

    def value_of(self, op: Op) -> Any:
        """The result of a traced operation that no input reaches, at the model's own sizes."""
        if id(op) not in self._ops:
            if op.target == "parameter" and op.trainable:
                value: Any = self.given(op.key)
            elif not op.trainable:
                value = self.constants.get(op.key) if op.key else None
                value = op.value() if value is None else value
                if value is None:
                    raise LookupError(f"the value of {op.name} is not known")
                value = value.to(self.like["device"])
            else:
                args, kwargs = replace(op.args, self.value_of), replace(op.kwargs, self.value_of)
                value = run(op, args, kwargs, self.like["device"])
            self._ops[id(op)] = value
        return self._ops[id(op)]

    def generic(self, node: Node) -> Tensor:
        """Random values of a wire's shape here, the same at every call: all ranks are as usual."""
        generator = torch.Generator().manual_seed(node.index)
        value = torch.rand(self.shape(node), generator=generator, dtype=torch.float64)
        return (value + 0.5).to(**self.like)

    # coordinates -------------------------------------------------------------------------
    def arranged(self, node: Node, tensor: Tensor) -> Tensor:
        """A traced tensor in the coordinates of its wire; on a twin there are no others."""
        if self.sizes is None:
            for dim, order in node.orders.items():
                tensor = tensor.index_select(dim, torch.tensor(order, device=tensor.device))
        return tensor

    def restored(self, node: Node, tensor: Tensor) -> Tensor:
        """A tensor in the coordinates of a wire as a traced one."""
        if self.sizes is None:
            for dim, order in node.orders.items():
                back = torch.argsort(torch.tensor(order, device=tensor.device))
                tensor = tensor.index_select(dim, back)
        return tensor

    # blocks of tensors -------------------------------------------------------------------
    def take(self, node: Node, cell: int, tensor: Tensor) -> Tensor:
        """One block of a tensor with this wire's shape, with one dimension per atom."""
        block = node.cells[cell]
        shape = [extent(a, self.sizes) for a in block.atoms]
        if len(node.cells) == 1:
            return tensor.reshape(shape)
        for dim, (axis, choice) in enumerate(zip(node.axes, block.choice, strict=True)):
            run = self._run(axis, choice)
            if run is None:
                tensor = tensor.index_select(dim, self.places(axis, choice))
            elif run[1] != tensor.shape[dim]:
                tensor = tensor.narrow(dim, *run)
        return tensor.reshape(shape)

    def put(self, node: Node, cell: int, block: Tensor, onto: Tensor | None = None) -> Tensor:
        """A tensor of this wire's shape that holds a block, zero elsewhere (or added `onto`)."""
        if len(node.cells) == 1:
            whole = block.reshape(self.shape(node))
            return whole if onto is None else onto + whole
        whole = torch.zeros(self.shape(node), **self.like) if onto is None else onto
        return self._into(node, cell, block, whole, accumulate=True)

    def replaced(self, node: Node, cell: int, block: Tensor, within: Tensor) -> Tensor:
        """A tensor of this wire's shape with a block of it replaced."""
        if len(node.cells) == 1:
            return block.reshape(self.shape(node))
        return self._into(node, cell, block, within, accumulate=False)

    def _into(
        self, node: Node, cell: int, block: Tensor, whole: Tensor, accumulate: bool
    ) -> Tensor:
        choices = list(zip(node.axes, node.cells[cell].choice, strict=True))
        runs = [r for axis, choice in choices if (r := self._run(axis, choice)) is not None]
        cut = [dim for dim, (_, size) in enumerate(runs) if size != whole.shape[dim]]
        if len(runs) == len(choices) and len(cut) == 1:
            start, size = runs[cut[0]]
            block = block.reshape([size for _, size in runs])
            block = whole.narrow(cut[0], start, size) + block if accumulate else block
            return torch.slice_scatter(whole, block, cut[0], start, start + size)
        index = [self.places(axis, choice) for axis, choice in choices]
        grid = torch.meshgrid(*index, indexing="ij")
        return whole.index_put(grid, block.reshape([len(i) for i in index]), accumulate=accumulate)

    def _run(self, axis: Any, choice: tuple[int, ...]) -> tuple[int, int] | None:
        """First and number of the positions of one block along a dimension, one after another.

        None where they lie apart, and where calls are written down: there the places are named.
        """
        if torch._C._len_torch_function_stack():
            return None
        return interval(axis, choice, self.sizes)

    def places(self, axis: Any, choice: tuple[int, ...]) -> Tensor:
        """Flat positions of one block along a dimension."""
        flat = positions(axis, choice, self.sizes).reshape(-1)
        return torch.as_tensor(flat, device=self.like["device"])


class Noted(Environment):
    """One number for all parameters, and a note of those that were needed."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], number: float = 1.0) -> None:
        """Take the shapes by name."""
        super().__init__({})
        self.shapes = shapes
        self.number = number
        self.needed: set[str] = set()

    def given(self, key: str) -> Tensor:
        """The number, and a note."""
        self.needed.add(key)
        return torch.full(self.shapes[key], self.number, **self.like)


def known_value(node: Node) -> Tensor | None:
    """The value of a wire that only constants reach, None where it is not known."""
    try:
        return Environment({}).value(node)
    except LookupError:
        return None
