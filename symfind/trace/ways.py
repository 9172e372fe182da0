"""The ways to a functional graph, in the order in which they are tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from symfind.load.experts import dense_experts
from symfind.load.recomputation import without_recomputation
from symfind.trace.blame import blame
from symfind.trace.branches import explore
from symfind.trace.build import build
from symfind.trace.exported import Exported
from symfind.trace.guard import plain_config, quiet, set_mode, unchanged, unguarded
from symfind.trace.record import record

Way = Callable[[nn.Module, tuple, dict[str, Any]], Exported]


def functional(
    model: nn.Module, args: tuple, kwargs: dict[str, Any], train: bool, recovered: dict[str, Tensor]
) -> Exported:
    """The graph of a forward pass: recorded, or, where that is not certain, exported.

    Raises:
        TraceError: neither works; the message names the user's line.
    """
    try:
        return recorded(model, args, kwargs, train, recovered)
    except Exception as error:  # whatever the recorder trips over, the exporter may know
        return exported(model, args, kwargs, train, error)


def recorded(
    model: nn.Module, args: tuple, kwargs: dict[str, Any], train: bool, recovered: dict[str, Tensor]
) -> Exported:
    """The first way: run the model once, and write down what it does."""

    def run(decide: Callable[[], bool]) -> Exported:
        with prepared(model, train):
            return record(model, args, kwargs, recovered, decide)

    def same(one: Exported, other: Exported) -> bool:
        graphs = (build(model, end, recovered) for end in (one, other))
        return len({repr(graph.ops) for graph in graphs}) == 1

    found, notes = explore(run, same)
    return replace(found, notes=notes)


def exported(
    model: nn.Module,
    args: tuple,
    kwargs: dict[str, Any],
    train: bool,
    first: Exception | None = None,
) -> Exported:
    """The second way: torch.export, and what else can stand in for it.

    ``first`` is what went wrong before, and what is blamed where nothing works.
    """
    from symfind.trace import export

    for attempt, attention in export.attempts(model):
        with prepared(model, train, attention), torch.enable_grad():
            try:
                return attempt(*export.prepare(model, args, kwargs))
            except Exception as error:  # whatever the exporter trips over, another way may work
                first = first or error
    assert first is not None
    raise blame(model, first) from first


@contextmanager
def prepared(model: nn.Module, train: bool, attention: str | None = None) -> Iterator[None]:
    """Have ``model`` ready to be traced, and as it was afterwards."""
    with unchanged(model), dense_experts(model), without_recomputation(), unguarded(), quiet():
        torch.backends.mha.set_fastpath_enabled(False)
        set_mode(model, train)
        plain_config(model, attention)
        yield
