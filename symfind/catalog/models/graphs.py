"""Networks on graphs; the adjacency is an input."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built

_NODES = 24


def adjacency(nodes: int) -> Tensor:
    """Of a random directed graph: ones and zeros."""
    return torch.randint(2, (nodes, nodes))


def with_loops(edges: Tensor, like: Tensor) -> Tensor:
    """An adjacency [nodes, nodes] in which every node is its own neighbour."""
    own = torch.eye(edges.shape[0], dtype=like.dtype, device=like.device)
    return torch.maximum(edges.to(like.dtype), own)


class GCN(nn.Module):
    """Two rounds of averaging over neighbours (Kipf and Welling 2017)."""

    def __init__(self, d_in: int, d_hidden: int, n_classes: int) -> None:
        """Set the widths."""
        super().__init__()
        self.first = nn.Linear(d_in, d_hidden, bias=False)
        self.first_bias = nn.Parameter(torch.zeros(d_hidden))
        self.second = nn.Linear(d_hidden, n_classes, bias=False)
        self.second_bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Logits of nodes with features x [nodes, features] and adjacency [nodes, nodes]."""
        links = with_loops(edges, x)
        degree = links.sum(dim=1).rsqrt()
        mean = degree[:, None] * links * degree[None, :]
        h = F.relu(mean @ self.first(x) + self.first_bias)
        return mean @ self.second(h) + self.second_bias


def gcn(d_in: int = 1433, d_hidden: int = 16, n_classes: int = 7) -> Built:
    """The network for Cora."""
    return GCN(d_in, d_hidden, n_classes), (torch.rand(_NODES, d_in), adjacency(_NODES))


class GATLayer(nn.Module):
    """Attention over neighbours, several heads (Velickovic et al. 2018)."""

    def __init__(self, d_in: int, heads: int, size: int) -> None:
        """Set the widths."""
        super().__init__()
        self.heads, self.size = heads, size
        self.linear = nn.Linear(d_in, heads * size, bias=False)
        self.source = nn.Parameter(0.3 * torch.randn(heads, size))
        self.target = nn.Parameter(0.3 * torch.randn(heads, size))
        self.bias = nn.Parameter(torch.zeros(heads * size))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Features [nodes, heads * size] of x [nodes, features]."""
        h = self.linear(x).view(-1, self.heads, self.size)
        source, target = (h * self.source).sum(-1), (h * self.target).sum(-1)
        score = F.leaky_relu(target[:, None] + source[None, :], 0.2)
        score = score.masked_fill(with_loops(edges, x)[..., None] == 0, -1e9)
        mixed = torch.einsum("ijh,jhc->ihc", torch.softmax(score, dim=1), h)
        return mixed.reshape(-1, self.heads * self.size) + self.bias


class GAT(nn.Module):
    """Two rounds of attention."""

    def __init__(self, d_in: int, heads: int, size: int, n_classes: int) -> None:
        """Set the widths."""
        super().__init__()
        self.first = GATLayer(d_in, heads, size)
        self.second = GATLayer(heads * size, 1, n_classes)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Logits of nodes with features x [nodes, features] and adjacency [nodes, nodes]."""
        return self.second(F.elu(self.first(x, edges)), edges)


def gat(d_in: int = 1433, heads: int = 8, size: int = 8, n_classes: int = 7) -> Built:
    """The network for Cora."""
    return GAT(d_in, heads, size, n_classes), (torch.rand(_NODES, d_in), adjacency(_NODES))


class GIN(nn.Module):
    """Sums over neighbours under small networks (Xu et al. 2019)."""

    def __init__(self, d_in: int, width: int, depth: int, n_classes: int) -> None:
        """Set the widths."""
        super().__init__()
        widths = [d_in, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width),
                nn.BatchNorm1d(width), nn.ReLU(),
            )
            for n in widths
        )  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(n, n_classes) for n in (d_in, *[width] * depth))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Logits of one graph with features x [nodes, features] and adjacency [nodes, nodes]."""
        links = with_loops(edges, x)
        score = self.heads[0](x.sum(dim=0))
        for layer, head in zip(self.layers, self.heads[1:], strict=True):
            x = layer(links @ x)
            score = score + head(x.sum(dim=0))
        return score


def gin(d_in: int = 7, width: int = 32, depth: int = 4, n_classes: int = 2) -> Built:
    """The network for MUTAG."""
    return GIN(d_in, width, depth, n_classes), (torch.rand(_NODES, d_in), adjacency(_NODES))


class GraphSAGE(nn.Module):
    """Own features beside the mean of the neighbours', lengths set to one (Hamilton et al.)."""

    def __init__(self, d_in: int, d_hidden: int, n_classes: int) -> None:
        """Set the widths."""
        super().__init__()
        self.own = nn.Linear(d_in, d_hidden, bias=False)
        self.near = nn.Linear(d_in, d_hidden, bias=False)
        self.own_out = nn.Linear(2 * d_hidden, d_hidden, bias=False)
        self.near_out = nn.Linear(2 * d_hidden, d_hidden, bias=False)
        self.head = nn.Linear(2 * d_hidden, n_classes)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Logits of nodes with features x [nodes, features] and adjacency [nodes, nodes]."""
        links = with_loops(edges, x)
        mean = links / links.sum(dim=1, keepdim=True)
        h = F.relu(torch.cat([self.own(x), self.near(mean @ x)], dim=1))
        h = F.normalize(h, dim=1)
        h = F.relu(torch.cat([self.own_out(h), self.near_out(mean @ h)], dim=1))
        return self.head(F.normalize(h, dim=1))


def graphsage(d_in: int = 602, d_hidden: int = 128, n_classes: int = 41) -> Built:
    """The network for Reddit, with means."""
    return GraphSAGE(d_in, d_hidden, n_classes), (torch.rand(_NODES, d_in), adjacency(_NODES))
