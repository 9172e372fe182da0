"""Which operations have which rules, for a model and altogether."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from symfind.graph.extents import is_pointwise
from symfind.ops import registry
from symfind.ops.facts import TABLE
from symfind.ops.gaps import modules
from symfind.trace import Graph, Op


@dataclass(frozen=True)
class Support:
    """What is known of one operation.

    Attributes:
        name: as in `aten.linear.default`.
        count: how often it occurs.
        lowered: whether changes of basis pass; without a rule it is rigid.
        sized: whether it is rebuilt at other sizes on a twin; without one it keeps its own.
        exact: whether exact mode computes it.
        why: why there is no exact rule, where a reason is known.
        modules: in which modules it is called, numbers starred, with how often.
    """

    name: str
    count: int
    lowered: bool
    sized: bool
    exact: bool
    why: str
    modules: Mapping[str, int] = field(default_factory=dict)

    @property
    def row(self) -> tuple[str, ...]:
        """As text."""
        marks = ("yes" if has else "-" for has in (self.lowered, self.sized, self.exact))
        return self.name.removeprefix("aten."), *marks, self.why

    @property
    def counted(self) -> tuple[str, ...]:
        """As text, with how often it occurs."""
        *row, why = self.row
        return *row, f"{self.count:,}", why


def supported(graph: Graph) -> list[Support]:
    """What is known of each operation that parameters reach, by name."""
    ops = reached(graph)
    counts = Counter(op.target for op in ops)
    firsts = {op.target: op for op in reversed(ops)}
    return [
        replace(
            _support(name, counts[name], firsts[name]),
            modules=modules(op for op in ops if op.target == name),
        )
        for name in sorted(counts)
    ]


def reached(graph: Graph) -> list[Op]:
    """The operations that parameters reach."""
    return [op for op in graph.ops if op.trainable and op.target not in registry.LEAVES]


def catalogue() -> list[Support]:
    """Every operation that has a rule of any kind, by name."""
    readings = (registry.lower, registry.sizes, registry.exact)
    names = {name for reading in readings for name in reading.names()}
    return [_support(name) for name in sorted(names - set(registry.LEAVES))]


def _support(name: str, count: int = 0, op: Op | None = None) -> Support:
    lowered, sized, exact = (
        reading.find(name) is not None
        for reading in (registry.lower, registry.sizes, registry.exact)
    )
    row = TABLE.get(name.removeprefix("aten.").partition(".")[0])
    sized = sized or (op is not None and is_pointwise(op))
    return Support(name, count, lowered, sized, exact, "" if exact or not row else row.irrational)


def table(rows: Iterable[tuple[str, ...]], *more: str) -> str:
    """Rows in columns under the names of the three readings and of what follows them."""
    rows = [("operation", "derived", "twin", "exact", *more, ""), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "".join(
        "  ".join(
            [*(text.ljust(n) for text, n in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        + "\n"
        for row in rows
    )
