"""The type of a Cartan matrix: A, B, C, D, E, F, G with its rank."""

import networkx as nx

from symfind.errors import AlgebraError
from symfind.lie.linear import Array

_LEGS_E = {(1, 2, 2): 6, (1, 2, 3): 7, (1, 2, 4): 8}


def components(cartan: Array) -> list[list[int]]:
    """The connected parts of the Dynkin diagram, as lists of its nodes."""
    return [sorted(part) for part in nx.connected_components(_diagram(cartan))]


def classify(cartan: Array) -> tuple[str, int]:
    """Letter and rank of a connected Dynkin diagram, with B2 for C2 and A3 for D3.

    Args:
        cartan: integers a[i, j] = 2 (r_i, r_j) / (r_j, r_j) of the simple roots r, shape [l, l].

    Raises:
        AlgebraError: it is no Cartan matrix of a finite-dimensional simple algebra.
    """
    n = len(cartan)
    graph = _diagram(cartan)
    multiple = [(i, j) for i, j in graph.edges if cartan[i, j] * cartan[j, i] > 1]
    ends = [i for i in graph if graph.degree[i] <= 1]
    tree = n == 1 or nx.is_tree(graph)
    if tree and not multiple:
        branches = [i for i in graph if graph.degree[i] > 2]
        if not branches:
            return "A", n
        if len(branches) == 1 and graph.degree[branches[0]] == 3:
            distance = nx.single_source_shortest_path_length(graph, branches[0])
            legs = tuple(sorted(distance[i] for i in ends))
            if legs[:2] == (1, 1):
                return "D", n
            if legs in _LEGS_E:
                return "E", _LEGS_E[legs]
    if tree and len(multiple) == 1 and len(ends) == 2:
        i, j = multiple[0]
        strength = cartan[i, j] * cartan[j, i]
        if strength == 3 and n == 2:
            return "G", 2
        if strength == 2:
            if n == 2:
                return "B", 2
            if i in ends or j in ends:
                end, inner = (i, j) if i in ends else (j, i)
                # |a(inner, end)| is 2 where the end is the shorter root
                return ("B" if abs(cartan[inner, end]) == 2 else "C"), n
            if n == 4:
                return "F", 4
    raise AlgebraError("the roots found do not form the root system of a Lie algebra")


def dimension(letter: str, rank: int) -> int:
    """Complex dimension of the simple algebra of a type."""
    match letter:
        case "A":
            return rank * (rank + 2)
        case "B" | "C":
            return rank * (2 * rank + 1)
        case "D":
            return rank * (2 * rank - 1)
        case "E":
            return {6: 78, 7: 133, 8: 248}[rank]
    return {"F": 52, "G": 14}[letter]


def _diagram(cartan: Array) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(len(cartan)))
    graph.add_edges_from((i, j) for i in range(len(cartan)) for j in range(i) if cartan[i, j] != 0)
    return graph
