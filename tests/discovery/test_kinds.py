"""Kinds of symmetries without a rule, in small networks: found, counted, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import symfind


class Net(nn.Module):
    """Some layers and tensors, and what is done with them."""

    def __init__(self, forward: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)

    def forward(self, *x: Tensor) -> Tensor:
        return self.run(self, *x)


def signed(m: Any, x: Tensor, y: Tensor) -> Tensor:
    metric = torch.tensor([1.0, 1.0, -1.0], dtype=x.dtype)
    return torch.tanh((m.p(x) * metric * m.p(y)).sum(1))


# the number is what there is: O(3) of a form with weights and the scales of these; O(2, 1);
# gl(2) in two tensors; a scale for each unit between normalised layers, and one for each of their
# rows; two shifts and nothing for a gate that only opens; a wall that no field crosses
KINDS: dict[str, tuple[int, bool, Callable[[], tuple[nn.Module, Any]]]] = {
    "quadratic": (3 + 3, True, lambda: (
        Net(lambda m, x: m.w(x).square() @ m.a, w=nn.Linear(3, 3), a=torch.randn(3)),
        torch.randn(32, 3))),
    "signed": (3, True, lambda: (
        Net(signed, p=nn.Linear(4, 3)), (torch.randn(32, 4), torch.randn(32, 4)))),
    "two squares": (1 + 1 + 4, True, lambda: (
        Net(lambda m, x: m.p(x).square().sum(1) - m.q(x).square().sum(1),
            p=nn.Linear(4, 2, bias=False), q=nn.Linear(4, 2, bias=False)), torch.randn(32, 4))),
    "weights over norms": (3 + 3 + 2, True, lambda: (
        nn.Sequential(weight_norm(nn.Linear(3, 3)), nn.ReLU(), weight_norm(nn.Linear(3, 2))),
        torch.randn(32, 3))),
    "gate": (0, False, lambda: (
        Net(lambda m, x: (m.g(x) > 0.1).to(x) * m.v(x).sin(),
            g=nn.Linear(2, 2), v=nn.Linear(2, 2)), torch.randn(16, 2))),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str) -> None:
    torch.manual_seed(0)
    dimension, complete, build = KINDS[kind]
    report = symfind.analyze(*build())
    assert report.dimension.redundant == dimension
    assert report.is_complete is complete
    assert report.certificate.nullity >= dimension
    if not complete:
        assert {one.kind for one in report.certificate.unexplained_sets} == {"piecewise"}
