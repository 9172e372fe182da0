"""Small architectures as users write them."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Build = Callable[[], tuple[nn.Module, Any]]
L = nn.Linear
EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2, 1], [1, 2, 3, 4, 0, 2, 4, 3]])


class Net(nn.Module):
    """Named parts and a forward pass written as a function of them."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, nn.ModuleList(part) if isinstance(part, list) else part)

    def forward(self, *args: Any) -> Any:
        return self.run(self, *args)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


def tokens(vocabulary: int, *shape: int) -> Tensor:
    return torch.randint(0, vocabulary, shape)


def perceptron(*widths: int, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [L(a, b), act()]
    return nn.Sequential(*layers[:-1])


def variational() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Any:
        h = F.relu(m.inner(x))
        mean, spread = m.mean(h), m.spread(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * spread)
        return m.decode(z), mean, spread

    parts = {"inner": L(8, 6), "mean": L(6, 2), "spread": L(6, 2), "decode": perceptron(2, 6, 8)}
    return Net(run, **parts), torch.randn(16, 8)


def sampler() -> tuple[nn.Module, Any]:
    """Of a variational encoder only what is decoded, with noise from outside."""

    def run(m: Any, x: Tensor, noise: Tensor) -> Tensor:
        h = F.relu(m.inner(x))
        return m.decode(m.mean(h) + noise * torch.exp(0.5 * m.spread(h)))

    parts = {"inner": L(8, 6), "mean": L(6, 2), "spread": L(6, 2), "decode": perceptron(2, 6, 8)}
    return Net(run, **parts), (torch.randn(16, 8), torch.randn(16, 2))


def pooling() -> tuple[nn.Module, Any]:
    """Attention by one learned query, a norm and a perceptron."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.attend(m.query.expand(len(x), -1, -1), x, x, need_weights=False)[0]
        return m.mlp(m.norm(h))[:, 0]

    return Net(run, query=weight(1, 1, 4), attend=nn.MultiheadAttention(4, 2, batch_first=True),
               norm=nn.LayerNorm(4, eps=1e-2), mlp=perceptron(4, 5, 3, act=nn.GELU)), (
        torch.randn(12, 5, 4))  # fmt: skip


def unet() -> tuple[nn.Module, Any]:
    def block(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(2, b), nn.SiLU())

    def run(m: Any, x: Tensor) -> Tensor:
        skip = m.down(x)
        deep = F.interpolate(m.deep(F.max_pool2d(skip, 2)), scale_factor=2, mode="bilinear")
        return m.out(m.up(torch.cat([skip, deep], 1)))

    return Net(run, down=block(1, 4), deep=block(4, 4), up=block(8, 4),
               out=nn.Conv2d(4, 2, 1)), torch.randn(2, 1, 8, 8)  # fmt: skip


def translation() -> tuple[nn.Module, Any]:
    """An encoder's last state begins the decoder, which attends to the other states."""

    def run(m: Any, source: Tensor, target: Tensor) -> Tensor:
        states, last = m.encoder(m.source(source))
        queries, _ = m.decoder(m.target(target), last)
        weights = torch.softmax(torch.bmm(m.match(queries), states.transpose(1, 2)), -1)
        return m.out(torch.tanh(m.mix(torch.cat([torch.bmm(weights, states), queries], -1))))

    return Net(run, source=nn.Embedding(7, 3), target=nn.Embedding(6, 3),
               encoder=nn.GRU(3, 4, batch_first=True), decoder=nn.GRU(3, 4, batch_first=True),
               match=L(4, 4, bias=False), mix=L(8, 4), out=L(4, 6)), (
        tokens(7, 12, 5), tokens(6, 12, 4))  # fmt: skip


def started() -> tuple[nn.Module, Any]:
    """A caption: features are nothing but the initial state."""

    def run(m: Any, x: Tensor, words: Tensor) -> Tensor:
        h = m.features(x)[None]
        return m.out(m.cell(words, (h, torch.zeros_like(h)))[0])

    return Net(run, features=perceptron(3, 4, 4), cell=nn.LSTM(3, 4, batch_first=True),
               out=L(4, 3)), (torch.randn(8, 3), torch.randn(8, 4, 3))  # fmt: skip


def projected() -> tuple[nn.Module, Any]:
    lstm = nn.LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True, batch_first=True)
    return Net(lambda m, x: m.out(m.cell(x)[0]), cell=lstm, out=L(4, 3)), torch.randn(8, 5, 3)


def messages() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        source, target = EDGES
        for send, own in zip(m.send, m.own, strict=True):
            sent = send(x)[source]
            heard = torch.zeros(len(x), sent.shape[1], dtype=x.dtype).index_add(0, target, sent)
            x = F.relu(heard + own(x))
        return m.out(x)

    layers = [L(4, 5), L(5, 5)], [L(4, 5), L(5, 5)]
    return Net(run, send=layers[0], own=layers[1], out=L(5, 3)), torch.randn(5, 4)


def scattered() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        source, target = EDGES
        sent = F.relu(m.send(torch.cat([x[source], x[target]], -1)))
        places = target[:, None].expand_as(sent)
        heard = torch.zeros(len(x), 5, dtype=x.dtype).scatter_add(0, places, sent)
        most = torch.full((len(x), 5), -torch.inf, dtype=x.dtype)
        most = most.scatter_reduce(0, places, sent, "amax")
        return m.out(torch.tanh(m.mix(torch.cat([x, heard, most], -1))))

    return Net(run, send=L(6, 5), mix=L(13, 4), out=L(4, 2)), torch.randn(5, 3)


def radiance() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Any:
        e = (x[..., None] * 2.0 ** torch.arange(3)).flatten(-2)
        e = torch.cat([torch.sin(e), torch.cos(e)], -1)
        h = F.relu(m.second(torch.cat([F.relu(m.first(e)), e], -1)))
        return torch.sigmoid(m.colour(h)), F.softplus(m.density(h))

    return Net(run, first=L(12, 8), second=L(20, 8), colour=L(8, 3), density=L(8, 1)), (
        torch.randn(32, 2))  # fmt: skip


def sets() -> tuple[nn.Module, Any]:
    return Net(lambda m, x: m.rho(m.phi(x).sum(1)), phi=perceptron(3, 6, 5),
               rho=perceptron(5, 6, 2)), torch.randn(8, 6, 3)  # fmt: skip


def experts() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        value, index = m.gate(x).topk(2, -1)
        every = torch.stack([e(x) for e in m.experts], 1)
        chosen = every.gather(1, index.unsqueeze(-1).expand(-1, -1, every.shape[-1]))
        return (value.softmax(-1).unsqueeze(-1) * chosen).sum(1)

    return Net(run, gate=L(4, 3), experts=[perceptron(4, 5, 4) for _ in range(3)]), (
        torch.randn(64, 4))  # fmt: skip


def coupling() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Any:
        volume: Any = 0
        for scale, shift in zip(m.scale, m.shift, strict=True):
            kept, moved = x.chunk(2, -1)
            s = torch.tanh(scale(kept))
            x = torch.cat([moved * torch.exp(s) + shift(kept), kept], -1)
            volume = volume + s.sum(-1)
        return x, volume

    return Net(run, scale=[perceptron(2, 5, 2) for _ in range(3)],
               shift=[perceptron(2, 5, 2) for _ in range(3)]), torch.randn(64, 4)  # fmt: skip


def selective() -> tuple[nn.Module, Any]:
    """A selective state space, step by step from a state of zero."""

    def run(m: Any, x: Tensor) -> Tensor:
        h, gate = m.into(x).chunk(2, -1)
        h = F.silu(m.conv(h.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        step, b, c = m.select(h).split([2, 3, 3], -1)
        step, decay = F.softplus(m.step(step)), -torch.exp(m.decay)
        state, ys = torch.zeros(len(x), 4, 3, dtype=x.dtype), []
        for t in range(x.shape[1]):
            driven = step[:, t, :, None] * b[:, t, None] * h[:, t, :, None]
            state = torch.exp(step[:, t, :, None] * decay) * state + driven
            ys.append((state * c[:, t, None]).sum(-1))
        return m.out((torch.stack(ys, 1) + m.skip * h) * F.silu(gate))

    return Net(run, into=L(3, 8, bias=False), conv=nn.Conv1d(4, 4, 3, padding=2, groups=4),
               select=L(4, 8, bias=False), step=L(2, 4), decay=weight(4, 3), skip=weight(4),
               out=L(4, 3, bias=False)), torch.randn(8, 4, 3)  # fmt: skip


def receptance() -> tuple[nn.Module, Any]:
    """Linear attention with decay, as a recurrence that starts from the number zero."""

    def run(m: Any, x: Tensor) -> Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        k, v = m.key(x * m.mix + before * (1 - m.mix)), m.value(x)
        above: Any = 0
        below: Any = 0
        ys = []
        for t in range(x.shape[1]):
            now = torch.exp(m.bonus + k[:, t])
            ys.append((above + now * v[:, t]) / (below + now))
            above = torch.exp(-torch.exp(m.decay)) * above + torch.exp(k[:, t]) * v[:, t]
            below = torch.exp(-torch.exp(m.decay)) * below + torch.exp(k[:, t])
        return m.out(torch.sigmoid(m.gate(x)) * torch.stack(ys, 1))

    return Net(run, key=L(3, 4, bias=False), value=L(3, 4, bias=False),
               gate=L(3, 4, bias=False), out=L(4, 3, bias=False), decay=weight(4),
               bonus=weight(4), mix=weight(3)), torch.randn(16, 5, 3)  # fmt: skip


def linear_attention() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = m.qkv(x).chunk(3, -1)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        total = 1 / (torch.einsum("btd,bd->bt", q, k.sum(1)) + 1e-6)
        kv = torch.einsum("btd,bte->bde", k, v)
        return m.out(torch.einsum("btd,bde,bt->bte", q, kv, total))

    return Net(run, qkv=L(3, 12), out=L(4, 3)), torch.randn(16, 5, 3)


def biased_attention() -> tuple[nn.Module, Any]:
    """Slopes as in ALiBi and a table of relative positions as in T5."""

    def heads(z: Tensor) -> Tensor:
        return z.unflatten(-1, (2, 3)).transpose(1, 2)

    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = heads(m.q(x)), heads(m.k(x)), heads(m.v(x))
        apart = torch.arange(5)[None] - torch.arange(5)[:, None]
        slopes = apart.abs() * torch.tensor([0.5, 0.25]).view(2, 1, 1)
        scores = q @ k.mT / math.sqrt(3) - slopes + m.table(apart + 4).permute(2, 0, 1)
        return m.o((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    return Net(run, table=nn.Embedding(9, 2), **{n: L(6, 6) for n in "qkvo"}), (
        torch.randn(16, 5, 6))  # fmt: skip


def decoder() -> tuple[nn.Module, Any]:
    layer = nn.TransformerDecoderLayer(6, 2, 7, batch_first=True)
    return layer, (torch.randn(8, 4, 6), torch.randn(8, 5, 6))


def mixer() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        x = x + m.rows(m.before(x).transpose(1, 2)).transpose(1, 2)
        return m.out(m.after(x + m.columns(m.between(x))).mean(1))

    norms = {n: nn.LayerNorm(4) for n in ("before", "between", "after")}
    return Net(run, rows=perceptron(5, 6, 5, act=nn.GELU), out=L(4, 3), **norms,
               columns=perceptron(4, 7, 4, act=nn.GELU)), torch.randn(16, 5, 4)  # fmt: skip


def highway() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        x = m.into(x)
        for h, t in zip(m.h, m.t, strict=True):
            gate = torch.sigmoid(t(x))
            x = gate * F.relu(h(x)) + (1 - gate) * x
        return m.out(x)

    return Net(run, into=L(3, 4), h=[L(4, 4), L(4, 4)], t=[L(4, 4), L(4, 4)], out=L(4, 2)), (
        torch.randn(32, 3))  # fmt: skip


def generator() -> tuple[nn.Module, Any]:
    return nn.Sequential(
        nn.ConvTranspose2d(4, 6, 2, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False), nn.BatchNorm2d(3), nn.ReLU(),
        nn.ConvTranspose2d(3, 1, 4, 2, 1, bias=False), nn.Tanh(),
    ), torch.randn(8, 4, 1, 1)  # fmt: skip


def modulated() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor, style: Tensor) -> Tensor:
        w = m.kernel[None] * m.style(style)[:, None, :, None, None]
        w = w * torch.rsqrt((w**2).sum((2, 3, 4), keepdim=True) + 1e-8)
        n, c, *size = x.shape
        y = F.conv2d(x.reshape(1, n * c, *size), w.view(n * 4, c, 3, 3), padding=1, groups=n)
        return m.out(F.leaky_relu(y.view(n, 4, *size) + m.bias[:, None, None], 0.2))

    return Net(run, style=L(2, 3), kernel=weight(4, 3, 3, 3), bias=weight(4),
               out=nn.Conv2d(4, 2, 1)), (torch.randn(6, 3, 4, 4), torch.randn(6, 2))  # fmt: skip


def prototypes() -> tuple[nn.Module, Any]:
    return Net(lambda m, x: -torch.cdist(m.embed(x), m.centres), embed=perceptron(4, 5, 3),
               centres=weight(6, 3)), torch.randn(32, 4)  # fmt: skip


def contrastive() -> tuple[nn.Module, Any]:
    def run(m: Any, a: Tensor, b: Tensor) -> Tensor:
        a, b = F.normalize(m.a(a), dim=-1), F.normalize(m.b(b), dim=-1)
        return m.heat.exp() * a @ b.T

    return Net(run, a=perceptron(4, 5, 3), b=perceptron(3, 5, 3), heat=weight(1)), (
        torch.randn(12, 4), torch.randn(12, 3))  # fmt: skip


def softmaxes() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        h = torch.tanh(m.hidden(x)).view(-1, 3, 4)
        return (m.prior(x).softmax(-1).unsqueeze(-1) * m.words(h).softmax(-1)).sum(1).log()

    return Net(run, prior=L(4, 3, bias=False), hidden=L(4, 12), words=L(4, 5)), torch.randn(64, 4)


def policy() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Any:
        h = torch.tanh(m.body(x))
        return torch.distributions.Categorical(logits=m.actor(h)).logits, m.critic(h)

    return Net(run, body=L(4, 5), actor=L(5, 3), critic=L(5, 1)), torch.randn(32, 4)


def skipgram() -> tuple[nn.Module, Any]:
    def run(m: Any, word: Tensor, others: Tensor) -> Tensor:
        return F.logsigmoid((m.inner(word).unsqueeze(1) * m.outer(others)).sum(-1))

    return Net(run, inner=nn.Embedding(7, 3), outer=nn.Embedding(7, 3)), (
        tokens(7, 64), tokens(7, 64, 3))  # fmt: skip


def hamiltonian() -> tuple[nn.Module, Any]:
    def run(m: Any, x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        return torch.autograd.grad(m.energy(x).sum(), x, create_graph=True)[0]

    return Net(run, energy=perceptron(4, 5, 1, act=nn.Softplus)), torch.randn(32, 4)


def temporal() -> tuple[nn.Module, Any]:
    def block(a: int, b: int, d: int) -> nn.Module:
        conv = nn.Conv1d(a, b, 3, padding=2 * d, dilation=d)
        short = nn.Conv1d(a, b, 1)
        return Net(lambda m, x: F.relu(F.relu(m.conv(x)[..., : -2 * d]) + m.short(x)), conv=conv,
                   short=short)  # fmt: skip

    return nn.Sequential(block(2, 4, 1), block(4, 4, 2), nn.Conv1d(4, 2, 1)), torch.randn(8, 2, 12)


def frozen() -> tuple[nn.Module, Any]:
    net = perceptron(3, 5, 4, 2)
    net[2].requires_grad_(False)
    return net, torch.randn(32, 3)


def whole_norm() -> tuple[nn.Module, Any]:
    layer = weight_norm(nn.Conv1d(2, 3, 3), dim=None)
    return nn.Sequential(layer, nn.Tanh(), nn.Conv1d(3, 2, 1)), torch.randn(8, 2, 8)
