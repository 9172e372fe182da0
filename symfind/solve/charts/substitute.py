"""A graph in which wires that parameters make up are parameters themselves."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from symfind.graph import primitives as p
from symfind.graph.bilinear import pair_up
from symfind.graph.copies import sink_copies
from symfind.graph.primitives import Node
from symfind.graph.sliced import joined, slice_early
from symfind.graph.wires import ancestors
from symfind.ops.lower import Lowered
from symfind.solve.charts.made import Made, made_wires
from symfind.solve.charts.normed import Polar, polar_weights
from symfind.solve.charts.shares import Mixture, Share, mixtures, shares
from symfind.solve.charts.tables import picked, take_up_tables
from symfind.solve.charts.twice import norms_of_norms, take_up_norms
from symfind.solve.transport.maps import read


@dataclass(frozen=True)
class Substituted:
    """A copy of a graph, on the same indices, with a parameter for every such wire.

    The new parameters know what makes them up (`Source.chart`).
    """

    graph: Lowered
    made: tuple[Made, ...]


def substituted(lowered: Lowered) -> Substituted | None:
    """The graph with parameters for what others make up, None where there is no such wire."""
    twice = any(norms_of_norms(lowered.nodes))
    known = twice or picked(lowered.nodes) or _charts(lowered.nodes)
    if not known and not joined(lowered.nodes):
        return None
    made = _copied(lowered.nodes)
    nodes = [made[n] for n in lowered.nodes]
    parameters: dict[str, list[p.Source]] = {}
    for key, sources in lowered.parameters.items():
        parameters[key] = [x for s in sources if isinstance(x := made[s], p.Source)]
    outputs = [x for o in lowered.outputs if isinstance(x := made[o], p.Output)]
    graph = replace(lowered, nodes=nodes, parameters=parameters, outputs=outputs)
    if slice_early(nodes):
        sink_copies(nodes)
        graph = replace(graph, nodes=read(nodes))
    graph = take_up_norms(take_up_tables(graph))
    charts = _charts(graph.nodes)
    if not charts and not twice:
        return None
    whole = _with_weights(graph, charts)
    weights = [w.chart for (w, *_) in whole.parameters.values()]
    return Substituted(whole, tuple(c for c in weights if isinstance(c, Made)))


def _charts(nodes: list[Node]) -> list[Polar | Share | Mixture | Made]:
    bound: list[Polar | Share | Mixture] = [
        *polar_weights(nodes), *shares(nodes), *mixtures(nodes),
    ]  # fmt: skip
    held = {s for chart in bound for s in chart.sources}
    made = [m for m in made_wires(nodes) if not held & {*m.sources, *m.others}]
    return [*bound, *made]


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


def _with_weights(graph: Lowered, charts: Sequence[Polar | Share | Mixture | Made]) -> Lowered:
    parameters = dict(graph.parameters)
    places: dict[Node, list[Node]] = {}
    for i, chart in enumerate(charts):
        node = chart.node
        weight = p.Source((), list(node.axes), op=node.op, index=node.index, role="parameter",
                          key=f"weight {i}", chart=chart)  # fmt: skip
        users, node.users = node.users, []
        places[node] = [weight]
        stands: Node = weight
        if isinstance(chart, Made) and isinstance(node, p.Normalise) and node.centred:
            stands = p.Centre((weight,), list(node.axes), op=node.op, dims=node.dims)
            places[node].append(stands)
        stands.users = users
        for user in users:
            user.inputs = tuple(stands if x is node else x for x in user.inputs)
        parameters[weight.key] = [weight]
    for chart in charts:  # some of which are made of others
        for x in chart.node.inputs:
            x.users = [u for u in x.users if u is not chart.node]
    nodes = [new for n in graph.nodes for new in places.get(n, [n])]
    nodes += _held(charts)
    pair_up(nodes)
    nodes = read(nodes)
    for i, chart in enumerate(charts):
        if isinstance(chart, Made):
            (weight,) = parameters[f"weight {i}"]
            weight.chart = chart = replace(chart, others=_besides(chart))
        for source in (*chart.sources, *(chart.others if isinstance(chart, Made) else ())):
            if not source.users:  # all of it is in these wires
                parameters.pop(source.key, None)
    left = {s for sources in parameters.values() for s in sources}
    kept = [n for n in nodes if n in left or not _parameter(n)]
    return replace(graph, nodes=read(kept), parameters=parameters)


def _held(charts: Sequence[Polar | Share | Mixture | Made]) -> Iterator[p.Output]:
    """Ranges of parameters in the place of which there is a wire: nothing else moves them.

    The rest of such a parameter is free, and what is not seen of a range is a family of its own
    (`charts.made`).
    """
    for chart in charts:
        if isinstance(chart, Made) and isinstance(chart.making.part, p.Narrow):
            x = chart.making.part
            yield (held := p.Output((x,), list(x.axes), op=x.op))
            x.users.append(held)


def _parameter(node: Node) -> bool:
    return isinstance(node, p.Source) and node.role == "parameter"


def _besides(chart: Made) -> tuple[p.Source, ...]:
    """What a wire depends on besides, others being in the place of wires that are made as well."""
    found = [n for n in ancestors([chart.node]) if isinstance(n, p.Source) and not n.fixed]
    return tuple(s for s in found if s is not chart.making.source)
