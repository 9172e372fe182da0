"""The nullity of a model: symfind beside the obvious script and others, in time and peak memory.

The obvious script maps `torch.func.jacrev` over a batch of inputs and counts the singular values,
at one point of the parameters, with a fixed threshold. `scipy` is the same with the null space of
`scipy.linalg.null_space`; `curvlinops` (where it is installed) materialises the Gauss-Newton matrix
and counts its eigenvalues, which squares the spectrum. All are given the same model, parameters
and inputs of the same kind, and as many threads as there are; a nullity that differs is marked.
Times are those of the wall and of the processor: other work on the machine counts in one only.

symfind measures three points where nothing is known ("points"; "point" is one of them, which is
what the script answers), and one where directions are derived and span the null space there
("certificate"): the time of the latter includes the directions at that point, not their derivation,
which is a column of its own.
Every measurement runs in a process of its own, so that peaks of memory are its own. Run
`python benchmarks/certificate.py [--device cuda] [--methods NAME,NAME] [parameters ...]`; memory is
that of the device.
"""

import argparse
import math
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import Failed, measured, peak, serve
from torch import Tensor, nn

from symfind.analysis.derived import Derived
from symfind.count.counted import counted
from symfind.count.symbols import Symbols
from symfind.load import Inputs
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Call, Function, measure_nullity, nullity_at

SIZES = (500, 2000, 5000)
METHODS = ("script", "scipy", "curvlinops", "point", "points", "certificate")
ON_CPU = ("scipy", "curvlinops")
OUTPUTS, LAYERS = 8, 4
ROWS_PER_PARAMETER = 2.0
TOLERANCE = 1e-10  # relative singular value that counts as zero in the script


class Normed(nn.Module):
    """Residual blocks of two linear maps around a GELU, after RMSNorm; a norm before the head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, width, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(LAYERS))
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(LAYERS))
        self.down = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(LAYERS))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of one sample, or of a batch."""
        x = self.embed(x)
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            x = x + down(nn.functional.gelu(up(norm(x))))
        return self.head(self.norm(x))


def model_of(parameters: int) -> Normed:
    """The model whose size is nearest to a number of parameters."""

    def count(width: int) -> int:
        return sum(p.numel() for p in Normed(width).parameters())

    return Normed(min(range(2, 60), key=lambda width: abs(count(width) - parameters)))


def width_of(model: Normed) -> int:
    """The size of an input."""
    return model.embed.in_features


def jacobian(model: Normed, device: str = "cpu") -> Tensor:
    """Rows of many inputs, as the obvious script has them: [rows, parameters]."""
    theta = function_of(model, device).random_point(generator())
    count = sum(v.numel() for v in theta.values())
    samples = math.ceil(ROWS_PER_PARAMETER * count / OUTPUTS)
    x = torch.randn(samples, width_of(model), generator=generator(), dtype=torch.float64).to(device)

    def f(theta: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(model, theta, (x,))

    found = torch.func.vmap(torch.func.jacrev(f), (None, 0))(theta, x)
    return torch.cat([j.flatten(2).flatten(0, 1) for j in found.values()], 1)


def script(model: Normed, device: str) -> int:
    """The nullity by the obvious script."""
    rows = jacobian(model, device)
    values = torch.linalg.svdvals(rows)
    return rows.shape[1] - int((values > TOLERANCE * values[0]).sum())


def by_scipy(model: Normed, _: str) -> int:
    """The nullity as scipy's null space has it."""
    from scipy.linalg import null_space

    return int(null_space(jacobian(model).numpy(), rcond=TOLERANCE).shape[1])


def by_curvlinops(model: Normed, _: str) -> int:
    """The nullity by the eigenvalues of the Gauss-Newton matrix, squares of singular values."""
    from curvlinops import GGNLinearOperator

    model = model.double()
    for p, value in zip(model.parameters(), function_of(model).random_point(generator()).values(),
                        strict=True):  # fmt: skip
        p.data = value
    parameters = list(model.parameters())
    count = sum(p.numel() for p in parameters)
    samples = math.ceil(ROWS_PER_PARAMETER * count / OUTPUTS)
    x = torch.randn(samples, width_of(model), generator=generator(), dtype=torch.float64)
    data = [(x, torch.zeros(samples, OUTPUTS, dtype=torch.float64))]
    operator = GGNLinearOperator(model, nn.MSELoss(), parameters, data, check_deterministic=False)
    matrix = operator @ torch.eye(count, dtype=torch.float64)
    values = torch.linalg.eigvalsh(matrix)
    return count - int((values > 1e-13 * values[-1]).sum())


def function_of(model: Normed, device: str = "cpu") -> Function:
    """The model as symfind sees it."""
    return Function(model, (torch.randn(1, width_of(model)),), device=device)


def draw_of(model: Normed) -> Callable[[torch.Generator], Call]:
    """Draws inputs as the script does."""

    def draw(rng: torch.Generator) -> Call:
        return Call((torch.randn(1, width_of(model), generator=rng, dtype=torch.float64),), {})

    return draw


def by_points(model: Normed, device: str) -> int:
    """The nullity by symfind where nothing is known: three points, rows until nothing grows."""
    measured = measure_nullity(function_of(model, device), draw_of(model))
    assert measured.status == "clear" and measured.nullity is not None, measured.reason
    return measured.nullity


def by_point(model: Normed, device: str) -> int:
    """The nullity by symfind at one point, as the script has it: saturation, gap, null space."""
    function = function_of(model, device)
    measured = nullity_at(function, draw_of(model), function.random_point(generator()))
    assert measured.status == "clear" and measured.nullity is not None, measured.reason
    assert measured.null is not None and measured.null.shape[1] == measured.nullity
    return measured.nullity


def certified(found: Derived, model: Normed, device: str) -> int:
    """The nullity by symfind where the derived directions are all."""
    known = found.known()
    measured = measure_nullity(function_of(model, device), draw_of(model), known=known)
    assert measured.status == "clear" and measured.nullity is not None, measured.reason
    assert measured.nullity == measured.known == found.redundant and len(measured.points) == 1
    return measured.nullity


def generator() -> torch.Generator:
    """A fresh source of the same numbers."""
    return torch.Generator().manual_seed(0)


def worker(method: str, parameters: str, device: str) -> dict[str, Any]:
    """One measurement."""
    model = model_of(int(parameters))
    count = sum(p.numel() for p in model.parameters())
    derived = 0.0
    run: dict[str, Callable[[Normed, str], int]] = {
        "script": script, "scipy": by_scipy, "curvlinops": by_curvlinops, "point": by_point,
        "points": by_points,
    }  # fmt: skip
    if method == "certificate":
        start = time.perf_counter()
        inputs = Inputs((torch.randn(1, width_of(model)),))
        graph = trace(model, inputs.args, {})
        found = Derived(counted(graph, derive(graph), Symbols({})))
        derived = time.perf_counter() - start
        run[method] = lambda model, device: certified(found, model, device)
    if device != "cpu":
        torch.ones(1, device=device).sum().item()  # starting a device is not what is measured
    before = peak(device)
    start, worked = time.perf_counter(), time.process_time()
    nullity = run[method](model, device)
    seconds, processor = time.perf_counter() - start, time.process_time() - worked
    return {"parameters": count, "nullity": nullity, "seconds": seconds, "derived": derived,
            "gigabytes": peak(device) - before, "processor": processor}  # fmt: skip


def main(sizes: list[int], methods: list[str], device: str) -> None:
    """Print the table."""
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
          f"{device}\n")  # fmt: skip
    head = (
        "parameters",
        "nullity",
        "method",
        "wall",
        "processor",
        "memory",
        "wall",
        "processor",
        "memory",
        "derived",
    )
    print("".join(f"{h:>11}" for h in head))
    for size in sizes:
        reference: dict[str, Any] | None = None
        for method in methods:
            try:
                found = measured(__file__, method, size, device)
            except Failed as error:
                missing = "No module named" in str(error)
                why = "not installed" if missing else str(error)
                print(f"{size:>11,}{'':>11}{method:>11}  {why}", flush=True)
                continue
            reference = reference or found
            equal = "" if found["nullity"] == reference["nullity"] else " !"
            cells = (
                f"{found['parameters']:,}",
                f"{found['nullity']}{equal}",
                method,
                f"{found['seconds']:.1f} s",
                f"{found['processor']:.1f} s",
                f"{found['gigabytes']:.2f} GB",
                f"{reference['seconds'] / found['seconds']:.1f}x",
                f"{reference['processor'] / found['processor']:.1f}x",
                f"{reference['gigabytes'] / max(found['gigabytes'], 1e-3):.1f}x",
                f"{found['derived']:.1f} s" if found["derived"] else "",
            )
            print("".join(f"{c:>11}" for c in cells), flush=True)


if __name__ == "__main__":
    if not serve(worker):
        parser = argparse.ArgumentParser(description="The nullity of a model, measured.")
        parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
        parser.add_argument("--device", default="cpu")
        parser.add_argument("--methods")
        given = parser.parse_args()
        able = [m for m in METHODS if given.device == "cpu" or m not in ON_CPU]
        main(given.sizes, given.methods.split(",") if given.methods else able, given.device)
