"""Laws of gradient flow of random networks: found by symfind, and expected.

50 linear networks (2 to 4 layers, widths 2 to 5) and 50 ReLU networks (widths 2 to 9). Expected
for linear ones: the rank of the gradients of W W^T − W'^T W', in exact arithmetic modulo a prime;
for ReLU ones: one for each hidden unit; and, for both, what the Lie algebra of the gradients leaves
room for (Marcotte, Gribonval, Peyré 2023), computed from the module alone up to 100 parameters.
That is an upper bound where a ReLU is dead or always on at every point that was tried; such
networks are told, and are wrong only if it lies below what was found.
Run `python benchmarks/conservation.py [networks of each kind]`.
"""

import random
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import symfind  # noqa: E402
from symfind.conserve import generic_point, lie_closure  # noqa: E402
from symfind.verify import Function  # noqa: E402
from tests.conserve.networks import chain, linear_laws, random_widths  # noqa: E402

CLOSED = 100  # parameters, up to which the Lie algebra is computed as well


def room(model: nn.Module, width: int) -> int | None:
    """Laws that the Lie algebra of the gradients leaves room for; None where it is too large."""
    rng = torch.Generator().manual_seed(1)
    count = sum(p.numel() for p in model.parameters())
    if count > CLOSED:
        return None
    scale = torch.rand(3 * count, 1, generator=rng) * 3 + 0.2
    function = Function(model, (scale * torch.randn(3 * count, width, generator=rng),))
    calls = [function.inputs]
    found = lie_closure(function, generic_point(function, calls, rng), calls, rng)
    return count - found.dimension if found.closed else None


def main() -> int:
    """Compare all; the exit code is 1 where one differs."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rng = random.Random(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    wrong = 0
    for kind, least, most in (("linear", 2, 5), ("ReLU", 2, 9)):
        start, spent, right, recounted = time.process_time(), 0.0, 0, 0
        for _ in range(number):
            widths = random_widths(rng, least, most)
            if kind == "linear":
                model, expected = chain(*widths), linear_laws(widths)
            else:
                bias = rng.random() < 0.5
                model, expected = chain(*widths, activation=nn.ReLU, bias=bias), sum(widths[1:-1])
            begin = time.process_time()
            found = symfind.conserved(model, torch.randn(16, widths[0]), check=False).count
            spent += time.process_time() - begin
            second = room(model, widths[0])
            loose = kind == "ReLU" and second is not None and second > expected
            recounted += second is not None and not loose
            if found == expected and (loose or second in (None, expected)):
                right += 1
            if found != expected or second not in (None, expected):
                print(f"{kind} {widths}: found {found}, expected {expected}, room for {second}")
        wrong += number - right
        total = time.process_time() - start
        print(
            f"{kind:<7}{right}/{number} right ({recounted} by their Lie algebra too), "
            f"{spent:.1f} s of processor time for symfind, {total:.1f} s in all"
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
