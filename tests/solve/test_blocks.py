"""Blocks of packed tensors as ranges are what they are as lists of places."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from symfind.graph import primitives as p
from symfind.graph.wires import ancestors
from symfind.solve.point.values import Environment
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.discrete.models import Heads


class Written(TorchFunctionMode):
    """Calls are written down, so that places are named."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Parts(nn.Module):
    """Rows and columns of one weight that are read apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 7))

    def forward(self, x: Tensor) -> Tensor:
        left = (x[:, :3] @ self.weight[:4, :3].T).relu()
        right = (x[:, :4] @ self.weight[4:, 3:].T).tanh()
        return torch.cat([left, right], -1)


MODELS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "packed": (Heads, torch.randn(2, 4, 3)),
    "interleaved": (lambda: Heads(interleaved=True), torch.randn(2, 4, 3)),
    "grouped": (lambda: Heads(groups=2), torch.randn(2, 4, 3)),
    "parts": (Parts, torch.randn(5, 4)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_block_as_a_range(name: str) -> None:
    build, x = MODELS[name]
    model = build().eval()
    lowered = derive(trace(model, (x,), {})).lowered
    theta = {n: v.detach().double() for n, v in model.named_parameters()}
    env = Environment(theta)
    sources = [n for n in ancestors(lowered.outputs) if isinstance(n, p.Source)]
    packed = [s for s in sources if s.role == "parameter" and len(s.cells) > 1]
    assert packed
    for source in packed:
        whole = torch.randn(source.shape, dtype=torch.float64)
        for cell in range(len(source.cells)):
            block = env.take(source, cell, whole)
            drawn = torch.randn_like(block)

            def three(source=source, cell=cell, drawn=drawn, whole=whole) -> list[Tensor]:
                return [
                    env.take(source, cell, whole),
                    env.put(source, cell, drawn),
                    env.put(source, cell, drawn, onto=whole),
                    env.replaced(source, cell, drawn, within=whole),
                ]

            before = whole.clone()
            with Written():
                named = three()
            for one, other in zip(three(), named, strict=True):
                assert torch.equal(one, other)
            assert torch.equal(whole, before)
            many = torch.stack([drawn, 2 * drawn])
            placed = torch.func.vmap(lambda b, s=source, c=cell: env.put(s, c, b))(many)
            assert torch.equal(placed[1], 2 * named[1])
