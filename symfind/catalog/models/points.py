"""Networks on sets and points in space."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built


class SharedMLP(nn.Module):
    """Convolutions of size one with batch statistics and ReLU."""

    def __init__(self, *widths: int) -> None:
        """Set the widths."""
        super().__init__()
        pairs = list(zip(widths, widths[1:], strict=False))
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 1) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for _, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Map the features of all points x [batch, features, points]."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return x


class Transformation(nn.Module):
    """T-net: a matrix that depends on the whole cloud."""

    def __init__(self, size: int) -> None:
        """Set the size of the matrix."""
        super().__init__()
        self.size = size
        self.points = SharedMLP(size, 64, 128, 1024)
        self.head = nn.Sequential(
            nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU(),
            nn.Linear(512, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, size * size),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Matrices [batch, size, size] of clouds x [batch, size, points]."""
        matrix = self.head(self.points(x).max(dim=2).values).view(-1, self.size, self.size)
        return matrix + torch.eye(self.size, dtype=x.dtype, device=x.device)


class PointNet(nn.Module):
    """Classification of clouds (Qi et al. 2017)."""

    def __init__(self, n_classes: int) -> None:
        """Set the number of classes."""
        super().__init__()
        self.turn, self.turn_features = Transformation(3), Transformation(64)
        self.first, self.second = SharedMLP(3, 64, 64), SharedMLP(64, 64, 128, 1024)
        self.head = nn.Sequential(
            nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU(),
            nn.Linear(512, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, n_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits of clouds x [batch, 3, points]."""
        x = self.first(self.turn(x).transpose(1, 2) @ x)
        x = self.second(self.turn_features(x).transpose(1, 2) @ x)
        return self.head(x.max(dim=2).values)


def pointnet(n_classes: int = 40) -> Built:
    """The network for ModelNet40."""
    return PointNet(n_classes), (torch.randn(1, 3, 64),)


class DeepSets(nn.Module):
    """A function of the sum over a set (Zaheer et al. 2017)."""

    def __init__(self, d_in: int, width: int, d_out: int) -> None:
        """Set the widths."""
        super().__init__()
        self.phi = nn.Sequential(
            nn.Linear(d_in, width), nn.ELU(), nn.Linear(width, width), nn.ELU(),
            nn.Linear(width, width),
        )  # fmt: skip
        self.rho = nn.Sequential(nn.Linear(width, width), nn.ELU(), nn.Linear(width, d_out))

    def forward(self, x: Tensor) -> Tensor:
        """A value of sets x [batch, members, features]."""
        return self.rho(self.phi(x).sum(dim=1))


def deep_sets(d_in: int = 3, width: int = 256, d_out: int = 40) -> Built:
    """Classification of clouds of points."""
    return DeepSets(d_in, width, d_out), (torch.randn(2, 10, d_in),)


class EGNNLayer(nn.Module):
    """Messages that see distances only (Satorras et al. 2021), with inferred edges."""

    def __init__(self, width: int) -> None:
        """Set the width."""
        super().__init__()
        self.edge = nn.Sequential(
            nn.Linear(2 * width + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.gate = nn.Sequential(nn.Linear(width, 1), nn.Sigmoid())
        self.node = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        """Features h [atoms, width] after one round; x [atoms, 3] are the places."""
        atoms, width = h.shape
        distance = (x[:, None] - x[None, :]).square().sum(dim=-1, keepdim=True)
        pairs = (h[:, None].expand(-1, atoms, -1), h[None, :].expand(atoms, -1, -1))
        message = self.edge(torch.cat([*pairs, distance], dim=-1))
        message = (message * self.gate(message)).sum(dim=1)
        return h + self.node(torch.cat([h, message], dim=-1))


class EGNN(nn.Module):
    """An invariant of molecules, as for QM9."""

    def __init__(self, kinds: int, width: int, depth: int) -> None:
        """Set how many features atoms have, the width and the depth."""
        super().__init__()
        self.embed = nn.Linear(kinds, width)
        self.layers = nn.ModuleList(EGNNLayer(width) for _ in range(depth))
        self.atoms = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.whole = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        """A property of the molecule with features h [atoms, kinds] at places x [atoms, 3]."""
        h = self.embed(h)
        for layer in self.layers:
            h = layer(h, x)
        return self.whole(self.atoms(h).sum(dim=0))


def egnn(kinds: int = 15, width: int = 128, depth: int = 7) -> Built:
    """The network for QM9."""
    return EGNN(kinds, width, depth), (torch.randn(9, kinds), torch.randn(9, 3))
