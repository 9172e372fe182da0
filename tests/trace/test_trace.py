import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from symfind.errors import TraceError
from symfind.load.outputs import results
from symfind.trace import Graph, execute, export, trace, ways
from symfind.trace.blame import is_user_file
from tests.trace import models


def evaluate(model: nn.Module, theta: dict, args: tuple, kwargs: dict) -> list[Tensor]:
    found: list[tuple[str, Tensor]] = []
    found.extend(results(torch.func.functional_call(model, theta, args, kwargs)))
    return [tensor for _, tensor in found]


def double(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def check(
    model: nn.Module,
    args: tuple = (),
    kwargs: dict | None = None,
    train: bool = False,
    tolerance: float = 1e-12,
) -> Graph:
    """Trace, then compare the graph with the model at random weights, in float64."""
    kwargs = kwargs or {}
    graph = trace(model, args, kwargs, train)
    model.train(train)
    model.double()
    theta = {name: 0.3 * torch.randn_like(p.detach()) for name, p in model.named_parameters()}
    theta |= {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
    args = tuple(double(a) for a in args)
    kwargs = {name: double(a) for name, a in kwargs.items()}
    expected = evaluate(model, theta, args, kwargs)
    inputs = {op.key: t for op, t in zip(graph.inputs, [*args, *kwargs.values()], strict=True)}
    found = execute(graph, {name: theta[name] for name in graph.parameters}, inputs)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs.double(), rtol=tolerance, atol=tolerance)
    assert len({op.name for op in graph.ops}) == len(graph.ops)
    for op in graph.ops:
        assert all(op in operand.users for operand in op.operands)
    return graph


def targets(graph: Graph) -> list[str]:
    return [op.target for op in graph.ops]


def test_perceptron() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(5, 2))
    graph = check(model, (torch.randn(4, 3),))
    assert targets(graph)[-4:] == [
        "aten.linear.default",
        "aten.relu.default",
        "aten.linear.default",
        "output",
    ]
    assert list(graph.parameters) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert graph.network.number_of_edges() == 8
    assert [op.module for op in graph.ops[-4:-1]] == ["0", "1", "3"]


def test_tied_parameter_is_one_operation() -> None:
    graph = check(models.Tied(), (torch.tensor([[1, 2]]),))
    assert set(graph.parameters) == {"embed.weight", "spare"}
    assert graph.unread == ["spare"]
    assert len(graph.parameters["embed.weight"].users) == 2


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_norm_is_on_the_original_parameters(old: bool) -> None:
    norm = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
    model = nn.Sequential(norm(nn.Linear(3, 4)), nn.ReLU())
    weight = model[0].__dict__.get("weight")
    graph = trace(model, (torch.randn(2, 3),), {})
    assert model[0].__dict__.get("weight") is weight
    graph = check(model, (torch.randn(2, 3),))
    shapes = {op.shape for op in graph.parameters.values()}
    assert shapes == {(4,), (4, 1), (4, 3)}


def fail(*_: Any) -> None:
    raise RuntimeError("not this way")


@pytest.mark.parametrize("way", ["recorded", "direct", "proxied"])
def test_model_that_mutates(way: str, monkeypatch: Any, capsys: Any) -> None:
    if way != "recorded":
        monkeypatch.setattr(ways, "recorded", fail)
    if way == "proxied":
        monkeypatch.setattr(export, "_direct", export._symbolic)
        monkeypatch.setattr(export, "_symbolic", export._proxied)
    model = models.Mutating()
    trace(model, (torch.randn(2, 3),), {})
    assert capsys.readouterr().out == ""
    assert model.hidden is None
    scale = model.scale.double()
    graph = trace(model, (torch.randn(2, 3),), {})
    assert [op.key for op in graph.outputs] == ["a", "b.1"]
    (tril,) = [op for op in graph.ops if op.target == "aten.tril.default"]
    assert torch.equal(tril.value(), torch.ones(2, 3).double().tril())
    assert [op for op in graph.ops if op.target == "constant"]
    model.scale = scale
    check(copy.deepcopy(model), (torch.randn(2, 3),))


def test_every_way_reaches_the_same_graph(monkeypatch: Any) -> None:
    expected = targets(trace(models.Recurrent(), (torch.randn(2, 5, 3),), {}))
    for module, name in ((ways, "recorded"), (export, "_direct")):
        monkeypatch.setattr(module, name, fail)
        found = targets(trace(models.Recurrent(), (torch.randn(2, 5, 3),), {}))
        assert sorted(found) == sorted(expected)


def test_recurrent_and_attention() -> None:
    check(models.Recurrent(), (torch.randn(2, 5, 3),))
    check(nn.MultiheadAttention(8, 2), (torch.randn(3, 2, 8),) * 3)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    check(nn.TransformerEncoder(layer, 2), (torch.randn(2, 3, 8),))


@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_has_one_spelling(train: bool) -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.Flatten())
    graph = check(model, (torch.randn(2, 3, 5),), train=train)
    (norm,) = [op for op in graph.ops if op.target == "aten.batch_norm.default"]
    assert len(norm.args) == 8 and norm.args[5] is train and norm.shape == (2, 4, 4)
    assert graph.outputs[0].args[0].target == "aten.view.default"


def test_dropout_is_off_in_training_mode() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    assert "dropout" not in " ".join(targets(trace(model, (torch.randn(2, 3),), {}, train=True)))
    assert model.training and model[1].training


def test_frozen_parameters_are_constants() -> None:
    model = models.Frozen()
    graph = check(model, (torch.randn(2, 3),), {"gain": torch.randn(2)})
    (frozen,) = [op for op in graph.ops if op.key == "first.weight"]
    assert frozen.constant and torch.equal(frozen.value(), model.first.weight.double())
    assert "first.weight" not in graph.parameters
    assert [op.key for op in graph.inputs] == ["x", "gain"]


def test_casts_between_floating_dtypes_vanish() -> None:
    model, x = models.Casting(), torch.randn(2, 3)
    graph = trace(model, (x,), {})
    (cast,) = [op for op in graph.ops if op.target == "aten._to_copy.default"]
    assert cast.dtype == torch.float32 and cast.args[0].dtype == torch.bool
    theta = {name: p.detach() for name, p in model.named_parameters()}
    (found,) = execute(graph, theta, [x])
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), model(x).float(), rtol=1e-5, atol=1e-5)


def test_model_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout()).train()
    hook = model[0].register_forward_hook(lambda *_: None)
    model[0].bias.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    identity = [id(p) for p in model.parameters()]
    states = torch.get_rng_state(), random.getstate()
    trace(model, (torch.randn(2, 3, generator=torch.Generator()),), {}, train=True)
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert identity == [id(p) for p in model.parameters()]
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(m.training for m in model.modules())
    assert hook.id in model[0]._forward_hooks and not model[0].bias.requires_grad


def test_error_names_the_line_of_a_branch_on_data(capfd: Any) -> None:
    with pytest.raises(TraceError, match=r"Branch.*models\.py:\d+ in forward: if y\.sum\(\) > 0"):
        trace(models.Branch(), (torch.randn(2, 3),), {})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.ReLU(), "no trainable parameters"),
        (models.Labels(), "no floating-point tensors"),
        (nn.Linear(4, 3), "example inputs"),
    ],
)
def test_errors(model: nn.Module, text: str) -> None:
    with pytest.raises(TraceError, match=text):
        trace(model, (torch.randn(2, 3),), {})


def test_packages_whose_names_begin_like_torch_are_not_torch() -> None:
    packages = Path(torch.__file__).parent.parent
    assert is_user_file(str(packages / "torchvision" / "ops" / "boxes.py"))
    assert not is_user_file(torch.nn.functional.__file__)


def test_where_names_the_users_line() -> None:
    graph = trace(models.Frozen(), (torch.randn(2, 3),), {"gain": torch.ones(2)})
    (relu,) = [op for op in graph.ops if op.target == "aten.relu.default"]
    assert relu.where.startswith("models.py:") and "self.second(torch.relu" in relu.where


def test_padding_by_nothing_is_no_operation() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            same = nn.functional.pad(x, (0, 0, 0, 0))
            return self.read(nn.functional.pad(same, (0, 1)))

    graph = check(Padded(), (torch.randn(2, 3),))
    assert sum("pad" in op.target for op in graph.ops) == 1
