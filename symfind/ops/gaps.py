"""The operations of a model that are rigid, and between which parameters nothing passes there."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from symfind.ops import registry
from symfind.ops.lower import lower
from symfind.trace import Graph, Op


@dataclass(frozen=True)
class Gap:
    """An operation that is rigid.

    Attributes:
        op: its full name.
        places: where it stands in the source, each once.
        modules: the modules in which it is called, numbers starred, with how often.
        why: what is missing.
        writers: parameters that write what goes in, up to the operation before it that has any.
        readers: parameters that read what comes out, likewise.
    """

    op: str
    places: tuple[str, ...]
    modules: dict[str, int]
    why: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]


def gaps(graph: Graph) -> list[Gap]:
    """The rigid operations of a model, those of one name, reason and neighbourhood together."""
    alike: dict[tuple[str, ...], list[Op]] = {}
    for op, why in lower(graph).gaps:
        writers = _near(op, lambda o: o.operands)
        readers = _near(op, lambda o: o.users)
        key = (op.target, why, " ".join(_starred(writers)), " ".join(_starred(readers)))
        alike.setdefault(key, []).append(op)
    return [
        Gap(
            target,
            tuple(dict.fromkeys(op.where for op in ops if op.where)),
            modules(ops),
            why,
            tuple(writers.split()),
            tuple(readers.split()),
        )
        for (target, why, writers, readers), ops in alike.items()
    ]


def modules(ops: Iterable[Op]) -> dict[str, int]:
    """In which modules some operations are called, numbers starred, with how often."""
    return dict(Counter(starred(op.module) for op in ops).most_common())


def starred(name: str) -> str:
    """The name of all modules or tensors that differ in numbers alone."""
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _starred(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(starred(re.sub(r"\s", "_", name)) for name in names))


def _near(op: Op, step: Callable[[Op], Iterable[Op]]) -> list[str]:
    """The parameters of the first operations in one direction that have any."""
    found: dict[str, None] = {}
    stack, seen = list(step(op)), {id(op)}
    while stack:
        other = stack.pop()
        if id(other) in seen:
            continue
        seen.add(id(other))
        keys = list(_keys(other))
        found.update(dict.fromkeys(keys))
        if not keys:
            stack.extend(step(other))
    return sorted(found)


def _keys(op: Op) -> Iterator[str]:
    if op.target == "parameter":
        yield op.key
    elif op.target not in registry.LEAVES:
        for operand in op.operands:
            if operand.target == "parameter" and operand.trainable:
                yield operand.key
