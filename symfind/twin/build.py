"""A twin: a graph rebuilt at other sizes, checked operation by operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from symfind.algebra.axes import Axis
from symfind.graph.extents import Least, Relations
from symfind.load.ranges import Range, observed
from symfind.ops.facts import facts
from symfind.trace import Graph, Op, replace
from symfind.trace.kernels import run, widen
from symfind.trace.lookups import ranges
from symfind.twin.constants import kept, shrink
from symfind.twin.epsilon import visible
from symfind.twin.relations import relate
from symfind.twin.sizes import Sizes, Unbuildable, choose, own

__all__ = ["Twin", "Unbuildable", "build_twin"]

_ROUNDS = 40
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Twin:
    """A graph at small sizes.

    Attributes:
        graph: executable by `symfind.trace.execute`; parameters have shapes and no values.
        sizes: the size of every atomic index of the model.
        relations: of the graph that it is a twin of.
        ranges: of integer inputs, by name.
        examples: example inputs by name.
    """

    graph: Graph
    sizes: Sizes
    relations: Relations
    ranges: Mapping[str, Range]
    examples: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(torch.Size(op.shape or ()).numel() for op in self.graph.parameters.values())

    def names(self, symbols: Mapping[int, str]) -> dict[str, int]:
        """The sizes of what parameters are made of, under the model's names for its sizes."""
        found: dict[str, int] = {}
        for op in self.relations.graph.parameters.values():
            for axis in self.relations.axes.get(id(op), [[]])[0]:
                if axis.size > 1:
                    found.setdefault(symbols.get(axis.size, f"d_{axis.size}"), self.sizes(axis))
        return found


class _Misfit(Exception):
    """An operation of the model that does not run, or gives other shapes, at a twin's sizes."""

    def __init__(self, op: Op, why: str) -> None:
        self.op, self.why = op, why


class _TooShort(Exception):
    """Tables with fewer rows than are looked up in them, and how many these are."""

    def __init__(self, least: Sequence[Least]) -> None:
        self.least = least


def build_twin(
    graph: Graph,
    variant: int = 0,
    *,
    relations: Relations | None = None,
    examples: Mapping[str, Tensor] | None = None,
    bounds: Mapping[str, int] | None = None,
    unchanged: bool = False,
    most: int | None = None,
    narrow: bool = False,
    least: Sequence[Least] = (),
) -> Twin:
    """Rebuild a traced graph with all independent sizes shrunk.

    Args:
        graph: of the model.
        variant: which sizes; 0 is the smallest twin.
        relations: of the graph, where they are known already.
        examples: example inputs by name; masks take their values from them.
        bounds: exclusive upper bounds of integer inputs, by name.
        unchanged: keep the sizes of the model, and only spell everything anew.
        most: parameters above which a twin is only counted, and not tried: it may fill any memory.
        narrow: whether widths start where they say the least.
        least: what axes may not be shorter than, beside what the graph asks of them.

    Raises:
        Unbuildable: where an operation cannot be rewritten; the message names it.
    """
    relations = relations or relate(graph)
    bounded = list(least)
    why = "tables and what is looked up in them cannot be shrunk together"
    for _ in range(_ROUNDS):
        sizes = own(relations) if unchanged else choose(relations, variant, bounded, narrow)
        try:
            return _Build(relations, sizes, examples or {}, bounds or {}, unchanged).twin(most)
        except _TooShort as short:
            bounded += short.least
        except _Misfit as misfit:
            # Its arguments say more than is known here: it keeps its sizes.
            why = f"{_at(misfit.op)}: {misfit.why}"
            relations.op = misfit.op
            relations.pin_all()
        if unchanged:
            break
    raise Unbuildable(why)


def resized(relations: Relations, sizes: Sizes) -> Graph:
    """A graph at other sizes, not run: for counting alone."""
    return _Build(relations, sizes, {}, {}, exact=True).graph()


class _Build:
    def __init__(
        self,
        relations: Relations,
        sizes: Sizes,
        examples: Mapping[str, Tensor],
        bounds: Mapping[str, int],
        exact: bool,
    ) -> None:
        self.relations, self.sizes = relations, sizes
        self.examples, self.bounds = examples, bounds
        self.exact = exact
        self.made: dict[int, Op] = {}
        self.longer: list[Least] = []  # rows that tables lack

    def twin(self, most: int | None = None) -> Twin:
        new = self.graph()
        counted = Twin(new, self.sizes, self.relations, {}, {})
        if most is not None and counted.parameters > most:
            return counted
        found = ranges(new, self._shrunk(), self.bounds, self._observed())
        examples = {op.key: self._example(op, found) for op in self.relations.graph.inputs}
        for op in new.inputs:
            op.data = examples[op.key] if op.dtype == torch.bool else None
        self._try(new, examples)
        return Twin(new, self.sizes, self.relations, found, examples)

    def graph(self) -> Graph:
        graph = self.relations.graph
        for op in graph.ops:
            self.made[id(op)] = self._op(op)
        if self.longer:
            raise _TooShort(self.longer)
        parameters = {}
        for name, op in graph.parameters.items():
            if id(op) not in self.made:  # nothing reads it, so that its sizes are related to none
                shape = op.shape if self.exact else (1,) * len(op.shape or ())
                self.made[id(op)] = Op(
                    op.name, op.target, key=op.key, shape=shape, dtype=op.dtype, trainable=True
                )
            parameters[name] = self.made[id(op)]
        ops = [self.made[id(op)] for op in graph.ops]
        for op in ops:
            for operand in dict.fromkeys(op.operands):
                operand.users.append(op)
        return Graph(
            ops,
            [self.made[id(op)] for op in graph.inputs],
            parameters,
            [self.made[id(op)] for op in graph.outputs],
            list(graph.unread),
        )

    def _try(self, twin: Graph, examples: Mapping[str, Tensor]) -> None:
        """Run every operation once: it must work, and give the shape that was foretold."""
        values: dict[int, Any] = {}
        rng = torch.Generator().manual_seed(0)
        model = self.relations.graph.ops
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            for op, new in zip(model, twin.ops, strict=True):
                if new.target == "input":
                    values[id(new)] = widen(examples[new.key])
                elif new.target == "parameter" and new.trainable:
                    values[id(new)] = torch.randn(
                        new.shape or (), generator=rng, dtype=torch.float64
                    )
                elif new.target in ("parameter", "constant"):
                    values[id(new)] = new.value()
                else:
                    values[id(new)] = self._one(op, new, values)

    def _one(self, op: Op, new: Op, values: dict[int, Any]) -> Any:
        def read(x: Op) -> Any:
            return values[id(x)]

        try:
            result = run(new, replace(new.args, read), replace(new.kwargs, read), _CPU)
        except Exception as error:  # whatever torch raises at sizes that do not fit
            lines = str(error).strip().splitlines()
            raise _Misfit(op, lines[0] if lines else type(error).__name__) from error
        results = [result] if isinstance(result, Tensor) else list(result)
        shapes = [new.shape] if new.shape is not None else [s for s, _ in new.outputs]
        for found, shape in zip(results, shapes, strict=False):
            if isinstance(found, Tensor) and tuple(found.shape) != shape:
                raise _Misfit(op, f"gives {list(found.shape)} where {list(shape or ())} was due")
        return result

    def _shape(self, op: Op) -> list[tuple[int, ...]]:
        return [tuple(map(self.sizes, axes)) for axes in self.relations.axes[id(op)]]

    def _op(self, op: Op) -> Op:
        def read(x: Op) -> Op:
            return self.made[id(x)]

        shapes = self._shape(op)
        target, args, kwargs = op.target, list(op.args), dict(op.kwargs)
        rewrite = self.relations.rewrites.get(id(op))
        if rewrite is not None:
            target = rewrite.target or target
            for place, change in rewrite.changes.items():
                if isinstance(place, str):
                    kwargs[place] = change(self.sizes)
                elif place < len(args):
                    args[place] = change(self.sizes)
        if not self.exact:
            args = visible(op, args)
        new = Op(
            op.name,
            target,
            replace(tuple(args), read),
            replace(kwargs, read),
            shape=shapes[0] if op.shape is not None else None,
            dtype=op.dtype,
            outputs=[(s, d) for s, (_, d) in zip(shapes, op.outputs, strict=False)],
            where=op.where,
            module=op.module,
            key=op.key,
            varies=op.varies,
            trainable=op.trainable,
        )
        if op.target in ("constant", "parameter") and not op.trainable:
            new.data = shrink(op, self.relations.axes[id(op)][0], self.sizes)
        self._check_range(op, new)
        return new

    def _check_range(self, op: Op, new: Op) -> None:
        """Rows that are looked up by constants must exist."""
        name, place = op.base, facts(op).index
        if place is None:
            return
        for dim, index in _indices(name, op, new, place):
            value = index.value()
            if value is None or value.numel() == 0 or value.dtype == torch.bool:
                continue
            axis = self.relations.of(op.args[0])[dim]
            top = int(value.max()) + 1
            if top > self.sizes(axis):
                if top > axis.size:
                    raise Unbuildable(f"{_at(op)} looks up row {top - 1} of {axis.size}")
                self.longer.append(Least(axis, top))

    def _shrunk(self) -> dict[str, Tensor]:
        """What the example inputs become, as far as that is known."""
        found = {}
        for op in self.relations.graph.inputs:
            given = self.examples.get(op.key)
            if given is not None and given.device.type != "meta":
                found[op.key] = shrink(op, self.relations.of(op), self.sizes, given)
        return found

    def _observed(self) -> dict[str, Range]:
        """The integers that the model's own examples show, at the entries that a twin keeps."""
        found = {}
        for op in self.relations.graph.inputs:
            given = self.examples.get(op.key)
            if given is None or given.device.type == "meta" or not _integral(op):
                continue
            seen, axes = observed(given), self.relations.of(op)
            ends = [
                _leading(t.expand(given.shape), axes, self.sizes) for t in (seen.low, seen.high)
            ]
            found[op.key] = Range(*ends).packed()
        return found

    def _example(self, op: Op, found: Mapping[str, Range]) -> Tensor:
        axes = self.relations.of(op)
        shape = [self.sizes(a) for a in axes]
        given = self.examples.get(op.key)
        rng = torch.Generator().manual_seed(len(op.key))
        if op.dtype is not None and op.dtype.is_floating_point:
            return torch.randn(shape, generator=rng, dtype=torch.float64)
        if op.key in found:
            return found[op.key].draw(shape, rng)
        if given is None or given.device.type == "meta":
            raise Unbuildable(f"the values of the input {op.key!r} are not known")
        return shrink(op, axes, self.sizes, given)


def _leading(data: Tensor, axes: Sequence[Axis], sizes: Sizes) -> Tensor:
    for dim, axis in enumerate(axes):
        data = data.index_select(dim, kept(axis, sizes))
    return data


def _integral(op: Op) -> bool:
    kind = op.dtype
    return kind is not None and not (
        kind.is_floating_point or kind.is_complex or kind is torch.bool
    )


def _indices(name: str, op: Op, new: Op, place: int) -> Sequence[tuple[int, Op]]:
    """Dimensions that are looked up, each with its index, where that is constant."""
    given: Any = new.args[place]
    if name == "embedding":
        pairs = [(0, given)]
    elif name == "index":
        pairs = list(enumerate(given))
    else:
        rank = len(op.args[0].shape)
        pairs = [(new.args[1] % rank, given)]
    return [(d, i) for d, i in pairs if isinstance(i, Op) and i.constant]


def _at(op: Op) -> str:
    return f"{op.target} ({op.name})" + (f" at {op.where}" if op.where else "")
