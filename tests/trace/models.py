import torch
from torch import Tensor, nn


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 5)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.spare = nn.Parameter(torch.ones(3))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embed(tokens))


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        if y.sum() > 0:  # depends on data
            return y
        return -y


class Labels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).argmax(-1)


class Mutating(nn.Module):
    """Assigns to itself, writes in place, keeps a plain tensor, returns nested results."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.register_buffer("shift", torch.randn(3))
        self.scale = torch.randn(3)
        self.hidden: Tensor | None = None

    def forward(self, x: Tensor) -> dict:
        print("never shown while tracing")
        self.hidden = self.layer(x)
        z = torch.zeros_like(self.hidden)
        z[:, 0] = self.hidden[:, 1]
        z += self.shift
        mask = torch.ones_like(x).tril()
        return {"a": z * mask * self.scale, "b": (x.long(), self.hidden.flatten())}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True, dropout=0.1)
        self.gru = nn.GRU(8, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, _ = self.lstm(x)
        return self.gru(y)


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)
        self.first.weight.requires_grad_(False)

    def forward(self, x: Tensor, *, gain: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x))) * gain


class Casting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x.double().float()).double().sum(-1, keepdim=True, dtype=torch.float32)
        return y * (x > 0).float()


def asserts(m: nn.Module, y: Tensor) -> Tensor:
    assert (y > 0).all() and y.max().item() <= 3, "out of range"
    return y * 2
