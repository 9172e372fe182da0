"""Trace a loaded model on its inputs."""

import contextlib

from symfind.errors import TraceError
from symfind.load.loaded import Loaded
from symfind.trace.build import build
from symfind.trace.graph import Graph
from symfind.trace.lookups import cut_tables
from symfind.trace.recover import recover_buffers
from symfind.trace.tracer import trace
from symfind.trace.ways import recorded


def trace_loaded(loaded: Loaded, *, train: bool = False) -> Graph:
    """The graph of a loaded model, which becomes another of those that it may be if it must.

    Where it cannot be recorded, what is known to stand in its place is tried before slower ways.

    Raises:
        InputError: the inputs do not fit; the message names the argument and the module.
        TraceError: the model cannot be traced; the message names the line.
    """
    other = _otherwise(loaded, train)
    if other is not None:
        return other
    try:
        graph = trace(loaded.model, loaded.inputs.args, loaded.inputs.kwargs, train=train)
    except TraceError as error:
        from symfind.trace.misfit import misfit  # what it needs of torch is slow to import

        raise misfit(loaded.model, loaded.inputs) or error from error
    return _without_empty(_cut(graph, loaded))


def _cut(graph: Graph, loaded: Loaded) -> Graph:
    cut_tables(graph, loaded.inputs)
    return graph


def _otherwise(loaded: Loaded, train: bool) -> Graph | None:
    """The graph of the first that can be recorded; None if that is the model as it is, or none."""
    if loaded.otherwise is None:
        return None
    otherwise, loaded.otherwise = loaded.otherwise, None
    with contextlib.suppress(Exception):
        return _cut(record_loaded(loaded, train=train), loaded)
    for other, why in otherwise():
        with contextlib.suppress(Exception):
            graph = _cut(record_loaded(other, train=train), other)
            loaded.become(other)
            graph.notes = (*graph.notes, f"{loaded.name}: {why}")
            return graph
    return None


def record_loaded(loaded: Loaded, *, train: bool = False) -> Graph:
    """The graph of a loaded model by the recorder alone: what it cannot record fails at once.

    Whatever the forward pass raises is passed on.
    """
    recovered = recover_buffers(loaded.model)
    found = recorded(loaded.model, loaded.inputs.args, loaded.inputs.kwargs, train, recovered)
    return _without_empty(build(loaded.model, found, recovered))


def _without_empty(graph: Graph) -> Graph:
    """Parameters without entries are constants: nothing can change in them."""
    for name, op in list(graph.parameters.items()):
        if 0 in (op.shape or ()):
            op.trainable = False
            del graph.parameters[name]
    graph.unread[:] = [name for name in graph.unread if name in graph.parameters]
    return graph
