"""At drawn points what a norm reads varies, and smooth units bend, wherever channels lie."""

import pytest
import torch
from torch import Tensor, nn

import symfind


class Block(nn.Module):
    """Mixes the places of each channel, then the channels of each place, channels last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gain = nn.Parameter(1e-6 * torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.places(x.movedim(-1, 1)).movedim(1, -1))
        return x + self.gain * self.down(nn.functional.gelu(self.up(y)))


class Pictures(nn.Module):
    """Blocks, of which all places are averaged and normed before the last layer."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.blocks(self.first(x)).mean((1, 2))))


@pytest.mark.parametrize("seed", range(3))
def test_few_points_are_enough(seed: int) -> None:
    found = symfind.analyze(
        Pictures(3, 4), torch.randn(1, 8, 8, 3), seed=seed, verify=False, formula=False
    ).certificate
    assert found is not None and found.status == "complete"
    assert len(found.points) <= 2 and set(found.points) == {found.redundant}


class Constant(nn.Module):
    """What a learned token asks with is the same for all inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.ask = nn.Parameter(torch.randn(1, 1, 4)), nn.Linear(4, 4)
        self.each, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.each(x).tanh()], 1)
        scores = self.ask(x[:, :1]) @ x[:, 1:].transpose(1, 2)
        return self.last((scores.softmax(-1) @ x[:, 1:]).squeeze(1))


def test_what_does_not_vary_is_not_levelled_to_nothing() -> None:
    session = symfind.open(Constant(), torch.randn(6, 5, 3))
    theta = session.subject.function().random_point(torch.Generator().manual_seed(0))
    asked = theta["token"][0, 0] @ theta["ask.weight"].T + theta["ask.bias"]
    assert float(asked.norm()) > 0.1
