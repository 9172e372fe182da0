"""The building blocks of networks, each small enough to read at a glance and to measure densely.

Every function returns a model and its example inputs, so each is a spec of its own:
`symfind analyze symfind.catalog.blocks:swiglu`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm as with_weight_norm

Built = tuple[nn.Module, tuple[Tensor, ...]]


def linear_chain() -> Built:
    """Three linear maps in a row: GL of every bond."""
    model = nn.Sequential(
        nn.Linear(5, 4, bias=False), nn.Linear(4, 3, bias=False), nn.Linear(3, 6, bias=False)
    )
    return model, (torch.randn(4, 5),)


def relu_mlp() -> Built:
    """Two hidden layers with ReLU: one positive scale per neuron."""
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 6))
    return model, (torch.randn(4, 6),)


def gelu_mlp() -> Built:
    """Two hidden layers with GELU: nothing continuous."""
    model = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 6))
    return model, (torch.randn(4, 6),)


def softmax_head() -> Built:
    """A linear map and softmax: shifts along the all-ones vector."""
    return nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=-1)), (torch.randn(4, 4),)


class RMSNorm(nn.Module):
    """Root mean square normalisation spelled out, with a gain and no eps."""

    def __init__(self, width: int) -> None:
        """Start with unit gains."""
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        return self.gain * x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True))


def rms_norm() -> Built:
    """RMSNorm between linear maps: rotations, gains and a scale."""
    model = nn.Sequential(nn.Linear(6, 5), RMSNorm(5), nn.Linear(5, 4))
    return model, (torch.randn(4, 6),)


def layer_norm() -> Built:
    """LayerNorm between linear maps: rotations that fix the mean, gains, shifts and reach."""
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5, eps=1e-2), nn.Linear(5, 4))
    return model, (torch.randn(4, 6),)


def group_norm() -> Built:
    """GroupNorm between linear maps: the LayerNorm groups, once per group of channels."""
    model = nn.Sequential(nn.Linear(6, 6), nn.GroupNorm(2, 6, eps=1e-2), nn.Linear(6, 4))
    return model, (torch.randn(4, 6),)


def conv_bn_relu() -> Built:
    """Convolution, BatchNorm in eval mode, ReLU, twice, and a linear head."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 6),
    )
    return model, (torch.randn(2, 3, 6, 6),)


class Attention(nn.Module):
    """Multi-head attention; fewer key/value heads than query heads make it grouped."""

    def __init__(
        self,
        width: int,
        heads: int,
        groups: int,
        size: int,
        bias: bool = False,
        rotary: bool = False,
    ) -> None:
        """Set the shape: `heads` queries share `groups` keys and values of `size` features."""
        super().__init__()
        self.heads, self.groups, self.size, self.rotary = heads, groups, size, rotary
        self.query = nn.Linear(width, heads * size, bias=bias)
        self.key = nn.Linear(width, groups * size, bias=bias)
        self.value = nn.Linear(width, groups * size, bias=bias)
        self.output = nn.Linear(heads * size, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over the positions of x [batch, positions, width]."""
        batch, positions, _ = x.shape
        q = self.query(x).view(batch, positions, self.heads, self.size).transpose(1, 2)
        k = self.key(x).view(batch, positions, self.groups, self.size).transpose(1, 2)
        v = self.value(x).view(batch, positions, self.groups, self.size).transpose(1, 2)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        k = k.repeat_interleave(self.heads // self.groups, dim=1)
        v = v.repeat_interleave(self.heads // self.groups, dim=1)
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.size), dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, positions, self.heads * self.size)
        return self.output(mixed)


def rotate(x: Tensor) -> Tensor:
    """Turn the features of x [batch, heads, positions, size] by angles that grow with position."""
    half = x.shape[-1] // 2
    frequency = 10.0 ** -torch.arange(half, dtype=x.dtype, device=x.device)
    angle = torch.arange(x.shape[-2], dtype=x.dtype, device=x.device)[:, None] * frequency
    first, second = x[..., :half], x[..., half:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def self_attention() -> Built:
    """Two heads without biases: GL of the query-key and value-output bonds."""
    return Attention(4, heads=2, groups=2, size=2), (torch.randn(2, 5, 4),)


def attention_with_biases() -> Built:
    """The same with biases: softmax hides the key bias, the output bias the value bias."""
    return Attention(4, heads=2, groups=2, size=2, bias=True), (torch.randn(2, 5, 4),)


def rope_attention() -> Built:
    """Rotary positions leave one complex number per frequency of the query-key bond."""
    return Attention(4, heads=2, groups=2, size=4, rotary=True), (torch.randn(2, 5, 4),)


def grouped_query_attention() -> Built:
    """Two query heads share one key/value head, so they share its GL."""
    return Attention(4, heads=2, groups=1, size=2), (torch.randn(2, 5, 4),)


class SwiGLU(nn.Module):
    """The gated MLP of LLaMA."""

    def __init__(self, width: int, hidden: int, gate: Callable[[Tensor], Tensor] = F.silu) -> None:
        """Set the widths and the function of the gate."""
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.function = gate

    def forward(self, x: Tensor) -> Tensor:
        """Gate the up projection and project down."""
        return self.down(self.function(self.gate(x)) * self.up(x))


def swiglu() -> Built:
    """SwiGLU: the up projection scales, the gate does not."""
    return SwiGLU(4, 6), (torch.randn(4, 4),)


def reglu() -> Built:
    """ReGLU: gate and up projection scale apart."""
    return SwiGLU(4, 6, F.relu), (torch.randn(4, 4),)


class LoRA(nn.Module):
    """A linear map with a low-rank path beside it."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        """Set the widths and the rank of the path."""
        super().__init__()
        self.base = nn.Linear(inputs, outputs, bias=False)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the two paths."""
        return self.base(x) + self.up(self.down(x))


def lora() -> Built:
    """LoRA with everything trainable: the base can take over the whole low-rank path."""
    return nn.Sequential(LoRA(5, 4, rank=2), nn.Tanh(), nn.Linear(4, 3)), (torch.randn(4, 5),)


def lora_frozen() -> Built:
    """LoRA as it is trained, the rest frozen: GL of the rank."""
    model, inputs = lora()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("down" in name or "up" in name)
    return model, inputs


def weight_norm() -> Built:
    """Weight normalisation: the length of every row of v."""
    model = nn.Sequential(
        with_weight_norm(nn.Linear(4, 6)), nn.Tanh(), with_weight_norm(nn.Linear(6, 3))
    )
    return model, (torch.randn(4, 4),)


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate that sees their means."""

    def __init__(self, channels: int, hidden: int) -> None:
        """Set the widths of the gate."""
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of x [batch, channels, height, width]."""
        gate = torch.sigmoid(self.excite(F.silu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]


def squeeze_excite() -> Built:
    """Squeeze-excite between convolutions: both readers absorb the scale of a channel."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        SqueezeExcite(4, 3),
        nn.Conv2d(4, 5, 1),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 6),
    )
    return model, (torch.randn(2, 3, 6, 6),)


class Residual(nn.Module):
    """Pre-norm residual MLP."""

    def __init__(self, width: int, hidden: int) -> None:
        """Set the widths."""
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-2)
        self.into = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add the MLP of the normalised stream to the stream."""
        return x + self.out(F.gelu(self.into(self.norm(x))))


def residual_stream() -> Built:
    """A pre-norm residual stream between an encoder and a head."""
    model = nn.Sequential(
        nn.Linear(6, 5), Residual(5, 7), Residual(5, 7), nn.LayerNorm(5, eps=1e-2), nn.Linear(5, 4)
    )
    return model, (torch.randn(4, 6),)


class Siamese(nn.Module):
    """One trunk for both sides, compared by the inner product."""

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score pairs."""
        return (self.trunk(x) * self.trunk(y)).sum(dim=-1)


def siamese() -> Built:
    """A shared trunk under an inner product: rotations of the embedding."""
    return Siamese(), (torch.randn(4, 4), torch.randn(4, 4))
