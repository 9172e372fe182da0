"""Records what a forward pass does, operation by operation, while tensors have no values.

A dispatch mode sees every ATen operation; in inference mode composite operations (linear, attention,
LSTM, …) arrive whole. Tensors that depend on inputs or trainable parameters lie on the meta device;
what depends on neither is computed for real, so that code may look at it.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from symfind.trace import memory
from symfind.trace.exported import Source
from symfind.trace.memory import Cell, State, View, Wire
from symfind.trace.schemas import Facts, facts
from symfind.trace.user import here
from symfind.trace.views import Unrecordable, shaped, undo

_LARGE = 2**24  # entries of a constant beyond which it is not computed
_MARK = "_symfind_wire"

aten = torch.ops.aten


class DataDependent(Exception):
    """Python asks for a value that depends on inputs or parameters; ``kind`` says for what."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"data-dependent {kind}")
        self.kind = kind


class Recorder(TorchDispatchMode):
    """Writes a graph of torch.fx while a model runs.

    Attributes:
        graph: what has been recorded.
        sources: what its placeholders stand for.
        device: what tensors without values pretend to be on.
        path: of the module that runs.
        decide: asked what a truth value that is not known shall be.
    """

    def __init__(self, device: torch.device, decide: Callable[[], bool]) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.sources: dict[fx.Node, Source] = {}
        self.device = device
        self.decide = decide
        self.path = ""
        self._wires = WeakIdKeyDictionary()  # of tensors with values
        self._hollow: dict[int, Cell] = {}  # by memory that holds no values
        self._real: WeakValueDictionary[int, Cell] = WeakValueDictionary()
        self._kept: list[Any] = []
        self._names: dict[int, str] = {}
        self._last: fx.Node | None = None  # of the placeholders

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # there is no compiler to keep away, and importing it takes a second

    # ---- leaves ----

    def lead(self, tensor: Tensor, source: Source, state: State) -> Wire:
        """Let ``tensor`` be a leaf of the graph."""
        at = self._last or self.graph._root
        with self.graph.inserting_after(at):
            node = self.graph.placeholder(source.name.replace(".", "_"))
        self._last = node
        node.meta["val"] = shaped(tensor)
        self.sources[node] = source
        wire = Wire(Cell(node, shaped(tensor), state, tensor), (), node)
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
        memories: Any = self._hollow if tensor.is_meta else self._real
        memories.setdefault(tensor.untyped_storage()._cdata, wire.cell)
        if tensor.is_meta:
            tensor.__dict__[_MARK] = (self, wire)
        else:
            self._wires[tensor] = wire

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
        memories: Any = self._hollow if tensor.is_meta else self._real
        cell = memories.get(tensor.untyped_storage()._cdata)
        if cell is not None or tensor.is_meta:
            raise Unrecordable("a view that nobody saw being made")
        name = self._names.get(id(tensor)) or f"lifted_tensor_{len(self.sources)}"
        data = tensor
        if tensor.is_inference():  # would be refused when derivatives are taken
            with torch.inference_mode(False):
                data = tensor.clone()
        return self.lead(tensor, Source("tensor", name, data), State.KNOWN)

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

    # ---- operations ----

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record one operation, and give back its result, with values or without."""
        kwargs = kwargs or {}
        fact = facts(func)
        operands = list(tensors((args, kwargs)))
        state = max((self.wire(t).cell.state for t in operands), default=State.KNOWN)
        if fact.reads:
            return self._number(func, args, kwargs, state)
        if fact.random:
            state = max(state, State.UNKNOWN)
        if fact.mutable:
            return self._write(func, fact, args, kwargs, state)
        if func in _BY_PLACES:
            return _BY_PLACES[func](self, *args, **kwargs)
        if fact.counts:
            args = self._counted(func, args, kwargs)
        result = self._result(func, fact, args, kwargs, operands, state)
        return self._register(func, args, kwargs, operands, result, state)

    def _number(self, func: Any, args: tuple, kwargs: dict[str, Any], state: State) -> Any:
        if state is State.KNOWN:
            return really(func, args, kwargs)
        if state is State.UNKNOWN:
            raise Unrecordable("a constant whose value is not known is read")
        if func is aten.is_nonzero.default or args[0].dtype == torch.bool:
            return self.decide()
        raise DataDependent("number")

    def _result(
        self, func: Any, fact: Facts, args: tuple, kwargs: dict[str, Any], operands: list, state: Any
    ) -> Any:
        if fact.makes and kwargs.get("device", self.device).type == "meta":
            kwargs = {**kwargs, "device": self.device}
        if state is State.KNOWN and not self._large(func, fact, args, kwargs, operands):
            return really(func, args, kwargs)
        if fact.view and not operands[0].is_meta:
            return func(*args, **kwargs)  # memory that holds nothing of worth any more
        if fact.makes and "device" in kwargs:
            kwargs = {**kwargs, "device": "meta"}
        elif fact.makes and not operands:
            kwargs = {**kwargs, "device": "meta"}
        return self._hollowly(func, args, kwargs)

    def _hollowly(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        if all(t.is_meta for t in tensors((args, kwargs))):
            return func(*args, **kwargs)
        result = func(*change(args, self.hollow), **change(kwargs, self.hollow))
        if isinstance(result, Tensor):  # what is handed through stays the same tensor
            for tensor in tensors((args, kwargs)):
                if not tensor.is_meta and self.hollow(tensor) is result:
                    return tensor
        return result

    def _large(self, func: Any, fact: Facts, args: tuple, kwargs: dict, operands: list) -> bool:
        sizes = sorted((t.numel() for t in operands), reverse=True)[:2]
        if not operands and fact.makes:
            return bool(func(*args, **{**kwargs, "device": "meta"}).numel() > _LARGE)
        return not fact.view and len(sizes) == 2 and sizes[0] * sizes[1] > _LARGE and sizes[1] > 1

    def _register(
        self, func: Any, args: tuple, kwargs: dict[str, Any], operands: list, result: Any, state: Any
    ) -> Any:
        """Make a node of an operation, and wires of the tensors that it resulted in."""
        if isinstance(result, Tensor):
            if any(result is t for t in operands):
                return result
            if not result.is_meta and state is not State.KNOWN and not facts(func).view:
                raise Unrecordable(f"{func} gives values that are not known")
            node = self._emit(func, args, kwargs, shaped(result))
            self._join(func, args, kwargs, result, node, state, None, ())
            return result
        if not isinstance(result, tuple | list):
            return result
        siblings = tuple(shaped(t) if isinstance(t, Tensor) else None for t in result)
        if not any(siblings):
            return result
        node = self._emit(func, args, kwargs, list(siblings))
        for index, tensor in enumerate(result):
            if isinstance(tensor, Tensor):
                item = self._item(node, index)
                self._join(func, args, kwargs, tensor, item, state, index, siblings)
        return result

    def _item(self, node: fx.Node, index: int) -> fx.Node:
        item = self.graph.call_function(operator.getitem, (node, index))
        item.meta.update(node.meta, val=node.meta["val"][index])
        return item

    def _join(
        self, func: Any, args: tuple, kwargs: dict[str, Any], result: Tensor, node: fx.Node,
        state: State, index: int | None, siblings: tuple,
    ) -> None:  # fmt: skip
        """Find out whether ``result`` looks at the memory of an argument, and remember it."""
        memories: Any = self._hollow if result.is_meta else self._real
        cell = memories.get(result.untyped_storage()._cdata)
        if cell is None:
            self.know(result, Wire(Cell(node, node.meta["val"], state), (), node))
            return
        first = args[0] if args else None
        parent = self.wire(first) if isinstance(first, Tensor) else None
        if parent is None or parent.cell is not cell:
            raise Unrecordable(f"{func} results in a view of what is not its first argument")
        view = View(func, args[1:], kwargs, index, shaped(first), node.meta["val"], siblings)
        self.know(result, Wire(cell, (*parent.chain, view), node))

    def _emit(self, func: Any, args: tuple, kwargs: dict[str, Any], value: Any) -> fx.Node:
        name = func._schema.name.rpartition("::")[2]
        node = self.graph.create_node(
            "call_function", func, change(args, self.node), change(_plain(kwargs), self.node), name
        )
        node.meta.update(val=value, where=here(), module=self.path)
        return node

    # ---- writing ----

    def _write(
        self, func: Any, fact: Facts, args: tuple, kwargs: dict[str, Any], state: State
    ) -> Any:
        if fact.nothing:
            return args[0]
        place = fact.written
        if place is None or fact.functional is None:
            raise Unrecordable(f"{func} writes in a way that is not known")
        target = args[place] if isinstance(place, int) else kwargs[place]
        if fact.restrides:
            return self._restride(fact, target, args, kwargs)
        rest = args
        if isinstance(place, str):
            kwargs = {k: v for k, v in kwargs.items() if k != place}
        wire = self.wire(target)
        if func is aten.copy_.default and _same_place(target, args[1]):
            return target
        if state is State.KNOWN and target.numel() <= _LARGE:
            self._save(wire.cell)
            extra = {place: target} if isinstance(place, str) else {}
            really(func, rest, {**kwargs, **extra})
        else:
            self._written_hollowly(fact, rest, kwargs, target)
            self._lose(wire.cell, target, state)
        node = self._emit(fact.functional, rest, kwargs, shaped(target))
        memory.store(wire, node, self._look, self._undo)
        return target

    def _written_hollowly(self, fact: Facts, args: tuple, kwargs: dict, target: Tensor) -> None:
        result = self._hollowly(fact.functional, args, kwargs)
        if isinstance(result, Tensor) and result.shape != target.shape:
            raise Unrecordable("a write that changes the shape of what is written")

    def _restride(self, fact: Facts, target: Tensor, args: tuple, kwargs: dict) -> Tensor:
        """A view in place: the tensor looks at its memory in another way from now on."""
        wire, before = self.wire(target), shaped(target)
        after = fact.functional(target, *args[1:], **kwargs)
        target.as_strided_(after.shape, after.stride(), after.storage_offset())
        view = View(fact.functional, args[1:], kwargs, None, before, shaped(target))
        node = self._look(view, memory.content(wire, self._look))
        self.know(target, Wire(wire.cell, (*wire.chain, view), node))
        return target

    def _save(self, cell: Cell) -> None:
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

    def _lose(self, cell: Cell, target: Tensor, state: State) -> None:
        if cell.state is State.KNOWN:
            self._kept.extend((cell, target))
        cell.state = max(cell.state, state, State.UNKNOWN)

    def _look(self, view: View, parent: fx.Node) -> fx.Node:
        value = view.after if view.index is None else list(view.siblings)
        node = self._emit(view.func, (parent, *view.args), view.kwargs, value)
        return node if view.index is None else self._item(node, view.index)

    def _undo(self, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
        return undo(self._emit, view, parent, value)

    # ---- counts that depend on values ----

    def _counted(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> tuple:
        """Arguments by which the number of entries is known: places in the stead of masks."""
        if func is aten.index.Tensor:
            places: list[Any] = []
            for index in args[1]:
                masks = index is not None and index.dtype in (torch.bool, torch.uint8)
                places.extend(self._places(index) if masks else [index])
            return (args[0], places, *args[2:])
        if any(self.wire(t).cell.state is not State.KNOWN for t in tensors((args, kwargs))):
            raise DataDependent("count")
        return args

    def _places(self, mask: Tensor) -> list[Tensor]:
        if self.wire(mask).cell.state is not State.KNOWN:
            raise DataDependent("count")
        found = self.__torch_dispatch__(aten.nonzero.default, (), (mask,))
        return list(self.__torch_dispatch__(aten.unbind.int, (), (found, 1)))


    def _again(self, func: Any, *args: Any) -> Any:
        return self.__torch_dispatch__(func, (), args)

    def _selected(self, x: Tensor, mask: Tensor) -> Any:
        if mask.shape != x.shape:
            x, mask = (self._again(aten.expand.default, t, _common(x, mask)) for t in (x, mask))
        return self._again(aten.index.Tensor, x, [mask])

    def _repeated(
        self, x: Tensor, repeats: Tensor, dim: int | None = None, *, output_size: int | None = None
    ) -> Any:
        if dim is None:
            x, dim = self._again(aten.reshape.default, x, [-1]), 0
        if repeats.numel() == 1:
            repeats = self._again(aten.expand.default, repeats, [x.shape[dim]])
        places = self._again(aten.repeat_interleave.Tensor, repeats)
        return self._again(aten.index_select.default, x, dim, places)


_BY_PLACES: dict[Any, Callable[..., Any]] = {
    aten.masked_select.default: Recorder._selected,
    aten.repeat_interleave.self_Tensor: Recorder._repeated,
}


def _common(one: Tensor, other: Tensor) -> list[int]:
    return list(torch.broadcast_shapes(one.shape, other.shape))


def really(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Compute with values; a tensor that others may keep, and use for derivatives later on."""
    if func is aten.lift_fresh.default:
        func = aten.clone.default
    with torch.inference_mode(False), torch.no_grad():
        return func(*args, **kwargs)


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


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k != "generator"}


def _same_place(one: Tensor, other: Any) -> bool:
    """Whether two tensors show the same entries of the same memory."""
    return (
        isinstance(other, Tensor)
        and one.untyped_storage()._cdata == other.untyped_storage()._cdata
        and (one.shape, one.stride(), one.storage_offset(), one.dtype)
        == (other.shape, other.stride(), other.storage_offset(), other.dtype)
    )
