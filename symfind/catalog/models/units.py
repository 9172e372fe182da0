"""More building blocks, one idea each, at sizes that differ."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.blocks import SwiGLU
from symfind.catalog.models import Built


class Between(nn.Module):
    """Two linear maps with a function between them."""

    def __init__(
        self, d_in: int, d_hidden: int, d_out: int, function: Callable[[Tensor], Tensor]
    ) -> None:
        """Set the widths."""
        super().__init__()
        self.into, self.out = nn.Linear(d_in, d_hidden), nn.Linear(d_hidden, d_out)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Map x [batch, features]."""
        return self.out(self.function(self.into(x)))


def squared_relu_mlp(d_in: int = 6, d_hidden: int = 5, d_out: int = 4) -> Built:
    """The square of ReLU: a scale comes out squared."""
    return Between(d_in, d_hidden, d_out, lambda h: F.relu(h).square()), (torch.randn(4, d_in),)


def maxout_mlp(d_in: int = 6, d_hidden: int = 5, pieces: int = 3, d_out: int = 4) -> Built:
    """The largest of three: a common scale, and a common shift into the bias above."""
    model = Between(d_in, pieces * d_hidden, d_out, lambda h: h.view(-1, pieces, d_hidden).amax(1))
    model.out = nn.Linear(d_hidden, d_out)
    return model, (torch.randn(8, d_in),)


def prelu_mlp(d_in: int = 6, d_hidden: int = 5, d_out: int = 4) -> Built:
    """PReLU with a slope for each unit: scales pass."""
    model = nn.Sequential(nn.Linear(d_in, d_hidden), nn.PReLU(d_hidden), nn.Linear(d_hidden, d_out))
    return model, (torch.randn(8, d_in),)


def geglu(width: int = 4, d_hidden: int = 6) -> Built:
    """GEGLU: the up projection scales, the gate does not."""
    return SwiGLU(width, d_hidden, F.gelu), (torch.randn(4, width),)


class Tied(nn.Module):
    """An autoencoder that decodes with the transpose of what encodes."""

    def __init__(self, d_in: int, d_hidden: int) -> None:
        """Set the widths."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_hidden, d_in))

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct x [batch, features]."""
        return F.linear(F.linear(x, self.weight), self.weight.T)


def tied_autoencoder(d_in: int = 6, d_hidden: int = 3) -> Built:
    """One matrix there and back: of GL, rotations are left."""
    return Tied(d_in, d_hidden), (torch.randn(8, d_in),)


class Linearised(nn.Module):
    """Attention without softmax."""

    def __init__(self, width: int, size: int, d_value: int) -> None:
        """Set the widths."""
        super().__init__()
        self.query, self.key = (nn.Linear(width, size, bias=False) for _ in range(2))
        self.value = nn.Linear(width, d_value, bias=False)
        self.output = nn.Linear(d_value, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over the positions of x [batch, positions, width]."""
        return self.output(self.query(x) @ (self.key(x).transpose(1, 2) @ self.value(x)))


def linear_attention(width: int = 6, head_dim: int = 3, d_value: int = 4) -> Built:
    """Products only: a scale passes from queries and keys to values as well."""
    return Linearised(width, head_dim, d_value), (torch.randn(4, 5, width),)


class CrossAttention(nn.Module):
    """Queries of one sequence, keys and values of another."""

    def __init__(self, width: int, d_source: int, size: int, d_value: int) -> None:
        """Set the widths."""
        super().__init__()
        self.query, self.key = nn.Linear(width, size), nn.Linear(d_source, size)
        self.value, self.output = nn.Linear(d_source, d_value), nn.Linear(d_value, width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Attend from x [batch, positions, width] to source [batch, positions, features]."""
        score = self.query(x) @ self.key(source).transpose(1, 2)
        return self.output(torch.softmax(score, dim=-1) @ self.value(source))


def cross_attention(
    width: int = 6, d_source: int = 5, head_dim: int = 3, d_value: int = 4
) -> Built:
    """Each bond has its GL; the key bias is not seen, the value bias goes into the output's."""
    inputs = (torch.randn(4, 5, width), torch.randn(4, 7, d_source))
    return CrossAttention(width, d_source, head_dim, d_value), inputs


class Latent(nn.Module):
    """Keys and values read off one latent (multi-head latent attention, without rotations)."""

    def __init__(self, width: int, heads: int, size: int, latent: int) -> None:
        """Set the widths."""
        super().__init__()
        self.heads = heads
        self.query, self.down = (
            nn.Linear(width, n, bias=False) for n in (heads * size, latent)
        )  # fmt: skip
        self.key, self.value = (nn.Linear(latent, heads * size, bias=False) for _ in range(2))
        self.output = nn.Linear(heads * size, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over the positions of x [batch, positions, width]."""
        batch, positions, _ = x.shape
        c = self.down(x)
        q, k, v = (
            h.view(batch, positions, self.heads, -1).transpose(1, 2)
            for h in (self.query(x), self.key(c), self.value(c))
        )
        mixed = torch.softmax(q @ k.transpose(-1, -2), dim=-1) @ v
        return self.output(mixed.transpose(1, 2).reshape(batch, positions, -1))


def latent_attention(width: int = 7, n_head: int = 2, head_dim: int = 3, latent: int = 4) -> Built:
    """GL of the latent, beside those of every head."""
    return Latent(width, n_head, head_dim, latent), (torch.randn(4, 5, width),)


def lstm(d_in: int = 4, d_hidden: int = 3, d_out: int = 5) -> Built:
    """A recurrent cell with gates: two biases that are added, and nothing else."""
    return Recurrent(nn.LSTM(d_in, d_hidden, batch_first=True), d_hidden, d_out), (
        torch.randn(8, 5, d_in),
    )


def rnn_relu(d_in: int = 4, d_hidden: int = 3, d_out: int = 5) -> Built:
    """A recurrent cell with ReLU: one scale for each unit, at all times."""
    cell = nn.RNN(d_in, d_hidden, nonlinearity="relu", batch_first=True)
    return Recurrent(cell, d_hidden, d_out), (torch.randn(8, 5, d_in),)


class Recurrent(nn.Module):
    """A recurrent cell under a linear map."""

    def __init__(self, cell: nn.RNNBase, d_hidden: int, d_out: int) -> None:
        """Set the parts."""
        super().__init__()
        self.cell, self.head = cell, nn.Linear(d_hidden, d_out)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs at all times of x [batch, times, features]."""
        return self.head(self.cell(x)[0])


class Bottleneck(nn.Module):
    """A residual block of three convolutions with ReLU."""

    def __init__(self, channels: int, inner: int) -> None:
        """Set the widths."""
        super().__init__()
        self.one = nn.Conv2d(channels, inner, 1)
        self.two = nn.Conv2d(inner, inner, 3, padding=1)
        self.three = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [batch, channels, height, width]."""
        return F.relu(x + self.three(F.relu(self.two(F.relu(self.one(x))))))


def bottleneck(c_in: int = 3, channels: int = 5, inner: int = 2, n_classes: int = 4) -> Built:
    """Scales inside the block; the stream has one for each channel."""
    model = nn.Sequential(
        nn.Conv2d(c_in, channels, 3, padding=1), nn.ReLU(), Bottleneck(channels, inner),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes),
    )  # fmt: skip
    return model, (torch.randn(8, c_in, 6, 6),)


def depthwise_separable(c_in: int = 3, channels: int = 5, n_classes: int = 4) -> Built:
    """A convolution of each channel alone, then one across: each keeps its scale."""
    model = nn.Sequential(
        nn.Conv2d(c_in, channels, 1), nn.ReLU6(),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes),
    )  # fmt: skip
    return model, (torch.randn(8, c_in, 6, 6),)


def instance_norm(c_in: int = 3, channels: int = 5, n_classes: int = 4) -> Built:
    """Every channel at mean nought and size one: its bias before the norm is not seen."""
    model = nn.Sequential(
        nn.Conv2d(c_in, channels, 3, padding=1),
        nn.InstanceNorm2d(channels, eps=1e-2, affine=True), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes),
    )  # fmt: skip
    return model, (torch.randn(8, c_in, 6, 6),)


class Cosine(nn.Module):
    """Angles to the rows of a matrix."""

    def __init__(self, d_in: int, d_hidden: int, classes: int) -> None:
        """Set the widths."""
        super().__init__()
        self.embed = nn.Linear(d_in, d_hidden)
        self.rows = nn.Parameter(torch.randn(classes, d_hidden))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Scaled cosines of x [batch, features] with all classes."""
        h = self.embed(x)
        h = h / h.norm(dim=-1, keepdim=True)
        return self.scale * h @ (self.rows / self.rows.norm(dim=-1, keepdim=True)).T


def cosine_head(d_in: int = 6, d_hidden: int = 3, n_classes: int = 4) -> Built:
    """Lengths of embedding and rows are not seen, and both can be turned together."""
    return Cosine(d_in, d_hidden, n_classes), (torch.randn(8, d_in),)


class Prototypes(nn.Module):
    """Distances to prototypes."""

    def __init__(self, d_in: int, d_hidden: int, d_out: int, classes: int) -> None:
        """Set the widths."""
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d_in, d_hidden), nn.Tanh(), nn.Linear(d_hidden, d_out))
        self.prototypes = nn.Parameter(torch.randn(classes, d_out))

    def forward(self, x: Tensor) -> Tensor:
        """Negative squared distances of x [batch, features] to all prototypes."""
        return -(self.trunk(x)[:, None] - self.prototypes).square().sum(dim=-1)


def prototype_head(d_in: int = 4, d_hidden: int = 6, d_out: int = 3, n_classes: int = 5) -> Built:
    """Embedding and prototypes move together: the Euclidean group."""
    return Prototypes(d_in, d_hidden, d_out, n_classes), (torch.randn(8, d_in),)


class Film(nn.Module):
    """Features scaled and shifted by another input."""

    def __init__(self, d_in: int, d_hidden: int, d_condition: int, d_out: int) -> None:
        """Set the widths."""
        super().__init__()
        self.into, self.out = nn.Linear(d_in, d_hidden), nn.Linear(d_hidden, d_out)
        self.scale, self.shift = (nn.Linear(d_condition, d_hidden) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x [batch, features] under conditions [batch, features]."""
        h = self.into(x) * self.scale(condition) + self.shift(condition)
        return self.out(torch.tanh(h))


def film(d_in: int = 4, d_hidden: int = 5, d_condition: int = 3, d_out: int = 2) -> Built:
    """Feature-wise modulation: what scales and what is scaled share a factor."""
    return Film(d_in, d_hidden, d_condition, d_out), (
        torch.randn(8, d_in),
        torch.randn(8, d_condition),
    )


class Bilinear(nn.Module):
    """Low-rank bilinear pooling."""

    def __init__(self, d_left: int, d_right: int, rank: int, d_out: int) -> None:
        """Set the widths."""
        super().__init__()
        self.left = nn.Linear(d_left, rank, bias=False)
        self.right = nn.Linear(d_right, rank, bias=False)
        self.out = nn.Linear(rank, d_out, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Products of x [batch, features] and y [batch, features]."""
        return self.out(self.left(x) * self.right(y))


def low_rank_bilinear(d_left: int = 4, d_right: int = 6, rank: int = 5, d_out: int = 3) -> Built:
    """A product of two and a map: two scales for each component."""
    return Bilinear(d_left, d_right, rank, d_out), (
        torch.randn(16, d_left),
        torch.randn(16, d_right),
    )


class Scaled(nn.Module):
    """A residual branch with a learnt scale for each feature."""

    def __init__(self, width: int, d_hidden: int) -> None:
        """Set the widths."""
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-2)
        self.into, self.out = nn.Linear(width, d_hidden), nn.Linear(d_hidden, width)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to x [batch, width]."""
        return x + self.scale * self.out(F.gelu(self.into(self.norm(x))))


def layer_scale(d_in: int = 6, width: int = 4, d_hidden: int = 7, d_out: int = 5) -> Built:
    """Layer scale: what it scales can take it over."""
    norm = nn.LayerNorm(width, eps=1e-2)
    model = nn.Sequential(
        nn.Linear(d_in, width), Scaled(width, d_hidden), norm, nn.Linear(width, d_out)
    )
    return model, (torch.randn(8, d_in),)


class Mixer(nn.Module):
    """MLPs across tokens and across features in turn."""

    def __init__(self, tokens: int, d_token: int, width: int, d_hidden: int) -> None:
        """Set the widths."""
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-2) for _ in range(2))
        self.token_in, self.token_out = nn.Linear(tokens, d_token), nn.Linear(d_token, tokens)
        self.into, self.out = nn.Linear(width, d_hidden), nn.Linear(d_hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix x [batch, tokens, width]."""
        h = self.norm1(x).transpose(1, 2)
        x = x + self.token_out(F.gelu(self.token_in(h))).transpose(1, 2)
        return x + self.out(F.gelu(self.into(self.norm2(x))))


def mixer_block(
    d_in: int = 3, width: int = 5, tokens: int = 4, d_token: int = 6, d_hidden: int = 7,
    d_out: int = 2,
) -> Built:  # fmt: skip
    """Tokens and features mixed in turn: of the stream, rotations that fix the mean are left."""
    model = nn.Sequential(
        nn.Linear(d_in, width), Mixer(tokens, d_token, width, d_hidden),
        nn.LayerNorm(width, eps=1e-2), nn.Linear(width, d_out),
    )  # fmt: skip
    return model, (torch.randn(8, tokens, d_in),)


class Dense(nn.Module):
    """What was read stays beside what was made of it."""

    def __init__(self, d_in: int, growth: int, d_out: int) -> None:
        """Set the widths."""
        super().__init__()
        self.one, self.two = nn.Linear(d_in, growth), nn.Linear(d_in + growth, growth)
        self.out = nn.Linear(d_in + 2 * growth, d_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [batch, features]."""
        x = torch.cat([x, F.relu(self.one(x))], dim=-1)
        return self.out(torch.cat([x, F.relu(self.two(x))], dim=-1))


def dense_block(d_in: int = 4, growth: int = 3, d_out: int = 5) -> Built:
    """Concatenation: every unit keeps its scale, wherever it is read."""
    return Dense(d_in, growth, d_out), (torch.randn(8, d_in),)
