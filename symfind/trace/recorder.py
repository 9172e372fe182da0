"""Records what a forward pass does, operation by operation, while tensors have no values.

A dispatch mode sees every ATen operation; in inference mode composite ones (linear, attention,
LSTM, …) arrive whole. Tensors that depend on inputs or trainable parameters lie on the meta device;
what depends on neither is computed for real, so that code may look at it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from symfind.trace import shapes
from symfind.trace.ledger import Ledger, change, tensors
from symfind.trace.memory import Cell, State, View, Wire
from symfind.trace.packed import pack
from symfind.trace.schemas import Facts, facts
from symfind.trace.views import Unrecordable, shaped

_LARGE = 2**24  # entries of a constant beyond which it is not computed

_META = torch.device("meta")

aten = torch.ops.aten


class DataDependent(Exception):
    """Python asks for a value that depends on inputs or parameters; ``kind`` says for what."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"data-dependent {kind}")
        self.kind = kind


class Recorder(TorchDispatchMode):
    """Writes down in a ledger what a model does while it runs.

    Attributes:
        ledger: what has been recorded, and what tensors stand for.
        device: what tensors without values pretend to be on.
        decide: asked what a truth value that is not known shall be.
    """

    def __init__(self, device: torch.device, decide: Callable[[], bool]) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.device = device
        self.decide = decide

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # there is no compiler to keep away, and importing it takes a second

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record one operation, and give back its result, with values or without."""
        kwargs = kwargs or {}
        fact = facts(func)
        operands = list(tensors((args, kwargs)))
        state = self.ledger.state(operands)
        if fact.reads:
            return self._number(func, args, kwargs, state)
        if fact.random:
            state = max(state, State.UNKNOWN)
        if fact.mutable:
            return self._write(func, fact, args, kwargs, state)
        if fact.parts:
            with self:
                return func.decompose(*args, **kwargs)
        if func in _BY_PLACES:
            return _BY_PLACES[func](self, *args, **kwargs)
        if fact.counts:
            args = self._counted(func, args, kwargs, state)
        if fact.fills:
            state = State.KNOWN  # of its operands only the shape is read
        result = self._result(func, fact, args, kwargs, operands, state)
        return self._register(func, args, kwargs, operands, result, state)

    def again(self, func: Any, *args: Any) -> Any:
        """Record another operation."""
        return self.__torch_dispatch__(func, (), args)

    def _number(self, func: Any, args: tuple, kwargs: dict[str, Any], state: State) -> Any:
        if state is State.KNOWN:
            return really(func, args, kwargs)
        if state is State.UNKNOWN:
            raise Unrecordable("a constant whose value is not known is read")
        if func is aten.is_nonzero.default or args[0].dtype == torch.bool:
            return self.decide()
        raise DataDependent("number")

    # ---- results ----

    def _result(
        self, func: Any, fact: Facts, args: tuple, kwargs: dict, operands: list, state: State
    ) -> Any:
        if state is State.KNOWN and not self._large(func, fact, args, kwargs, operands):
            moved = any(t.is_meta for t in operands)  # which is read for its shape alone
            return really(func, *_on(self.device, fact, args, kwargs, moved))
        if fact.view and not operands[0].is_meta:
            return func(*args, **kwargs)  # memory that holds nothing of worth any more
        return self._hollowly(func, *_on(_META, fact, args, kwargs, True))

    def _hollowly(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        told = shapes.result(func, args, kwargs)
        if told is not None:
            return told
        if all(t.is_meta for t in tensors((args, kwargs))):
            return func(*args, **kwargs)
        hollow = self.ledger.hollow
        result = func(*change(args, hollow), **change(kwargs, hollow))
        if isinstance(result, Tensor):  # what is handed through stays the same tensor
            for tensor in tensors((args, kwargs)):
                if not tensor.is_meta and hollow(tensor) is result:
                    return tensor
        return result

    def _large(self, func: Any, fact: Facts, args: tuple, kwargs: dict, operands: list) -> bool:
        """Whether computing a constant may take more memory than it is worth."""
        if fact.fills or (fact.device is not None and not operands):
            args, kwargs = _on(_META, fact, args, kwargs, True)
            return bool(func(*args, **kwargs).numel() > _LARGE)
        sizes = sorted((t.numel() for t in operands), reverse=True)[:2]
        return not fact.view and len(sizes) == 2 and sizes[0] * sizes[1] > _LARGE and sizes[1] > 1

    def _register(
        self, func: Any, args: tuple, kwargs: dict, operands: list, result: Any, state: State
    ) -> Any:
        """Make a node of an operation, and wires of the tensors that it resulted in."""
        ledger = self.ledger
        if isinstance(result, Tensor):
            if not any(result is t for t in operands):
                node = ledger.emit(func, args, kwargs, shaped(result))
                self._join(func, args, kwargs, result, Wire(Cell(node, state), (), node))
            return result
        if not isinstance(result, tuple | list):
            return result
        siblings = tuple(shaped(t) if isinstance(t, Tensor) else None for t in result)
        if any(siblings):
            node = ledger.emit(func, args, kwargs, list(siblings))
            for index, tensor in enumerate(result):
                if isinstance(tensor, Tensor):
                    item = ledger.item(node, index)
                    wire = Wire(Cell(item, state), (), item)
                    self._join(func, args, kwargs, tensor, wire, index, siblings)
        return result

    def _join(
        self, func: Any, args: tuple, kwargs: dict, result: Tensor, new: Wire,
        index: int | None = None, siblings: tuple = (),
    ) -> None:  # fmt: skip
        """Remember ``result``, and if it looks at the memory of an operand, how."""
        cell = self.ledger.cell(result)
        if cell is None:
            if result.is_meta:
                new.cell.state = max(new.cell.state, State.UNKNOWN)
            self.ledger.know(result, new)
            return
        first, after = args[0], shaped(result)
        parent = self.ledger.wire(first) if isinstance(first, Tensor) else None
        if parent is None or parent.cell is not cell:  # of some other operand
            chain: tuple[View, ...] = (View(None, (), {}, None, after, after),)
        else:
            view = View(func, args[1:], kwargs, index, shaped(first), after, siblings)
            chain = (*parent.chain, view)
        self.ledger.know(result, Wire(cell, chain, new.node))

    # ---- writing ----

    def _write(self, func: Any, fact: Facts, args: tuple, kwargs: dict, state: State) -> Any:
        place = fact.written
        if fact.nothing:
            return args[0]
        if place is None or fact.functional is None:
            raise Unrecordable(f"{func} writes in a way that is not known")
        target = args[place] if isinstance(place, int) else kwargs[place]
        if fact.restrides:
            return self._restride(fact, target, args, kwargs)
        if func is aten.copy_.default and _same_place(target, args[1]):
            return target
        rest = {k: v for k, v in kwargs.items() if k != place}
        cell = self.ledger.wire(target).cell
        if state is State.KNOWN:
            self.ledger.save(cell)
            really(func, args, kwargs)
        else:
            self._written_hollowly(fact, args, rest, target)
            self.ledger.lose(cell, target, state)
        node = self.ledger.emit(fact.functional, args, rest, shaped(target))
        self.ledger.store(target, node)
        return target

    def _written_hollowly(self, fact: Facts, args: tuple, kwargs: dict, target: Tensor) -> None:
        """See whether shapes fit."""
        result = self._hollowly(fact.functional, args, kwargs)
        if not isinstance(result, Tensor) or result.shape != target.shape:
            raise Unrecordable("a write that changes the shape of what is written")

    def _restride(self, fact: Facts, target: Tensor, args: tuple, kwargs: dict) -> Tensor:
        """A view in place: the tensor looks at its memory in another way from now on."""
        before = shaped(target)
        after = fact.functional(target, *args[1:], **kwargs)
        target.as_strided_(after.shape, after.stride(), after.storage_offset())
        view = View(fact.functional, args[1:], kwargs, None, before, shaped(target))
        self.ledger.look(target, view)
        return target

    # ---- counts that depend on values ----

    def _counted(self, func: Any, args: tuple, kwargs: dict[str, Any], state: State) -> tuple:
        """Arguments by which the number of entries is known: places in the stead of masks."""
        if func is aten.index.Tensor:
            places: list[Any] = []
            for index in args[1]:
                masks = index is not None and index.dtype in (torch.bool, torch.uint8)
                places.extend(self._places(index) if masks else [index])
            return (args[0], places, *args[2:])
        if state is not State.KNOWN:
            raise DataDependent("count")
        return args

    def _places(self, mask: Tensor) -> list[Tensor]:
        if self.ledger.wire(mask).cell.state is not State.KNOWN:
            raise DataDependent("count")
        found = self.again(aten.nonzero.default, mask)
        return list(self.again(aten.unbind.int, found, 1))

    def _selected(self, x: Tensor, mask: Tensor) -> Any:
        if mask.shape != x.shape:
            common = list(torch.broadcast_shapes(x.shape, mask.shape))
            x, mask = (self.again(aten.expand.default, t, common) for t in (x, mask))
        return self.again(aten.index.Tensor, x, [mask])

    def _repeated(
        self, x: Tensor, repeats: Tensor, dim: int | None = None, *, output_size: int | None = None
    ) -> Any:
        if dim is None:
            x, dim = self.again(aten.reshape.default, x, [-1]), 0
        if repeats.numel() == 1:
            repeats = self.again(aten.expand.default, repeats, [x.shape[dim]])
        places = self.again(aten.repeat_interleave.Tensor, repeats)
        return self.again(aten.index_select.default, x, dim, places)

    def _packed(self, x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
        if self.ledger.wire(lengths).cell.state is not State.KNOWN:
            raise DataDependent("count")
        return pack(self.again, x, lengths, batch_first)


_BY_PLACES: dict[Any, Callable[..., Any]] = {
    aten.masked_select.default: Recorder._selected,
    aten.repeat_interleave.self_Tensor: Recorder._repeated,
    aten._pack_padded_sequence.default: Recorder._packed,
}


def _on(
    device: torch.device, fact: Facts, args: tuple, kwargs: dict[str, Any], always: bool
) -> tuple[tuple, dict[str, Any]]:
    """The arguments with ``device`` for the result, in the place of meta, or ``always``."""
    place = fact.device
    if isinstance(place, int):
        if place < len(args) and args[place] is not None and (always or args[place] == _META):
            args = (*args[:place], device, *args[place + 1 :])
    elif place is not None and (always or kwargs.get(place) == _META):
        kwargs = {**kwargs, place: device}
    return args, kwargs


def really(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Compute with values; a tensor that others may keep, and use for derivatives later on."""
    if func is aten.lift_fresh.default:
        func = aten.clone.default
    with torch.inference_mode(False), torch.no_grad():
        return func(*args, **kwargs)


def _same_place(one: Tensor, other: Any) -> bool:
    """Whether two tensors show the same entries of the same memory."""
    return (
        isinstance(other, Tensor)
        and one.untyped_storage()._cdata == other.untyped_storage()._cdata
        and (one.shape, one.stride(), one.storage_offset(), one.dtype)
        == (other.shape, other.stride(), other.storage_offset(), other.dtype)
    )
