"""Functions of points in space: radiance, signals, solutions of equations."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built


def encoded(x: Tensor, octaves: int) -> Tensor:
    """Coordinates with sine and cosine of their multiples by powers of two."""
    waves = [f(2.0**k * math.pi * x) for k in range(octaves) for f in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], dim=-1)


class NeRF(nn.Module):
    """Radiance field (Mildenhall et al. 2020): eight layers, the input again at the fifth."""

    def __init__(self, width: int, octaves: int, view_octaves: int) -> None:
        """Set the width and how finely positions and directions are encoded."""
        super().__init__()
        self.octaves, self.view_octaves = octaves, view_octaves
        place, view = 3 + 6 * octaves, 3 + 6 * view_octaves
        widths = [place, width, width, width, width, width + place, width, width]
        self.layers = nn.ModuleList(nn.Linear(n, width) for n in widths)
        self.density = nn.Linear(width, 1)
        self.feature = nn.Linear(width, width)
        self.view = nn.Linear(width + view, width // 2)
        self.color = nn.Linear(width // 2, 3)

    def forward(self, position: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Colour [n, 3] and density [n, 1] at positions [n, 3] seen along directions [n, 3]."""
        place, view = encoded(position, self.octaves), encoded(direction, self.view_octaves)
        h = place
        for number, layer in enumerate(self.layers):
            h = F.relu(layer(torch.cat([place, h], dim=-1) if number == 5 else h))
        density = F.relu(self.density(h))
        h = F.relu(self.view(torch.cat([self.feature(h), view], dim=-1)))
        return torch.sigmoid(self.color(h)), density


def nerf(width: int = 256, octaves: int = 10, view_octaves: int = 4) -> Built:
    """The published network."""
    return NeRF(width, octaves, view_octaves), (torch.randn(64, 3), torch.randn(64, 3))


class Siren(nn.Module):
    """Sinusoidal representation network (Sitzmann et al. 2020)."""

    def __init__(self, width: int, depth: int, omega: float) -> None:
        """Set the widths and the frequency."""
        super().__init__()
        self.omega = omega
        self.layers = nn.ModuleList(nn.Linear(2 if k == 0 else width, width) for k in range(depth))
        self.output = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Colours [n, 3] at coordinates [n, 2]."""
        for layer in self.layers:
            x = torch.sin(self.omega * layer(x))
        return self.output(x)


def siren(width: int = 256, depth: int = 4) -> Built:
    """An image as a function of the place."""
    return Siren(width, depth, 30.0), (torch.randn(64, 2),)


def tanh_chain(*widths: int) -> nn.Sequential:
    """Linear maps with tanh between them."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def pinn(width: int = 20, depth: int = 8) -> Built:
    """Burgers' equation (Raissi et al. 2019): a tanh network of place and time."""
    return tanh_chain(2, *[width] * depth, 1), (torch.randn(64, 2),)


class DeepONet(nn.Module):
    """Unstacked DeepONet (Lu et al. 2021): an inner product of branch and trunk."""

    def __init__(self, sensors: int, width: int) -> None:
        """Set at how many places the input function is known, and the width."""
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(sensors, width), nn.ReLU(), nn.Linear(width, width))
        self.trunk = nn.Sequential(
            nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
        )  # fmt: skip
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, values: Tensor, place: Tensor) -> Tensor:
        """The operator's output [n] for functions [n, sensors] at places [n, 1]."""
        return (self.branch(values) * self.trunk(place)).sum(dim=-1) + self.bias


def deeponet(sensors: int = 100, width: int = 40) -> Built:
    """The network for antiderivatives."""
    return DeepONet(sensors, width), (torch.randn(64, sensors), torch.randn(64, 1))


class SplineLayer(nn.Module):
    """A layer of learnt functions on edges: B-splines beside SiLU (Liu et al. 2024)."""

    knots: Tensor

    def __init__(self, inputs: int, outputs: int, intervals: int, degree: int) -> None:
        """Set the widths and the grid."""
        super().__init__()
        self.degree = degree
        step = 2.0 / intervals
        knots = torch.arange(-degree, intervals + degree + 1) * step - 1.0
        self.register_buffer("knots", knots)
        self.base = nn.Parameter(torch.randn(outputs, inputs) / math.sqrt(inputs))
        self.scale = nn.Parameter(torch.ones(outputs, inputs))
        self.spline = nn.Parameter(0.1 * torch.randn(outputs, inputs, intervals + degree))

    def bases(self, x: Tensor) -> Tensor:
        """B-splines of x [n, inputs] by the recursion of Cox and de Boor: [n, inputs, splines]."""
        x, t = x[..., None], self.knots
        found = ((x >= t[:-1]) & (x < t[1:])).to(x.dtype)
        for k in range(1, self.degree + 1):
            left = (x - t[: -k - 1]) / (t[k:-1] - t[: -k - 1])
            right = (t[k + 1 :] - x) / (t[k + 1 :] - t[1:-k])
            found = left * found[..., :-1] + right * found[..., 1:]
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Sum the functions of all inputs."""
        smooth = F.silu(x) @ self.base.T
        edges = self.scale[..., None] * self.spline
        return smooth + torch.einsum("nik,oik->no", self.bases(x), edges)


def kan(n_in: int = 4, n_hidden: int = 5, n_out: int = 3, intervals: int = 5) -> Built:
    """Two layers of cubic splines."""
    model = nn.Sequential(
        SplineLayer(n_in, n_hidden, intervals, 3), SplineLayer(n_hidden, n_out, intervals, 3)
    )
    return model, (2.0 * torch.rand(256, n_in) - 1.0,)
