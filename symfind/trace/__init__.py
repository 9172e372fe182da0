"""Model to graph: trace a module and give its operations one canonical spelling."""

from symfind.trace.execute import execute
from symfind.trace.graph import Graph, Op, replace, walk
from symfind.trace.loaded import record_loaded, trace_loaded
from symfind.trace.tracer import trace

__all__ = ["Graph", "Op", "execute", "replace", "trace", "record_loaded", "trace_loaded", "walk"]
