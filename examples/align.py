"""Two small decoders, trained from different seeds on the help texts of Python, and aligned.

    python examples/align.py

takes a minute or two on one core. The same by command, once it has written both files:

    symfind align examples/align.py a.pt b.pt --data examples/align.py:batches --steps 100 -o c.pt
"""

from pydoc_data.topics import topics

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH, WIDTH, HEADS, SYMBOLS = 16, 32, 2, 96


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        q, k, v = (
            f(y).unflatten(-1, (HEADS, -1)).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, SYMBOLS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        return self.head(self.norm(self.blocks(self.token(x) + self.position(places))))


def rows() -> Tensor:
    """Characters of the texts, in rows of one more than a context, in random order."""
    text = "".join(topics[key] for key in sorted(topics)).encode("ascii", "ignore")[:200_000]
    ids = torch.tensor([min(max(byte - 32, 0), SYMBOLS - 1) for byte in text])
    found = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].view(-1, LENGTH + 1)
    return found[torch.randperm(len(found), generator=torch.Generator().manual_seed(0))]


def batches() -> list[tuple[Tensor, Tensor]]:
    """What barriers are measured on."""
    return [(r[:, :-1], r[:, 1:]) for r in rows()[:512].split(64)]


def trained(seed: int, steps: int = 500) -> Decoder:
    torch.manual_seed(seed)
    net, train = Decoder(), rows()[512:]
    adam = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(steps):
        batch = train[torch.randint(len(train), (64,))]
        adam.zero_grad()
        F.cross_entropy(net(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        adam.step()
    return net


model = Decoder()
example_inputs = torch.zeros(2, LENGTH, dtype=torch.long)

if __name__ == "__main__":
    import symfind

    files = {f"{name}.pt": trained(seed).state_dict() for seed, name in enumerate("ab")}
    for name, weights in files.items():
        torch.save(weights, name)
    found = symfind.align(model, *files, example_inputs, data=batches(), steps=100, progress=print)
    for way in found.ways:
        print(f"{way.name:20} distance {way.distance:.3f}   barrier {way.barrier:.3f}")
    print(f"the outputs of b change by {found.residual:.0e}")
