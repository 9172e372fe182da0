import copy
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from symfind.errors import InputError
from symfind.trace import trace
from symfind.verify.function import Call, Function
from tests.ground_truth.models import CASES, Case

BY_NAME = {case.name: case for case in CASES}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def function_of(case: Case) -> Function:
    model, args, kwargs = case.build()
    return Function(model, args, kwargs, train=case.train)


SAMPLE = [  # fmt: skip
    "relu-6-5-4-6",
    "batchnorm-train",
    "weight-norm",
    "multihead-self",
    "squeeze-excite",
    "latent-attention",
    "gpt2-1-tied",
    "llama-1-untied",
    "bert-1-tied",
    "t5-1-untied",
]


@pytest.mark.parametrize("name", SAMPLE)
def test_jvp_and_jacobian_agree_with_differences(name: str) -> None:
    function = function_of(BY_NAME[name])
    theta = function.random_point(generator())
    rho = function.random_point(generator(1))
    jvp = function.jvp(theta, rho)
    jacobian = function.jacobian(theta)
    assert jacobian.dtype == torch.float64
    assert jacobian.shape == (len(function(theta)), function.count)
    scale = jvp.norm()
    assert (jacobian @ function.flatten(rho) - jvp).norm() < 1e-11 * scale
    step = 1e-6
    plus = function({n: theta[n] + step * rho[n] for n in theta})
    minus = function({n: theta[n] - step * rho[n] for n in theta})
    # float32 anywhere inside would leave errors of 1e-7 / step
    assert ((plus - minus) / (2 * step) - jvp).norm() < 1e-6 * scale


def test_forward_mode_equals_reverse_mode() -> None:
    function = Function(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), (torch.randn(40, 3),))
    theta = function.random_point(generator())
    rows = 80
    assert rows > 3 * function.count
    forward = function._forward_jacobian(theta, function.inputs)
    assert forward is not None
    assert torch.allclose(function.jacobian(theta), forward, atol=1e-13)
    few = Call((function.inputs.args[0][:2],), {})
    assert torch.allclose(function.jacobian(theta, few), forward[:4], atol=1e-13)


class Upcasting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.table = torch.randn(4, 4)  # a plain attribute, neither parameter nor buffer
        self.register_buffer("frequencies", torch.rand(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() @ self.weight.to(torch.float32) @ self.table
        x = F.softmax(x, dim=-1, dtype=torch.float32).type_as(x)
        x = x * torch.rsqrt(x.to(dtype=torch.float32).pow(2).mean(-1, keepdim=True))
        angles = torch.arange(2, dtype=torch.float32) * self.frequencies.half()
        turned = torch.view_as_complex(x.reshape(*x.shape[:-1], 2, 2).contiguous())
        turned = turned * torch.polar(torch.ones_like(angles), angles).to(torch.complex64)
        x = torch.view_as_real(turned).flatten(-2)
        mask = torch.zeros(1, dtype=torch.bfloat16) + torch.tensor(0.5, dtype=torch.float32)
        return (x + mask).bfloat16().type(torch.float32)


def test_evaluation_never_loses_precision() -> None:
    function = Function(Upcasting(), (torch.randn(3, 4),))
    theta = function.random_point(generator())
    rho = function.random_point(generator(1))
    value = function(theta)
    assert value.dtype == torch.float64
    assert (value.float().double() - value).abs().max() > 0
    step = 1e-6
    plus = function({"weight": theta["weight"] + step * rho["weight"]})
    minus = function({"weight": theta["weight"] - step * rho["weight"]})
    jvp = function.jvp(theta, rho)
    assert ((plus - minus) / (2 * step) - jvp).norm() < 1e-8 * jvp.norm()


def test_composes_with_torch_func() -> None:
    function = Function(Upcasting(), (torch.randn(3, 4),))
    theta = function.random_point(generator())
    jacobian = function.jacobian(theta)
    assert torch.allclose(torch.func.jacrev(function)(theta)["weight"].flatten(1), jacobian)
    assert torch.allclose(torch.func.jacfwd(function)(theta)["weight"].flatten(1), jacobian)


class Restless(nn.Module):
    """Writes to everything it can reach during the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.old = torch.nn.utils.weight_norm(nn.Linear(4, 2))
        self.register_buffer("seen", torch.zeros(()))
        self.calls, self.cache = 0, {}

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.cache["x"] = x
        self.seen += 1
        return self.old(self.inner(x)) + torch.rand(())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("train", [False, True])
def test_module_and_random_state_are_unchanged(train: bool) -> None:
    model = Restless()
    model.inner[0].eval()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    weight, modes = model.old.weight, [m.training for m in model.modules()]
    hooks = [len(m._forward_pre_hooks) for m in model.modules()]
    state = torch.random.get_rng_state()
    function = Function(model, (torch.randn(5, 3, generator=generator()),), train=train)
    theta = function.random_point(generator())
    assert torch.equal(function(theta), function(theta))
    function.jvp(theta, function.random_point(generator(1)))
    function.jacobian(theta)
    after = model.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before)
    assert model.old.weight is weight and model.calls == 0 and model.cache == {}
    assert [m.training for m in model.modules()] == modes
    assert [len(m._forward_pre_hooks) for m in model.modules()] == hooks
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32
    assert all(p.grad is None and p.dtype == torch.float32 for p in model.parameters())


def test_a_seed_is_not_kept_for_devices_that_are_not_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    class Noisy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            drawn.append(torch.rand(2))
            return super().forward(x)

    function = Function(Noisy(3, 2), (torch.ones(3),))
    theta = function.random_point(generator())
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("all devices are seeded"))
    for _ in range(2):
        function(theta)
    assert torch.equal(drawn[-1], drawn[-2])


def test_module_is_restored_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout())
    function = Function(model, (torch.randn(2, 5),))
    with pytest.raises(RuntimeError):
        function(function.random_point(generator()))
    assert model.training and model[1].training
    assert model[0].weight.dtype == torch.float32 and torch.get_default_dtype() == torch.float32


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    x = torch.randn(2, 4)
    function = Function(model, (x,))
    assert function.names == ("0.weight",) and function.count == 16
    theta = function.random_point(generator())
    w, x = theta["0.weight"], x.double()
    assert torch.allclose(function(theta), (torch.tanh(x @ w.T) @ w.T).flatten())


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_modules_read_the_given_weights(cell: type[nn.RNNBase]) -> None:
    model = cell(3, 4, num_layers=2, batch_first=True)
    function = Function(model, (torch.randn(2, 5, 3),))
    theta = function.random_point(generator())
    twin = copy.deepcopy(model).double()
    twin.load_state_dict(dict(theta))
    output, state = twin(function.inputs.args[0])
    state = state if isinstance(state, tuple) else (state,)
    expected = torch.cat([t.flatten() for t in (output, *state)])
    assert torch.allclose(function(theta), expected)
    rho = function.random_point(generator(1))
    jvp = function.jvp(theta, rho)
    assert torch.allclose(function.jacobian(theta) @ function.flatten(rho), jvp)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_recompute_nothing(reentrant: bool) -> None:
    class Net(nn.Module):
        def __init__(self, plain: bool) -> None:
            super().__init__()
            self.part, self.last, self.plain = nn.Linear(3, 4), nn.Linear(4, 2), plain

        def hidden(self, x: Tensor) -> Tensor:
            return self.part(x).relu()

        def forward(self, x: Tensor) -> Tensor:
            if self.plain:
                return self.last(self.hidden(x))
            return self.last(checkpoint(self.hidden, x, use_reentrant=reentrant))

    x = torch.randn(5, 3)
    function, truth = Function(Net(False), (x,)), Function(Net(True), (x,))
    theta = truth.random_point(generator())
    assert torch.equal(function.jacobian(theta), truth.jacobian(theta))
    assert trace(Net(False), (x,), {}).unread == []
    original = torch.utils.checkpoint.CheckpointFunction
    assert issubclass(original, torch.autograd.Function)  # what was put aside is back


def test_attention_kernels_do_not_matter() -> None:
    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x, x, self.layer(x), dropout_p=0.5)

    function = Function(Fused(), (torch.randn(2, 5, 8),), train=True)
    theta, rho = function.random_point(generator()), function.random_point(generator(1))
    assert torch.equal(function(theta), function(theta))
    jvp = function.jvp(theta, rho)
    assert torch.allclose(function.jacobian(theta) @ function.flatten(rho), jvp)


@dataclass
class Result:
    first: Tensor
    rest: dict[str, Tensor | tuple[Tensor, ...]]


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Result:
        y = scale * self.linear(x)
        return Result(y, {"index": y.argmax(-1), "pair": (y[:1] * 2, y[:1] > 0)})


def test_structured_outputs_and_keywords() -> None:
    function = Function(Structured(), (torch.randn(4, 3),), {"scale": 2.0})
    value = function(function.random_point(generator()))
    assert value.shape == (8 + 2,)
    assert torch.equal(value[8:], 2 * value[:2])


def test_softmax_output_ignores_a_shift() -> None:
    model, x = nn.Linear(3, 4), torch.randn(5, 3)
    function = Function(model, (x,), output="softmax")
    theta = function.random_point(generator())
    shift = {"bias": torch.ones(4)}
    assert function.jvp(theta, shift).norm() < 1e-14
    assert Function(model, (x,)).jvp(theta, shift).norm() > 1


def test_frozen_parameters_keep_their_values() -> None:
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    function = Function(model, (torch.zeros(1, 3),))
    assert function.names == ("weight",)
    assert torch.equal(function(function.random_point(generator())), model.bias.double())


def test_meta_model() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    with pytest.raises(InputError, match="1.running_mean"):
        Function(model, (torch.randn(4, 3),))
    given = {"1.running_mean": torch.zeros(2), "1.running_var": torch.ones(2),
             "1.num_batches_tracked": torch.tensor(0)}  # fmt: skip
    function = Function(model, (torch.randn(4, 3),), buffers=given)
    theta = function.random_point(generator())
    assert function.jacobian(theta).shape == (8, function.count)


def test_jvp_of_an_operation_without_forward_derivative() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            return Square.apply(x * self.w)

    function = Function(Model(), (torch.randn(3, 4),))
    theta, rho = function.random_point(generator()), function.random_point(generator(1))
    jvp = function.jvp(theta, rho)
    assert torch.allclose(function.jacobian(theta) @ function.flatten(rho), jvp)


@pytest.mark.parametrize("bad", ["NaN", "Inf"])
def test_non_finite_outputs_are_named(bad: str) -> None:
    class Model(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            return torch.log(-y.square()) if bad == "NaN" else y / 0

    function = Function(Model(3, 2), (torch.randn(2, 3),))
    with pytest.raises(InputError, match=bad):
        function(function.random_point(generator()))


def test_only_logits_of_a_transformers_output() -> None:
    function = function_of(BY_NAME["t5-1-untied"])
    assert len(function(function.random_point(generator()))) == 3 * 5 * 11


class Laid(nn.Module):
    """A normalisation by constants whose gradient comes with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.out = nn.Linear(3, 3), nn.BatchNorm2d(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.first(x)).flatten(2).transpose(1, 2)
        return self.out(F.layer_norm(tokens, [8])).tanh().mean(1)


@pytest.mark.parametrize("rows", [1, 3])
def test_derivatives_are_those_of_the_function_whatever_the_layout(rows: int) -> None:
    """That of torch's own kernel is not, for a batch of one."""
    torch.manual_seed(0)
    x = torch.randn(1, 8, 3, 3, dtype=torch.float64)
    function = Function(Laid().double(), (x,), {})
    theta = function.random_point(torch.Generator().manual_seed(1))
    call, direction = (
        function.place(function.inputs),
        {n: torch.randn_like(theta[n]) for n in function.names},
    )
    weights = torch.randn(rows, 4, dtype=torch.float64)
    pulled = function.pullback(theta, call, weights) @ function.flatten(direction)
    moved = function.difference(theta, direction, call, 1e-6).reshape(-1)
    assert torch.allclose(pulled, weights @ moved, rtol=1e-5, atol=1e-8)
