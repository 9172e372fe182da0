"""Where the entries of integer inputs are looked up, and hence which integers they may be.

Every entry of every integer input has a number. Operations that only move entries are run on these
numbers, and additions of constants are noted beside them; where such a wire indexes a table, each
entry is known to lie below the rows of that table, less what was added to it. Several offsets into
one table cut it into consecutive parts (the fields of a recommender), unless the examples
contradict that.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from symfind.load.inputs import Inputs, leaves
from symfind.load.ranges import Range, observed
from symfind.trace.graph import Graph, Op, replace
from symfind.trace.kernels import run

MOST_COLUMNS = 64  # of which each has rows of its own
_CPU = torch.device("cpu")
_FIXED = -1  # in the place of an entry's number: it comes from no input
_MOVES = {
    "view", "reshape", "slice", "select", "permute", "transpose", "expand", "unsqueeze", "squeeze",
    "clone", "detach", "flip", "roll", "repeat", "t", "split", "split_with_sizes", "chunk",
    "unbind",
    "alias", "contiguous", "narrow", "unflatten", "flatten", "lift_fresh_copy", "index_select",
    "index", "gather",
}  # fmt: skip
_TABLE = {"embedding": 1, "index_select": 2, "gather": 2, "take_along_dim": 2, "scatter": 2,
          "scatter_add": 2, "index_add": 2, "index_copy": 2, "embedding_bag": 1}  # fmt: skip
_INTEGRAL = {torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8}


class _Track(NamedTuple):
    """Which entries a wire of integers consists of, and what was added to each."""

    places: Tensor
    added: Tensor


class _Lookup(NamedTuple):
    places: Tensor
    added: Tensor
    rows: int


def ranges(
    graph: Graph,
    examples: Mapping[str, Tensor],
    given: Mapping[str, int] | None = None,
    fallback: Mapping[str, Range] | None = None,
) -> dict[str, Range]:
    """The integers that each integer input may hold, entry by entry.

    Args:
        graph: a traced model, or a twin of it.
        examples: example inputs of the shapes of its inputs, by name; values may be missing.
        given: exclusive upper bounds that the user gave, by the same names.
        fallback: what entries are drawn from that nothing looks up; else what the examples show.

    Returns:
        By name; inputs that are masks, and neither looked up nor bounded, are left out.
    """
    tables = _Tracks(graph).lookups()
    found: dict[str, Range] = {}
    start = 0
    for op in graph.inputs:
        if op.dtype not in _INTEGRAL:
            continue
        size = torch.Size(op.shape or ()).numel()
        example = examples.get(op.key)
        known, sure = _read(tables, start, op, example)
        start += size
        bound = (given or {}).get(op.key)
        if bound is None and not bool(sure.any()) and "mask" in op.key:
            continue
        other = Range.below(bound) if bound is not None else (fallback or {}).get(op.key)
        if other is None:
            other = observed(example) if example is not None else Range.below(2)
        found[op.key] = _joined(known, sure, other, bound is not None)
    return found


def leaf_ranges(graph: Graph, inputs: Inputs, bounded: bool = True) -> dict[str, Range]:
    """The same by the keys of example inputs; without the user's bounds where these are ignored."""
    named = [(key, leaf) for key, leaf in leaves(inputs) if isinstance(leaf, Tensor)]
    keys = {op.key: key for op, (key, _) in zip(graph.inputs, named, strict=False)}
    examples = {op.key: leaf for op, (_, leaf) in zip(graph.inputs, named, strict=False)}
    bounds = {
        op: inputs.bounds[key] for op, key in keys.items() if bounded and key in inputs.bounds
    }
    return {keys[op]: found for op, found in ranges(graph, examples, bounds).items()}


def cut_tables(graph: Graph, inputs: Inputs) -> None:
    """Note at look-ups in one table which rows each column of places reads, if none share any."""
    tracks = _Tracks(graph)
    tracks.lookups()
    keys = (key for key, leaf in leaves(inputs) if isinstance(leaf, Tensor))
    places = [(op, key) for op, key in zip(graph.inputs, keys, strict=False)
              if op.dtype in _INTEGRAL]  # fmt: skip
    values = leaf_ranges(graph, inputs).get(places[0][1]) if len(places) == 1 else None
    if values is None:
        return
    op = places[0][0]
    low, high = (t.expand(op.shape or ()).reshape(-1) for t in (values.low, values.high))
    for look_up in graph.ops:
        track = tracks.found.get(id(look_up.args[1])) if _name(look_up) == "embedding" else None
        if isinstance(track, _Track) and track.places.ndim > 1 and bool((track.places >= 0).all()):
            first, last = low[track.places] + track.added, high[track.places] + track.added
            columns = list(zip(first.flatten(0, -2).amin(0).tolist(),
                               last.flatten(0, -2).amax(0).tolist(), strict=True))  # fmt: skip
            inside = columns[0][0] >= 0 and columns[-1][1] <= look_up.args[0].shape[0]
            apart = all(a[1] <= b[0] for a, b in zip(columns, columns[1:], strict=False))
            if inside and apart and 1 < len(columns) <= MOST_COLUMNS:
                look_up.columns = tuple(columns)


def _joined(known: Range, sure: Tensor, other: Range, given: bool) -> Range:
    """What look-ups say, and what else is said of entries that nothing looks up."""
    wide = Range(other.low.expand(sure.shape), other.high.expand(sure.shape))
    if given:
        both = wide.within(known)
        wide, known = wide, Range(both.low.expand(sure.shape), both.high.expand(sure.shape))
    low = torch.where(sure, known.low, wide.low)
    return Range(low, torch.where(sure, known.high, wide.high)).packed()


def _read(
    tables: list[_Lookup], start: int, op: Op, example: Tensor | None
) -> tuple[Range, Tensor]:
    """Bounds of the entries of one input by all tables, and which entries are looked up at all."""
    shape = tuple(op.shape or ())
    size = torch.Size(shape).numel()
    low, high = torch.zeros(size, dtype=torch.long), torch.full((size,), 2**62)
    for table in tables:
        mine = (table.places >= start) & (table.places < start + size)
        places, added = table.places[mine] - start, table.added[mine]
        room = _room(places, added, table.rows, example)
        high.scatter_reduce_(0, places, room, "amin")
        low.scatter_reduce_(0, places, -added, "amax")
    sure = high < 2**62
    return Range(low.reshape(shape), torch.maximum(high, low + 1).reshape(shape)), sure.reshape(
        shape
    )


def _room(places: Tensor, added: Tensor, rows: int, example: Tensor | None) -> Tensor:
    """Exclusive bounds of the entries at some places: up to where the next offset begins."""
    offsets = added.unique()
    if len(offsets) > 1 and example is not None and not example.is_meta:
        ends = torch.cat([offsets[1:], offsets.new_tensor([rows])])
        room = ends[torch.searchsorted(offsets, added)] - added
        if bool((example.reshape(-1).cpu()[places] < room).all()):
            return room
    return rows - added


class _Tracks:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: dict[int, Any] = {}
        start = 0
        for op in graph.inputs:
            if op.dtype in _INTEGRAL:
                size = torch.Size(op.shape or ()).numel()
                places = torch.arange(start, start + size).reshape(op.shape or ())
                self.found[id(op)] = _Track(places, torch.zeros_like(places))
                start += size

    def lookups(self) -> list[_Lookup]:
        """All of the graph."""
        result = []
        for op in self.graph.ops:
            if id(op) not in self.found and any(self._tracked(x) for x in op.operands):
                result += self._tables(op)
                self.found[id(op)] = self._moved(op)
        return result

    def _tracked(self, op: Op) -> bool:
        return self.found.get(id(op)) is not None

    def _tables(self, op: Op) -> list[_Lookup]:
        name, args = _name(op), op.args
        pairs: list[tuple[Any, int]] = []
        if name == "index":
            pairs = [(i, args[0].shape[d]) for d, i in enumerate(args[1]) if i is not None]
        elif name == "one_hot" and len(args) > 1 and args[1] > 0:
            pairs = [(args[0], args[1])]
        elif name in _TABLE and len(args) > _TABLE[name]:
            dim = 0 if name.startswith("embedding") else args[1]
            shape = args[0].shape or (1,)
            pairs = [(args[_TABLE[name]], shape[dim])]
        found = []
        for index, rows in pairs:
            track = self.found.get(id(index))
            if track is not None:
                kept = track.places >= 0
                found.append(_Lookup(track.places[kept], track.added[kept], int(rows)))
        return found

    def _moved(self, op: Op) -> Any:
        try:
            return self._carried(op)
        except Exception:  # what cannot be followed is not known: no more than that
            return None

    def _carried(self, op: Op) -> Any:
        name = _name(op)
        if op.target == "getitem":
            source = self.found[id(op.args[0])]
            return source[op.args[1]] if isinstance(source, list) else None
        if name in ("add", "sub") and op.dtype in _INTEGRAL and not op.kwargs and len(op.args) == 2:
            return self._shifted(op, 1 if name == "add" else -1)
        if name == "_to_copy":
            return self.found[id(op.args[0])] if op.dtype in _INTEGRAL else None
        if name in ("cat", "stack"):
            parts = [self._part(x) for x in op.args[0]]
            return self._run(op, parts)
        if name in _MOVES and all(x.constant for x in op.operands[1:]):
            return self._run(op, None)
        return None

    def _part(self, op: Op) -> _Track:
        if self._tracked(op):
            return self.found[id(op)]  # type: ignore[no-any-return]
        value = op.value()
        if value is None or value.dtype not in _INTEGRAL:
            raise ValueError
        return _Track(torch.full_like(value.long(), _FIXED), value.long())

    def _shifted(self, op: Op, sign: int) -> _Track | None:
        first, second = op.args
        if not isinstance(first, Op) or not self._tracked(first):
            first, second = (second, first) if sign == 1 else (None, None)
        if first is None or (isinstance(second, Op) and not second.constant):
            return None
        value = second.value() if isinstance(second, Op) else torch.tensor(second)
        if value is None or value.dtype not in _INTEGRAL:
            return None
        track = self.found[id(first)]
        places, added = torch.broadcast_tensors(track.places, track.added + sign * value.long())
        return _Track(places, added)

    def _run(self, op: Op, parts: list[_Track] | None) -> Any:
        """The operation on both tensors of a track."""

        def on(which: int) -> Any:
            def read(x: Op) -> Any:
                return self.found[id(x)][which] if self._tracked(x) else x.value()

            if parts is not None:
                return run(op, ([p[which] for p in parts], *op.args[1:]), dict(op.kwargs), _CPU)
            return run(op, replace(op.args, read), replace(op.kwargs, read), _CPU)

        places, added = on(0), on(1)
        if isinstance(places, (tuple, list)):
            return [_Track(a, b) for a, b in zip(places, added, strict=True)]
        return _Track(places, added)


def _name(op: Op) -> str:
    return op.target.removeprefix("aten.").split(".")[0]
