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


def linear_chain(d_in: int = 5, d_first: int = 4, d_second: int = 3, d_out: int = 6) -> Built:
    """Three linear maps in a row: GL of every bond."""
    model = nn.Sequential(
        nn.Linear(d_in, d_first, bias=False), nn.Linear(d_first, d_second, bias=False),
        nn.Linear(d_second, d_out, bias=False),
    )  # fmt: skip
    return model, (torch.randn(4, d_in),)


def relu_mlp(d_in: int = 6, d_first: int = 5, d_second: int = 4, d_out: int = 7) -> Built:
    """Two hidden layers with ReLU: one positive scale per neuron."""
    model = nn.Sequential(
        nn.Linear(d_in, d_first), nn.ReLU(), nn.Linear(d_first, d_second), nn.ReLU(),
        nn.Linear(d_second, d_out),
    )  # fmt: skip
    return model, (torch.randn(4, d_in),)


def gelu_mlp(d_in: int = 6, d_first: int = 5, d_second: int = 4, d_out: int = 7) -> Built:
    """Two hidden layers with GELU: nothing continuous."""
    model = nn.Sequential(
        nn.Linear(d_in, d_first), nn.GELU(), nn.Linear(d_first, d_second), nn.GELU(),
        nn.Linear(d_second, d_out),
    )  # fmt: skip
    return model, (torch.randn(4, d_in),)


def softmax_head(d_in: int = 4, n_classes: int = 3) -> Built:
    """A linear map and softmax: shifts along the all-ones vector."""
    model = nn.Sequential(nn.Linear(d_in, n_classes), nn.Softmax(dim=-1))
    return model, (torch.randn(4, d_in),)


class RMSNorm(nn.Module):
    """Root mean square normalisation spelled out, with a gain and no eps."""

    def __init__(self, width: int) -> None:
        """Start with unit gains."""
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        return self.gain * x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True))


def rms_norm(d_in: int = 6, width: int = 5, d_out: int = 4) -> Built:
    """RMSNorm between linear maps: rotations, gains and a scale."""
    model = nn.Sequential(nn.Linear(d_in, width), RMSNorm(width), nn.Linear(width, d_out))
    return model, (torch.randn(4, d_in),)


def layer_norm(d_in: int = 6, width: int = 5, d_out: int = 4) -> Built:
    """LayerNorm between linear maps: rotations that fix the mean, gains, shifts and reach."""
    norm = nn.LayerNorm(width, eps=1e-2)
    model = nn.Sequential(nn.Linear(d_in, width), norm, nn.Linear(width, d_out))
    return model, (torch.randn(4, d_in),)


def group_norm(d_in: int = 7, n_groups: int = 2, size: int = 3, d_out: int = 4) -> Built:
    """GroupNorm between linear maps: the LayerNorm groups, once per group of channels."""
    width = n_groups * size
    norm = nn.GroupNorm(n_groups, width, eps=1e-2)
    model = nn.Sequential(nn.Linear(d_in, width), norm, nn.Linear(width, d_out))
    return model, (torch.randn(4, d_in),)


def conv_bn_relu(c_in: int = 3, c_first: int = 4, c_second: int = 5, n_classes: int = 6) -> Built:
    """Convolution, BatchNorm in eval mode, ReLU, twice, and a linear head."""
    model = nn.Sequential(
        nn.Conv2d(c_in, c_first, 3, padding=1), nn.BatchNorm2d(c_first), nn.ReLU(),
        nn.Conv2d(c_first, c_second, 3, padding=1), nn.BatchNorm2d(c_second), nn.ReLU(),
        *_pooled(c_second, n_classes),
    )  # fmt: skip
    return model, (torch.randn(2, c_in, 6, 6),)


def _pooled(channels: int, classes: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)


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


def self_attention(width: int = 6, n_head: int = 2, head_dim: int = 3) -> Built:
    """Two heads without biases: GL of the query-key and value-output bonds."""
    return Attention(width, n_head, n_head, head_dim), (torch.randn(2, 5, width),)


def attention_with_biases(width: int = 6, n_head: int = 2, head_dim: int = 3) -> Built:
    """The same with biases: softmax hides the key bias, the output bias the value bias."""
    return Attention(width, n_head, n_head, head_dim, bias=True), (torch.randn(2, 5, width),)


def rope_attention(width: int = 6, n_head: int = 2, head_dim: int = 4) -> Built:
    """Rotary positions leave one complex number per frequency of the query-key bond."""
    return Attention(width, n_head, n_head, head_dim, rotary=True), (torch.randn(2, 5, width),)


def grouped_query_attention(
    width: int = 7, n_kv_head: int = 2, n_share: int = 3, head_dim: int = 4
) -> Built:
    """Three query heads share a key/value head, so they share its GL."""
    attention = Attention(width, n_share * n_kv_head, n_kv_head, head_dim)
    return attention, (torch.randn(2, 5, width),)


def multi_query_attention(width: int = 6, n_head: int = 3, head_dim: int = 2) -> Built:
    """All query heads share one key/value head."""
    return Attention(width, n_head, 1, head_dim), (torch.randn(2, 5, width),)


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


def swiglu(width: int = 4, d_hidden: int = 6) -> Built:
    """SwiGLU: the up projection scales, the gate does not."""
    return SwiGLU(width, d_hidden), (torch.randn(4, width),)


def reglu(width: int = 4, d_hidden: int = 6) -> Built:
    """ReGLU: gate and up projection scale apart."""
    return SwiGLU(width, d_hidden, F.relu), (torch.randn(4, width),)


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


def lora(d_in: int = 5, d_out: int = 4, rank: int = 2, n_classes: int = 3) -> Built:
    """LoRA with everything trainable: the base can take over the whole low-rank path."""
    model = nn.Sequential(LoRA(d_in, d_out, rank), nn.Tanh(), nn.Linear(d_out, n_classes))
    return model, (torch.randn(4, d_in),)


def lora_frozen(d_in: int = 5, d_out: int = 4, rank: int = 2, n_classes: int = 3) -> Built:
    """LoRA as it is trained, the rest frozen: GL of the rank."""
    model, inputs = lora(d_in, d_out, rank, n_classes)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("down" in name or "up" in name)
    return model, inputs


def weight_norm(d_in: int = 4, d_hidden: int = 6, d_out: int = 3) -> Built:
    """Weight normalisation: the length of every row of v."""
    model = nn.Sequential(
        with_weight_norm(nn.Linear(d_in, d_hidden)), nn.Tanh(),
        with_weight_norm(nn.Linear(d_hidden, d_out)),
    )  # fmt: skip
    return model, (torch.randn(4, d_in),)


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


def squeeze_excite(
    c_in: int = 3, channels: int = 5, squeezed: int = 2, c_out: int = 4, n_classes: int = 6
) -> Built:
    """Squeeze-excite between convolutions: both readers absorb the scale of a channel."""
    model = nn.Sequential(
        nn.Conv2d(c_in, channels, 3, padding=1), SqueezeExcite(channels, squeezed),
        nn.Conv2d(channels, c_out, 1), nn.SiLU(), *_pooled(c_out, n_classes),
    )  # fmt: skip
    return model, (torch.randn(2, c_in, 6, 6),)


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


def residual_stream(
    d_in: int = 6, width: int = 5, d_hidden: int = 7, n_block: int = 2, d_out: int = 4
) -> Built:
    """A pre-norm residual stream between an encoder and a head."""
    blocks = [Residual(width, d_hidden) for _ in range(n_block)]
    norm = nn.LayerNorm(width, eps=1e-2)
    model = nn.Sequential(nn.Linear(d_in, width), *blocks, norm, nn.Linear(width, d_out))
    return model, (torch.randn(4, d_in),)


class Siamese(nn.Module):
    """One trunk for both sides, compared by the inner product."""

    def __init__(self, d_in: int, d_hidden: int, d_out: int) -> None:
        """Build the trunk."""
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d_in, d_hidden), nn.Tanh(), nn.Linear(d_hidden, d_out))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score pairs."""
        return (self.trunk(x) * self.trunk(y)).sum(dim=-1)


def siamese(d_in: int = 4, d_hidden: int = 5, d_out: int = 3) -> Built:
    """A shared trunk under an inner product: rotations of the embedding."""
    return Siamese(d_in, d_hidden, d_out), (torch.randn(4, d_in), torch.randn(4, d_in))
