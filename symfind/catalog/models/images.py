"""Networks that make images, or masks of them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built, integers
from symfind.load.meta import build_light


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    """Down, up, and straight across (Ronneberger et al. 2015), padded."""

    def __init__(self, width: int, depth: int, n_classes: int) -> None:
        """Set the width of the first level and the number of levels."""
        super().__init__()
        widths = [width * 2**k for k in range(depth + 1)]
        self.down = nn.ModuleList(
            double(1 if k == 0 else widths[k - 1], widths[k]) for k in range(depth + 1)
        )
        self.raise_ = nn.ModuleList(
            nn.ConvTranspose2d(widths[k + 1], widths[k], 2, stride=2) for k in range(depth)
        )
        self.up = nn.ModuleList(double(2 * widths[k], widths[k]) for k in range(depth))
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of all pixels of x [batch, 1, height, width]."""
        kept = []
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for k in reversed(range(len(self.up))):
            x = self.up[k](torch.cat([kept[k], self.raise_[k](x)], dim=1))
        return self.head(x)


def unet(width: int = 64, depth: int = 4, n_classes: int = 2) -> Built:
    """The published network."""
    return UNet(width, depth, n_classes), (torch.randn(1, 1, 64, 64),)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Tokens x [batch, tokens, width], shifted and scaled by what conditions them."""
    return x * (1 + scale[:, None]) + shift[:, None]


class DiTBlock(nn.Module):
    """A block whose norms are set by the condition, its branches by gates (adaLN-Zero)."""

    def __init__(self, width: int, heads: int) -> None:
        """Set the widths."""
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.condition = nn.Linear(width, 6 * width)

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of x [batch, tokens, width]."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Tokens x [batch, tokens, width] under conditions c [batch, width]."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.condition(F.silu(c)).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attend(modulated(self.norm1(x), shift1, scale1))
        h = F.gelu(self.up(modulated(self.norm2(x), shift2, scale2)), approximate="tanh")
        return x + gate2[:, None] * self.down(h)


class DiT(nn.Module):
    """Diffusion transformer (Peebles and Xie 2023) on latents of images."""

    def __init__(self, width: int, depth: int, heads: int, patch: int, n_classes: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.patch = patch
        self.embed = nn.Conv2d(4, width, patch, stride=patch)
        self.time1, self.time2 = nn.Linear(256, width), nn.Linear(width, width)
        self.label = nn.Embedding(n_classes + 1, width)
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.condition = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, patch * patch * 8)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """Noise and variance [batch, 8, side, side] of latents x [batch, 4, side, side]."""
        batch, _, side, _ = x.shape
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + waves(torch.arange(x.shape[1], dtype=x.dtype, device=x.device), x.shape[2])
        c = self.time2(F.silu(self.time1(waves(time, 256)))) + self.label(label)
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.condition(F.silu(c)).chunk(2, dim=1)
        x = self.head(modulated(self.norm(x), shift, scale))
        n, p = side // self.patch, self.patch
        return x.view(batch, n, n, p, p, 8).permute(0, 5, 1, 3, 2, 4).reshape(batch, 8, side, side)


def waves(t: Tensor, size: int) -> Tensor:
    """Sines and cosines [n, size] of times t [n]."""
    step = torch.arange(size // 2, dtype=t.dtype, device=t.device) / (size // 2)
    angle = t[:, None] * torch.exp(-math.log(10000.0) * step)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


def dit_xl_2(
    width: int = 1152, depth: int = 28, heads: int = 16, patch: int = 2, n_classes: int = 1000
) -> Built:
    """DiT-XL/2 for images of 256 pixels."""
    inputs = (torch.randn(2, 4, 32, 32), 1000 * torch.rand(2), integers(n_classes, 2))
    return build_light(lambda: DiT(width, depth, heads, patch, n_classes)), inputs


def dcgan_generator(d_latent: int = 100, width: int = 64) -> Built:
    """The generator of Radford et al. (2016) for images of 64 pixels."""
    widths = [d_latent, 8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = []
    for k in range(4):
        stride, padding = (1, 0) if k == 0 else (2, 1)
        layers += [
            nn.ConvTranspose2d(widths[k], widths[k + 1], 4, stride, padding, bias=False),
            nn.BatchNorm2d(widths[k + 1]), nn.ReLU(),
        ]  # fmt: skip
    layers += [nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers), (torch.randn(2, d_latent, 1, 1),)


def dcgan_discriminator(width: int = 64) -> Built:
    """Its discriminator."""
    widths = [3, width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = []
    for k in range(4):
        layers.append(nn.Conv2d(widths[k], widths[k + 1], 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(widths[k + 1])] if k else []
        layers.append(nn.LeakyReLU(0.2))
    layers += [nn.Conv2d(8 * width, 1, 4, bias=False), nn.Sigmoid()]
    return nn.Sequential(*layers), (torch.randn(2, 3, 64, 64),)
