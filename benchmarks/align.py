"""Barriers between networks that were trained apart: vanilla, permutations, whole group, learned.

`imitated` is what is learned without data, on random inputs.

    python -m benchmarks.align mlp mlp512 cnn vit gpt [--pairs 3] [--steps 300]

Digits of scikit-learn (1437 to train, 360 to test) and the text of `pydoc_data.topics`; trained in
seconds to minutes on two cores. Barriers are on the test part, mean and spread over pairs of seeds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

import symfind
from symfind.orbit.objective import Objective, barrier, losses_along
from tests.ground_truth.layers import RMSNorm
from tests.orbit.models import GPT, Residual, ViT, mlp

Batches = list[tuple[Tensor, Tensor]]
Data = tuple[Batches, Batches]  # to train, to test


@dataclass(frozen=True)
class Case:
    """A network, its data, and how long it is trained."""

    build: Callable[[], nn.Module]
    data: Callable[[], Data]
    epochs: int
    rate: float = 2e-3
    momentum: bool = False  # SGD on one cycle, as residual networks are trained; AdamW without


def digits(*shape: int, size: int = 64) -> Data:
    """Handwritten digits, 8×8."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(x, dtype=torch.float32)[order].reshape(-1, *shape) / 16.0
    labels = torch.tensor(y)[order]
    train = list(zip(images[:1437].split(size), labels[:1437].split(size), strict=True))
    return train, [(images[1437:], labels[1437:])]


def text(length: int = 32, size: int = 32) -> Data:
    """Characters of the help texts of Python."""
    from pydoc_data.topics import topics

    raw = "".join(topics[k] for k in sorted(topics)).encode("ascii", "ignore")[:400_000]
    ids = torch.tensor([min(b, 127) for b in raw])
    rows = ids[: len(ids) // (length + 1) * (length + 1)].reshape(-1, length + 1)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    rows = rows[order]
    cut = len(rows) * 9 // 10
    train = [(r[:, :-1], r[:, 1:]) for r in rows[:cut].split(size)]
    return train, [(r[:, :-1], r[:, 1:]) for r in rows[cut : cut + 8 * size].split(size)]


CASES = {
    "mlp": Case(lambda: mlp(64, 64, 64, 10), lambda: digits(64), 30),
    "mlp512": Case(lambda: mlp(64, 512, 10), lambda: digits(64), 30),
    "cnn": Case(lambda: Residual(32, 2), lambda: digits(1, 8, 8), 30, 0.1, momentum=True),
    "vit": Case(lambda: ViT(32, 4, 2), lambda: digits(1, 8, 8), 40),
    "gpt": Case(lambda: GPT(64, 4, 2, 128, 32, RMSNorm), text, 2, 3e-3),
}


def trained(case: Case, data: Batches, seed: int) -> nn.Module:
    """One network."""
    torch.manual_seed(seed)
    model = case.build().train()
    optimiser, plan = optimiser_of(case, model, case.epochs * len(data))
    for _ in range(case.epochs):
        for i in torch.randperm(len(data)).tolist():
            x, y = data[i]
            out = model(x)
            optimiser.zero_grad()
            F.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1)).backward()
            optimiser.step()
            plan.step()
    return model.eval()


def optimiser_of(
    case: Case, model: nn.Module, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """What trains a network, and how its rate changes."""
    if not case.momentum:
        adam = torch.optim.AdamW(model.parameters(), case.rate, weight_decay=0.01)
        return adam, LambdaLR(adam, lambda step: 1.0)
    sgd = torch.optim.SGD(
        model.parameters(), case.rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    return sgd, OneCycleLR(sgd, case.rate, total_steps=steps)


def pair(case: Case, data: Data, seed: int, steps: int) -> dict[str, float]:
    """Barriers on the test part for one pair of seeds, and seconds with data and without."""
    train, test = data
    one, two = (trained(case, train, 2 * seed + k) for k in range(2))
    start = time.process_time()
    found = symfind.align(
        one, one.state_dict(), two.state_dict(), train[0][0][:4], data=test, train_data=train,
        steps=steps, seed=seed,
    )  # fmt: skip
    assert found.residual < 1e-10
    row = {w.name: w.barrier or 0.0 for w in found.ways}
    row["seconds"] = time.process_time() - start
    start = time.process_time()
    found = symfind.align(
        one, one.state_dict(), two.state_dict(), train[0][0], steps=steps, seed=seed
    )
    assert found.residual < 1e-10
    measured = Objective.of(one, test)
    measured.seen = Objective.of(one, train).batches
    row["imitated"] = barrier(losses_along(measured, found.a, found.b))
    return {**row, "without data": time.process_time() - start}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args(arguments)
    for name in given.cases:
        case = CASES[name]
        data = case.data()
        rows = [pair(case, data, seed, given.steps) for seed in range(given.pairs)]
        cells = []
        for key in rows[0]:
            values = [r[key] for r in rows]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{key} {statistics.mean(values):.4f} ±{spread:.4f}")
        print(f"{name:8}" + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
