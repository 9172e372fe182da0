"""Small networks of the first hour of their kind."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built


def lenet_5(n_classes: int = 10) -> Built:
    """LeNet-5 (LeCun et al. 1998), with tanh and average pooling."""
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, n_classes),
    )  # fmt: skip
    return model, (torch.randn(1, 1, 28, 28),)


class VAE(nn.Module):
    """The autoencoder of Kingma and Welling (2013), its noise an input."""

    def __init__(self, d_image: int, d_hidden: int, d_latent: int) -> None:
        """Set the widths."""
        super().__init__()
        self.encoder = nn.Linear(d_image, d_hidden)
        self.mean = nn.Linear(d_hidden, d_latent)
        self.log_variance = nn.Linear(d_hidden, d_latent)
        self.decoder = nn.Linear(d_latent, d_hidden)
        self.output = nn.Linear(d_hidden, d_image)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct x [batch, pixels] from the latent that `noise` [batch, latent] picks."""
        h = torch.tanh(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + noise * torch.exp(log_variance / 2)
        return torch.sigmoid(self.output(torch.tanh(self.decoder(z)))), mean, log_variance


def vae(d_image: int = 784, d_hidden: int = 500, d_latent: int = 20) -> Built:
    """Reconstruction, mean and variance of MNIST digits."""
    return VAE(d_image, d_hidden, d_latent), (torch.rand(2, d_image), torch.randn(2, d_latent))


class DQN(nn.Module):
    """The network of Mnih et al. (2015): values of actions from four frames."""

    def __init__(self, n_actions: int, d_hidden: int) -> None:
        """Set the widths."""
        super().__init__()
        self.conv1 = nn.Conv2d(4, 32, 8, stride=4)
        self.conv2 = nn.Conv2d(32, 64, 4, stride=2)
        self.conv3 = nn.Conv2d(64, 64, 3, stride=1)
        self.hidden = nn.Linear(3136, d_hidden)
        self.values = nn.Linear(d_hidden, n_actions)

    def forward(self, frames: Tensor) -> Tensor:
        """Values of all actions after frames [batch, 4, 84, 84]."""
        x = F.relu(self.conv1(frames))
        x = F.relu(self.conv3(F.relu(self.conv2(x))))
        return self.values(F.relu(self.hidden(x.flatten(1))))


def dqn(n_actions: int = 18, d_hidden: int = 512) -> Built:
    """The network that plays Atari games."""
    return DQN(n_actions, d_hidden), (torch.rand(1, 4, 84, 84),)
