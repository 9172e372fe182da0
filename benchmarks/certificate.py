"""The nullity of a model: symfind beside the obvious script, in time and peak memory.

The obvious script maps `torch.func.jacrev` over a batch of inputs and counts the singular values,
at one point of the parameters. Both are given the same model, parameters of the same kind, inputs
from the same distribution, and as many threads as suit the machine; the nullities must be equal.
Every measurement runs in a process of its own, so that peaks of memory are its own. Run
`python benchmarks/certificate.py [parameters ...]`.
"""

import math
import os
import sys
import time
from typing import Any

import torch
from measure import measured, peak, serve
from torch import Tensor, nn

from symfind.verify import Call, Function, measure_nullity
from symfind.verify.threads import fitting_threads

SIZES = (500, 2000, 5000)
INPUTS, OUTPUTS, LAYERS = 8, 4, 4
ROWS_PER_PARAMETER = 2.0
TOLERANCE = 1e-10  # relative singular value that counts as zero in the script


class Normed(nn.Module):
    """Residual blocks of two linear maps around a GELU, after RMSNorm, with bonds between maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(INPUTS, width, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(LAYERS))
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(LAYERS))
        self.down = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(LAYERS))
        self.head = nn.Linear(width, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of one sample, or of a batch."""
        x = self.embed(x)
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            x = x + down(nn.functional.gelu(up(norm(x))))
        return self.head(x)


def model_of(parameters: int) -> Normed:
    """The model whose size is nearest to a number of parameters."""

    def count(width: int) -> int:
        return sum(p.numel() for p in Normed(width).parameters())

    return Normed(min(range(2, 60), key=lambda width: abs(count(width) - parameters)))


def obvious(model: Normed) -> int:
    """The nullity by the obvious script."""
    shapes = {name: p.shape for name, p in model.named_parameters()}
    count = sum(math.prod(s) for s in shapes.values())
    theta = Function(model, (torch.randn(1, INPUTS),)).random_point(generator())
    samples = math.ceil(ROWS_PER_PARAMETER * count / OUTPUTS)
    x = torch.randn(samples, INPUTS, generator=generator(), dtype=torch.float64)

    def f(theta: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(model, theta, (x,))

    with fitting_threads(count):
        jacobian = torch.func.vmap(torch.func.jacrev(f), (None, 0))(theta, x)
        stacked = torch.cat([j.flatten(2).flatten(0, 1) for j in jacobian.values()], 1)
        values = torch.linalg.svdvals(stacked)
    return count - int((values > TOLERANCE * values[0]).sum())


def ours(model: Normed, expected: int | None = None) -> int:
    """The nullity by symfind, at three points; at one where the derived count is known."""
    function = Function(model, (torch.randn(1, INPUTS),))

    def draw(rng: torch.Generator) -> Call:
        return Call((torch.randn(1, INPUTS, generator=rng, dtype=torch.float64),), {})

    measured = measure_nullity(function, draw, expected=expected)
    assert measured.status == "clear", measured.reason
    assert measured.nullity is not None
    return measured.nullity


def generator() -> torch.Generator:
    """A fresh source of the same numbers."""
    return torch.Generator().manual_seed(0)


def worker(method: str, parameters: str, expected: str | None = None) -> dict[str, Any]:
    """One measurement; the memory is what it adds to that of the model."""
    model = model_of(int(parameters))
    known = None if expected is None else int(expected)
    before = peak()
    start = time.perf_counter()
    nullity = obvious(model) if method == "script" else ours(model, known)
    seconds = time.perf_counter() - start
    count = sum(p.numel() for p in model.parameters())
    return {"parameters": count, "nullity": nullity, "seconds": seconds,
            "gigabytes": peak() - before}  # fmt: skip


def main() -> None:
    """Print the table."""
    sizes = [int(a) for a in sys.argv[1:]] or list(SIZES)
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads\n")
    head = ("parameters", "nullity", "script", "", "3 points", "", "time", "memory", "1 point",
            "time")  # fmt: skip
    print("".join(f"{h:>11}" for h in head))
    for size in sizes:
        script = measured(__file__, "script", size)
        three = measured(__file__, "symfind", size)
        assert script["nullity"] == three["nullity"], (script, three)
        one = measured(__file__, "symfind", size, three["nullity"])
        assert one["nullity"] == three["nullity"], (one, three)
        cells = (
            f"{three['parameters']:,}",
            f"{three['nullity']}",
            f"{script['seconds']:.1f} s",
            f"{script['gigabytes']:.2f} GB",
            f"{three['seconds']:.1f} s",
            f"{three['gigabytes']:.2f} GB",
            f"{script['seconds'] / three['seconds']:.1f}x",
            f"{script['gigabytes'] / max(three['gigabytes'], 1e-3):.1f}x",
            f"{one['seconds']:.1f} s",
            f"{script['seconds'] / one['seconds']:.1f}x",
        )
        print("".join(f"{c:>11}" for c in cells), flush=True)


if __name__ == "__main__":
    serve(worker) or main()
