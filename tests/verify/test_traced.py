"""Models whose own derivatives are none, or lie: their function is differentiated all the same."""

import pytest
import torch
from torch import Tensor, nn

import symfind


class Two(nn.Module):
    """A bond of five units between two linear maps; what differs is how it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class Inference(Two):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Frozen(Two):
    @torch.no_grad()
    def inner(self, x: Tensor) -> Tensor:
        return torch.relu(self.a(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.inner(x))


class Detached(Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)).detach())


class Data(Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)).data)


class _Lie(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return torch.relu(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class _Again(torch.autograd.Function):
    @staticmethod
    def forward(ctx, run, count: int, *tensors: Tensor) -> Tensor:
        ctx.run, ctx.inputs, ctx.rest = run, tensors[:count], tensors[count:]
        with torch.no_grad():
            return run(*ctx.inputs)

    @staticmethod
    def backward(ctx, grad: Tensor):
        inputs = [x.detach().requires_grad_() for x in ctx.inputs]
        with torch.enable_grad():
            out = ctx.run(*inputs)
        found = torch.autograd.grad(out, [*inputs, *ctx.rest], grad, allow_unused=True)
        return None, None, *found


class Through(Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(_Lie.apply(self.a(x)))


class Recomputed(Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(_Again.apply(self.a, 1, x, *self.a.parameters())))


@pytest.mark.parametrize("kind", [Two, Inference, Frozen, Detached, Data, Through, Recomputed])
def test_the_function_counts_and_not_how_it_is_written(kind: type[Two]) -> None:
    report = symfind.analyze(kind(), torch.randn(6, 3))
    assert report.verification.status == "verified"
    assert report.dimension.redundant == 5
    assert (report.certificate.status, report.certificate.nullity) == ("complete", 5)


def test_a_graph_that_is_not_the_model_is_not_taken() -> None:
    """What runs depends on values: with one of the two ways recorded, the derivatives are none."""

    class Branches(Inference):
        @torch.inference_mode()
        def forward(self, x: Tensor) -> Tensor:
            found = self.a(x)
            return self.b(found.tanh() if torch.compiler.is_compiling() else found.relu())

    certificate = symfind.analyze(Branches(), torch.randn(6, 3)).certificate
    assert certificate.status != "complete"
