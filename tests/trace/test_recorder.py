"""Recording a forward pass: aliases, values that are known, and values that are not."""

import functools
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.errors import TraceError
from symfind.trace import trace, ways
from tests.trace import models
from tests.trace.test_trace import check, targets

Forward = Callable[["Net", Tensor], Tensor]


class Net(nn.Module):
    """A layer, a buffer and a plain tensor around a forward pass that is given."""

    def __init__(self, run: Forward) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.register_buffer("shift", torch.tensor([1.0, 2.0, 0.5, 3.0]))
        self.plain = torch.tensor([0.5, 1.5])
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, self.layer(x))


@pytest.fixture(autouse=True)
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the recorder stand alone."""

    def refuse(*args: object) -> None:
        raise args[-1]  # type: ignore[misc]

    monkeypatch.setattr(ways, "exported", refuse)


def slices_in_place(m: Net, y: Tensor) -> Tensor:
    out = torch.zeros(y.shape[0], 8)
    out[:, :4] = y
    out[:, 4:] += y[:, [2, 0, 1, 3]]
    return out


def views_of_one_memory(m: Net, y: Tensor) -> Tensor:
    pairs = y.view(-1, 2, 2)
    pairs[:, 0].mul_(2.0)
    last = y.transpose(0, 1)[-1]
    last += pairs[:, 1, 0]
    return pairs.flatten(1) * y


def pieces(m: Net, y: Tensor) -> Tensor:
    a, b = y.chunk(2, 1)
    a.relu_()
    b += a
    c, d = y.split([1, 3], 1)
    d.unbind(1)[1].fill_(0.25)
    return torch.cat([y, c, d], 1)


def shapes_in_place(m: Net, y: Tensor) -> Tensor:
    z = y[:1].clone()
    z.squeeze_(0)
    z.unsqueeze_(1).t_()
    z.diagonal()[:1].exp_()
    return z + y


def detached_writes(m: Net, y: Tensor) -> Tensor:
    y.data.clamp_(-0.1, 0.1)
    m.layer.weight.data = m.layer.weight.data * 2
    return F.linear(y[:, :3], m.layer.weight)


def writes_to_results(m: Net, y: Tensor) -> Tensor:
    out = torch.empty(y.shape)
    torch.mul(y, 2.0, out=out)
    return out.sigmoid_() + y


def constants_are_computed(m: Net, y: Tensor) -> Tensor:
    count = int(m.shift.sum().item())
    mask = torch.arange(4) % 2 == 0
    for _ in range(count - 5):
        y = y + 1
    assert m.shift.tolist()[3] == 3.0 and mask.any()
    return y[:, mask] * y.new_tensor([2.0, 3.0]) * m.plain


def masks_of_constants(m: Net, y: Tensor) -> Tensor:
    frame = y.new_zeros(4)
    frame[1:3] = 1
    kept = y.masked_select(frame.bool().expand_as(y)).view(-1, 2)
    return torch.repeat_interleave(kept, torch.tensor([2, 1]), dim=1)


def scattered(m: Net, y: Tensor) -> Tensor:
    table = torch.zeros(y.shape[0], 5)
    table.scatter_(1, torch.tensor([[3, 1, 0, 2]]).expand(y.shape[0], 4), y)
    table.index_add_(1, torch.tensor([4, 0]), y[:, :2])
    return table


def batched(m: Net, y: Tensor) -> Tensor:
    return torch.vmap(lambda row: row * m.shift + row.sum())(y)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return torch.tanh(y) * 2

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        return g


def by_a_function(m: Net, y: Tensor) -> Tensor:
    return Doubled.apply(y)


def without_gradients(m: Net, y: Tensor) -> Tensor:
    with torch.no_grad():
        y = y * 2
    with torch.inference_mode():
        return y + m.shift


RUNS = [
    slices_in_place, views_of_one_memory, pieces, shapes_in_place, writes_to_results,
    constants_are_computed, masks_of_constants, scattered, batched, by_a_function,
    without_gradients,
]  # fmt: skip


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_graph_computes_what_the_model_does(run: Forward) -> None:
    model = Net(run)
    model.plain = model.plain.double()
    torch.set_default_dtype(torch.float64)
    try:
        check(model.double(), (torch.randn(5, 3),))
    finally:
        torch.set_default_dtype(torch.float32)


def test_writes_to_the_data_of_parameters() -> None:
    model = Net(detached_writes)
    before = model.layer.weight.detach().clone()
    graph = trace(model, (torch.randn(4, 3),), {})
    assert torch.equal(model.layer.weight, before)
    assert [t for t in targets(graph) if t.startswith("aten")] == [
        "aten.linear.default", "aten.clamp.default", "aten.mul.Tensor", "aten.slice.Tensor",
        "aten.linear.default",
    ]  # fmt: skip


def test_buffers_that_are_written_to_get_their_values_back() -> None:
    def run(m: Net, y: Tensor) -> Tensor:
        m.shift += 1  # for real
        m.plain[0] = y.sum()  # not for real
        return y * m.shift.sum() * m.plain.prod()

    model = Net(run)
    before = model.shift.clone(), model.plain.clone()
    graph = trace(model, (torch.randn(4, 3),), {})
    assert torch.equal(model.shift, before[0]) and torch.equal(model.plain, before[1])
    assert "aten.select_scatter.default" in targets(graph)


def test_what_a_cache_keeps_can_be_used_for_derivatives() -> None:
    @functools.cache
    def table() -> Tensor:
        return torch.arange(4.0) * torch.tensor(2.0)

    model = Net(lambda m, y: y * table())
    trace(model, (torch.randn(4, 3),), {})
    assert not table().is_meta
    model(torch.randn(4, 3)).sum().backward()
    assert model.layer.weight.grad is not None


def raises(m: Net, y: Tensor) -> Tensor:
    if torch.isnan(y).any():
        raise ValueError(f"not a number: {y.sum().item()} {y.max():.2f}")
    return y * 2


def deep_down(m: Net, y: Tensor) -> Tensor:
    for _ in range(3):
        raises(m, y)
    return y * 2


@pytest.mark.parametrize(("run", "name"), [
    (raises, "ValueError"), (models.asserts, "AssertionError"), (deep_down, "ValueError"),
])  # fmt: skip
def test_a_guard_that_can_only_raise_is_taken_as_not_raised(run: Forward, name: str) -> None:
    graph = trace(Net(run), (torch.randn(4, 3),), {})
    assert [t for t in targets(graph) if t.startswith("aten")] == [
        "aten.linear.default", "aten.mul.Tensor",
    ]  # fmt: skip
    assert graph.notes and all(name in note and ".py:" in note for note in graph.notes)


def test_a_branch_that_changes_nothing_is_taken() -> None:
    def run(m: Net, y: Tensor) -> Tensor:
        if y.max() > 3:
            warnings.warn(f"large: {y.max().item():.3f}", stacklevel=1)
        return y * 2

    assert trace(Net(run), (torch.randn(4, 3),), {}).notes == ()


def two_ways(m: Net, y: Tensor) -> Tensor:
    return y if y.max() > 3 else y * 2


def loops(m: Net, y: Tensor) -> Tensor:
    count = 0
    while y.norm() > 1:
        y, count = y / 2, count + 1
        if count > 10:
            raise RuntimeError("does not converge")
    return y


def numbers(m: Net, y: Tensor) -> Tensor:
    return y * y.sum().item()


def counts(m: Net, y: Tensor) -> Tensor:
    return y[y[:, 0] > 0]


@pytest.mark.parametrize(("run", "why"), [
    (two_ways, "path that forward takes"), (loops, "path that forward takes"),
    (numbers, "a number is read"), (counts, "how many entries"),
])  # fmt: skip
def test_what_depends_on_data_names_the_innermost_line(run: Forward, why: str) -> None:
    with pytest.raises(Exception) as caught:
        trace(Net(run), (torch.randn(4, 3),), {})
    from symfind.trace.blame import blame

    error = blame(Net(run), caught.value)
    assert isinstance(error, TraceError) and why in str(error)
    assert f"in {run.__name__}: " in str(error)


def test_a_type_and_a_device_are_those_of_plain_tensors() -> None:
    def run(m: Net, y: Tensor) -> Tensor:
        assert type(y) is Tensor and type(m.layer.weight) is nn.Parameter
        assert y.device == m.shift.device and y.device.type == "cpu" and not y.is_meta
        return y + torch.ones(4, device=y.device)

    trace(Net(run), (torch.randn(4, 3),), {})
