"""Which node of the graph every tensor stands for, while a forward pass is recorded."""

import operator
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, fx
from torch.utils.weak import WeakIdKeyDictionary

from symfind.trace import memory
from symfind.trace.exported import Source
from symfind.trace.memory import Cell, State, View, Wire
from symfind.trace.user import here
from symfind.trace.views import Unrecordable, shaped, undo

_MARK = "_symfind_wire"


class Ledger:
    """The graph of torch.fx that is being written, and what tensors stand for in it.

    Attributes:
        graph: what has been recorded.
        sources: what its placeholders stand for.
        path: of the module that runs.
    """

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.sources: dict[fx.Node, Source] = {}
        self.path = ""
        self._wires = WeakIdKeyDictionary()  # of tensors with values
        self._hollow: dict[int, Cell] = {}  # by memory that holds no values
        self._real: WeakValueDictionary[int, Cell] = WeakValueDictionary()
        self._kept: list[Any] = []
        self._names: dict[int, str] = {}
        self._last: fx.Node | None = None  # of the placeholders

    def lead(self, tensor: Tensor, source: Source, state: State) -> Wire:
        """Let ``tensor`` be a leaf of the graph."""
        at = self._last or self.graph._root
        with self.graph.inserting_after(at):
            node = self.graph.placeholder(source.name.replace(".", "_"))
        self._last = node
        node.meta["val"] = shaped(tensor)
        self.sources[node] = source
        wire = Wire(Cell(node, state, tensor), (), node)
        self._kept.append(tensor)
        self.know(tensor, wire)
        return wire

    def alias(self, tensor: Tensor, wire: Wire) -> None:
        """Let ``tensor`` be another name of what ``wire`` stands for."""
        self._kept.append(tensor)
        self._wires[tensor] = wire

    def name(self, tensor: Tensor, name: str) -> None:
        """Say what ``tensor``, which is no leaf until it is read, is called by the model."""
        self._names.setdefault(id(tensor), name)

    def know(self, tensor: Tensor, wire: Wire) -> None:
        """Remember what ``tensor`` stands for."""
        self._memories(tensor).setdefault(tensor.untyped_storage()._cdata, wire.cell)
        if tensor.is_meta:
            tensor.__dict__[_MARK] = (self, wire)
            self._kept.append(tensor)  # lest another one gets the same memory
        else:
            self._wires[tensor] = wire

    def cell(self, tensor: Tensor) -> Cell | None:
        """The memory that ``tensor`` looks at, None where it is new."""
        return self._memories(tensor).get(tensor.untyped_storage()._cdata)  # type: ignore[no-any-return]

    def _memories(self, tensor: Tensor) -> Any:
        return self._hollow if tensor.is_meta else self._real

    def wire(self, tensor: Tensor) -> Wire:
        """What ``tensor`` stands for.

        Raises:
            Unrecordable: it was not made under the eyes of this recorder, and has no values.
        """
        owner, wire = tensor.__dict__.get(_MARK, (None, None))
        if owner is self:
            return wire  # type: ignore[no-any-return]
        wire = self._wires.get(tensor)
        return wire if wire is not None else self._found(tensor)

    def _found(self, tensor: Tensor) -> Wire:
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
            raise Unrecordable(f"a tensor of type {type(tensor).__name__}")
        if tensor.is_meta or self.cell(tensor) is not None:
            raise Unrecordable("a view that nobody saw being made")
        name = self._names.get(id(tensor)) or f"lifted_tensor_{len(self.sources)}"
        data = tensor
        if tensor.is_inference():  # would be refused when derivatives are taken
            with torch.inference_mode(False):
                data = tensor.clone()
        return self.lead(tensor, Source("tensor", name, data), State.KNOWN)

    def state(self, tree: Any) -> State:
        """What is known of all tensors inside nested tuples, lists and dicts together."""
        return max((self.wire(t).cell.state for t in tensors(tree)), default=State.KNOWN)

    def hollow(self, tensor: Tensor) -> Tensor:
        """``tensor`` itself where it has no values, else one of its shape that has none."""
        if tensor.is_meta:
            return tensor
        wire = self.wire(tensor)
        if wire.hollow is None:
            wire.hollow = torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta"
            )
        return wire.hollow  # type: ignore[no-any-return]

    def node(self, tensor: Tensor) -> fx.Node:
        """The node of what ``tensor`` shows now."""
        return memory.content(self.wire(tensor), self._look)

    def emit(self, func: Any, args: tuple, kwargs: dict[str, Any], value: Any) -> fx.Node:
        """A new node; ``value`` is shape and dtype of its result, or a list of them."""
        kwargs = {k: change(v, self.node) for k, v in kwargs.items() if k != "generator"}
        name = func._schema.name.rpartition("::")[2]
        node = self.graph.create_node("call_function", func, change(args, self.node), kwargs, name)
        node.meta.update(val=value, where=here(), module=self.path)
        return node

    def item(self, node: fx.Node, index: int) -> fx.Node:
        """One of several results."""
        item = self.graph.call_function(operator.getitem, (node, index))
        item.meta.update(node.meta, val=node.meta["val"][index])
        return item

    def store(self, tensor: Tensor, node: fx.Node) -> None:
        """Let ``tensor`` show what ``node`` computes, and all that share its memory accordingly."""
        memory.store(self.wire(tensor), node, self._look, self._undo)

    def look(self, tensor: Tensor, view: View) -> None:
        """Let ``tensor`` from now on look at its memory by one more step."""
        wire = self.wire(tensor)
        node = self._look(view, memory.content(wire, self._look))
        self.know(tensor, Wire(wire.cell, (*wire.chain, view), node))

    def _look(self, view: View, parent: fx.Node) -> fx.Node:
        if view.func is None:
            raise Unrecordable("a view of what has been written to")
        value = view.after if view.index is None else list(view.siblings)
        node = self.emit(view.func, (parent, *view.args), view.kwargs, value)
        return node if view.index is None else self.item(node, view.index)

    def _undo(self, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
        return undo(self.emit, view, parent, value)

    def save(self, cell: Cell) -> None:
        """Keep the values of a tensor of the model's own before they are written to."""
        if cell.base is not None and cell.saved is None:
            cell.saved = cell.base.detach().clone()
            self._kept.append(cell)

    def restore(self) -> None:
        """Give the model's own tensors the values back that they had."""
        with torch.no_grad():
            for cell in self._kept:
                if isinstance(cell, Cell) and cell.saved is not None:
                    cell.base.detach().copy_(cell.saved)

    def lose(self, cell: Cell, tensor: Tensor, state: State) -> None:
        """Say that nobody knows any more what the memory of ``tensor`` holds."""
        if cell.state is State.KNOWN:
            self._kept.extend((cell, tensor))
        cell.state = max(cell.state, state, State.UNKNOWN)


def tensors(tree: Any) -> Iterator[Tensor]:
    """Every tensor inside nested tuples, lists and dicts."""
    for item in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, tuple | list | dict):
            yield from tensors(item)


def change(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """Nested tuples, lists and dicts with ``function(t)`` in the place of every tensor ``t``."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, tuple | list):
        return type(tree)(change(item, function) for item in tree)
    if isinstance(tree, dict):
        return {key: change(item, function) for key, item in tree.items()}
    return tree
