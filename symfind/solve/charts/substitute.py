"""A graph in which weights that parameters make up are parameters themselves."""

import copy
from collections.abc import Sequence
from dataclasses import replace

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.charts.normed import Polar, polar_weights
from symfind.solve.transport.maps import read


def substituted(lowered: Lowered) -> Lowered | None:
    """A copy of a graph, on the same indices, with a parameter for every such weight.

    None where there are none. The new parameters know what makes them up (`Source.chart`).
    """
    if next(polar_weights(lowered.nodes), None) is None:
        return None
    made = _copied(lowered.nodes)
    nodes = [made[n] for n in lowered.nodes]
    parameters: dict[str, list[p.Source]] = {}
    for key, sources in lowered.parameters.items():
        parameters[key] = [x for s in sources if isinstance(x := made[s], p.Source)]
    outputs = [x for o in lowered.outputs if isinstance(x := made[o], p.Output)]
    graph = replace(lowered, nodes=nodes, parameters=parameters, outputs=outputs)
    return _with_weights(graph, list(polar_weights(graph.nodes)))


def _copied(nodes: Sequence[Node]) -> dict[Node, Node]:
    """Nodes that hang together as the given ones do."""
    made: dict[Node, Node] = {}

    def of(node: Node) -> Node:
        if node not in made:
            made[node] = new = copy.copy(node)
            new.orders = dict(node.orders)
            new.inputs = tuple(of(x) for x in node.inputs)
            if isinstance(new, p.Source) and new.offset is not None:
                new.offset = of(new.offset)
        return made[node]

    for node in nodes:
        of(node)
    for node, new in list(made.items()):
        new.users = [made[u] for u in node.users]
        new.silent = [made[s] for s in node.silent]
        if isinstance(node, p.Source) and isinstance(new, p.Source):
            new.followers = [made[f] for f in node.followers]  # type: ignore[misc]
    return made


def _with_weights(graph: Lowered, charts: Sequence[Polar]) -> Lowered:
    parameters = dict(graph.parameters)
    places: dict[Node, Node] = {}
    for i, chart in enumerate(charts):
        node = chart.node
        weight = p.Source((), list(node.axes), op=node.op, index=node.index, role="parameter",
                          key=f"weight {i}", chart=chart)  # fmt: skip
        weight.users, node.users = node.users, []
        for user in weight.users:
            user.inputs = tuple(weight if x is node else x for x in user.inputs)
        for x in node.inputs:
            x.users = [u for u in x.users if u is not node]
        places[node] = weight
        parameters[weight.key] = [weight]
        for source in chart.sources:
            parameters.pop(source.key, None)
    nodes = read([places.get(n, n) for n in graph.nodes])
    return replace(graph, nodes=nodes, parameters=parameters)
