"""Models that behave, and models that do not."""

import os
import signal
import time

import torch
from torch import nn


def mlp(width: int = 3, depth: int = 1):
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 2)), torch.randn(1, width)


class Bad(nn.Module):
    def __init__(self, act) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(2, 2), act

    def forward(self, x):
        print("a model may print")
        self.act()
        return self.layer(x)


def hang():
    return Bad(lambda: time.sleep(1000)), torch.randn(1, 2)


def crash():
    return Bad(lambda: os.kill(os.getpid(), signal.SIGSEGV)), torch.randn(1, 2)


def leave():
    return Bad(lambda: os._exit(3)), torch.randn(1, 2)


def grow():
    return Bad(lambda: [bytearray(10**8) for _ in range(40)] and time.sleep(60)), torch.randn(1, 2)


def unknown():
    """An operation without a rule."""
    layer = nn.Linear(3, 3)
    return nn.Sequential(nn.Linear(3, 3), Exponential(), layer), torch.randn(4, 3, 3)


class Exponential(nn.Module):
    def forward(self, x):
        return torch.linalg.matrix_exp(x)
