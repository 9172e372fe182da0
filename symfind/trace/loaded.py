"""Trace a loaded model on its inputs."""

from symfind.errors import TraceError
from symfind.load.loaded import Loaded
from symfind.trace.build import build
from symfind.trace.graph import Graph
from symfind.trace.lookups import cut_tables
from symfind.trace.recover import recover_buffers
from symfind.trace.tracer import trace
from symfind.trace.ways import recorded


def trace_loaded(loaded: Loaded, *, train: bool = False) -> Graph:
    """The graph of a loaded model.

    Raises:
        InputError: the inputs do not fit; the message names the argument and the module.
        TraceError: the model cannot be traced; the message names the line.
    """
    try:
        graph = trace(loaded.model, loaded.inputs.args, loaded.inputs.kwargs, train=train)
    except TraceError as error:
        from symfind.trace.misfit import misfit  # what it needs of torch is slow to import

        raise misfit(loaded.model, loaded.inputs) or error from error
    cut_tables(graph, loaded.inputs)
    return _without_empty(graph)


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
