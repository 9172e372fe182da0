"""Two small networks, trained apart, and the commands that move them along their orbits."""

import os
import sys
import tempfile
from contextlib import redirect_stderr, suppress
from pathlib import Path

import torch
from torch import nn

from symfind.cli import main

NET = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
example_inputs = torch.zeros(6, 4)

generator = torch.Generator().manual_seed(0)
x = torch.randn(240, 4, generator=generator)
y = (x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()
batches = [(x, y)]
"""


def trained(seed: int, steps: int = 200) -> dict[str, torch.Tensor]:
    """The weights of one network, rounded to what is the same on any processor."""
    names: dict[str, object] = {}
    exec(NET, names)
    torch.manual_seed(seed)
    model, x, y = names["model"], names["x"], names["y"]
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    adam = torch.optim.Adam(model.double().parameters(), 0.02)
    for _ in range(steps):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x.double()), y).backward()
        adam.step()
    return {name: value.round(decimals=3).float() for name, value in model.state_dict().items()}


COMMANDS = {
    "apply": [
        "apply net.py --weights a.pt --site model:0-0.bias-1 --matrix hadamard -o turned.pt",
        "apply net.py --weights a.pt --site model:1-1.bias-3 --matrix hadamard -o turned.pt",
    ],
    "fix": [
        "fix net.py a.pt --as pins --freeze mask.pt -o pinned.pt",
        "fix net.py a.pt --as balanced -o balanced.pt",
        "fix net.py a.pt --as canonical -o canonical.pt",
    ],
    "align": [
        "align net.py a.pt b.pt --data net.py:batches --steps 60 -o aligned.pt",
        "align net.py a.pt b.pt --steps 60 -o aligned.pt",
    ],
    "dims": ["dims net.py --weights early.pt --data net.py:batches"],
    "teleport": ["teleport net.py a.pt --objective grad-norm --data net.py:batches -o there.pt"],
}

if __name__ == "__main__":
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("net.py").write_text(NET)
        for seed, name in enumerate("ab"):
            torch.save(trained(seed), f"{name}.pt")
        torch.save(trained(0, 20), "early.pt")
        for command in COMMANDS[sys.argv[1]]:
            print(f"$ symfind {command}")
            with redirect_stderr(sys.stdout), suppress(SystemExit):
                main([*command.split(), "--quiet"], standalone_mode=False)
            print()
        os.chdir(home)
