"""The spec: applied, drawn, flattened, and in the form of re-basin codes."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.discrete.elements import failing, permute
from symfind.discrete.render import as_python, table
from symfind.discrete.spec import PermutationSpec
from symfind.discrete.tensors import Block, Digit
from symfind.verify import Function
from tests.discrete.models import Experts, Flatten, Heads, Residual, chain

RNG = torch.Generator().manual_seed(3)
MODELS = {
    "mlp": (lambda: chain(3, 5, 4, 2, activation=nn.ReLU()), torch.randn(6, 3)),
    "residual": (Residual, torch.randn(3, 2, 5, 5)),
    "flatten": (Flatten, torch.randn(3, 2, 5, 5)),
    "experts": (Experts, torch.randn(6, 4)),
    "packed": (Heads, torch.randn(2, 4, 3)),
    "interleaved": (lambda: Heads(interleaved=True), torch.randn(2, 4, 3)),
    "grouped": (lambda: Heads(groups=2), torch.randn(2, 4, 3)),
}  # fmt: skip


def found(name: str) -> tuple[nn.Module, Tensor, PermutationSpec]:
    build, x = MODELS[name]
    torch.manual_seed(0)
    model = build().eval()
    return model, x, symfind.permutations(model, x, verify=False)


@pytest.mark.parametrize("name", MODELS)
def test_a_random_element_changes_the_state_and_not_the_outputs(name: str) -> None:
    model, x, spec = found(name)
    model, x = model.double(), x.double()
    for buffer in spec.buffers:
        model.get_buffer(buffer).uniform_(0.5, 1.5)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    moved = spec.apply(state, spec.sample(RNG))
    before = model(x)
    model.load_state_dict(moved)
    torch.testing.assert_close(model(x), before, rtol=1e-12, atol=1e-12)
    assert any(not torch.equal(moved[k], state[k]) for k in state)
    assert set(moved) == set(state)


@pytest.mark.parametrize("name", MODELS)
def test_whole_axes_permuted_one_by_one_are_the_same(name: str) -> None:
    """What a re-basin code does with `axes_to_perm` and the expanded permutations."""
    model, _, spec = found(name)
    perms = spec.sample(RNG)
    indices = spec.expand(perms)
    expected = spec.apply(dict(model.state_dict()), perms)
    for key, names in spec.axes_to_perm.items():
        tensor = model.state_dict()[key]
        for axis, perm in enumerate(names):
            if perm is not None:
                tensor = torch.index_select(tensor, axis, indices[perm])
        torch.testing.assert_close(tensor, expected[key])
    assert spec.apart == (("up", "down") if name == "experts" else ())


@pytest.mark.parametrize("name", MODELS)
def test_both_directions_of_the_table_agree(name: str) -> None:
    _, _, spec = found(name)
    pairs = {
        (key, axis, perm)
        for key, names in spec.axes_to_perm.items()
        for axis, perm in enumerate(names)
        if perm is not None
    }
    assert pairs == {(k, a, p) for p, on in spec.perm_to_axes.items() for k, a in on}
    assert json.loads(json.dumps(spec.to_dict()))["perm_to_axes"].keys() == spec.perm_to_axes.keys()


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_axis_is_caught(name: str) -> None:
    """Every digit taken away, one by one: the outputs change, and verification says so."""
    model, x, spec = found(name)
    function = Function(model, (x,))
    theta = function.random_point(torch.Generator().manual_seed(1))
    theta |= {b: torch.rand(spec.tensors[b].shape, dtype=torch.float64) for b in spec.buffers}
    for key, tensor in spec.tensors.items():
        for axis in range(len(tensor.shape)):
            for perm in tensor.perms(axis):
                wrong = _without(spec, key, axis, perm)
                element = permute(wrong, [perm], torch.Generator().manual_seed(2))
                _, failed = failing(function, theta, {perm: [element]})
                # the draw may be the identity on two things
                trivial = torch.equal(element.perms[perm].sort(-1)[0], element.perms[perm])
                assert failed == {perm} or trivial, (key, axis, perm)


def _without(spec: PermutationSpec, key: str, axis: int, perm: str) -> PermutationSpec:
    def strip(digit: Digit) -> Digit:
        hit = digit.axis == axis and digit.perm == perm
        return replace(digit, perm=None, by=()) if hit else digit

    tensor = spec.tensors[key]
    blocks = tuple(replace(b, digits=tuple(map(strip, b.digits))) for b in tensor.blocks)
    return replace(spec, tensors={**spec.tensors, key: replace(tensor, blocks=blocks)})


def test_what_verification_rejects_leaves_the_spec() -> None:
    _, _, spec = found("mlp")
    less = spec.without({"P_0"})
    assert list(less.perms) == ["P_2"]
    assert less.axes_to_perm["0.weight"] == (None, None)
    assert less.axes_to_perm["2.weight"] == ("P_2", None)


def test_git_rebasin_form_of_an_mlp() -> None:
    _, _, spec = found("mlp")
    assert spec.axes_to_perm == {
        "0.weight": ("P_0", None), "0.bias": ("P_0",),
        "2.weight": ("P_2", "P_0"), "2.bias": ("P_2",),
        "4.weight": (None, "P_2"), "4.bias": (None,),
    }  # fmt: skip
    assert spec.perm_to_axes["P_0"] == [("0.weight", 0), ("0.bias", 0), ("2.weight", 1)]


def test_a_flattened_axis_is_a_product_and_a_packed_one_a_sum() -> None:
    _, _, spec = found("flatten")
    assert spec.axes_to_perm["head.weight"] == (None, "P_conv*9")
    assert spec.flattened["P_conv*9"] == ((0, ((4, 9, "P_conv", ()), (9, 1, None, ()))),)
    _, _, spec = found("packed")
    assert [start for start, _ in spec.flattened[str(spec.axes_to_perm["qkv.bias"][0])]] == [
        0,
        8,
        16,
    ]


def test_shared_tensors_move_under_all_their_names() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 4)
            self.last.weight = nn.Parameter(torch.randn(4, 5))
            self.again = self.first

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.again(x).relu())

    model = Tied()
    spec = symfind.permutations(model, torch.randn(3, 4))
    assert spec.tensors["first.weight"].also == ("again.weight",)
    moved = spec.apply(dict(model.state_dict()), spec.sample(RNG))
    assert torch.equal(moved["first.weight"], moved["again.weight"])


@pytest.mark.parametrize(
    ("perms", "message"),
    [
        ({"P_0": torch.zeros(5, dtype=torch.long)}, "no index tensor"),
        ({"P_0": torch.arange(4)}, "no index tensor"),
    ],
)
def test_what_is_no_permutation_is_refused(perms: dict, message: str) -> None:
    model, _, spec = found("mlp")
    with pytest.raises(ValueError, match=message):
        spec.apply(dict(model.state_dict()), perms)


def test_unknown_names_and_other_shapes_are_refused() -> None:
    _, _, spec = found("mlp")
    with pytest.raises(KeyError):
        spec.apply({}, {"P_nowhere": torch.arange(5)})
    with pytest.raises(ValueError, match="has shape"):
        spec.apply({"0.weight": torch.zeros(2, 2)}, spec.sample(RNG))


def test_python_source_defines_the_same() -> None:
    _, _, spec = found("grouped")
    names: dict = {}
    exec(as_python(spec), names)
    assert names["axes_to_perm"] == spec.axes_to_perm
    assert names["flattened"] == spec.flattened


def test_the_table_fits_and_tells_all() -> None:
    _, _, spec = found("residual")
    text = table(spec)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert all(key in text for key, t in spec.tensors.items() if t.perms())
    assert "No permutation" in table(PermutationSpec({}))


def test_a_verified_spec_says_how_well_it_holds() -> None:
    build, x = MODELS["residual"]
    spec = symfind.permutations(build(), x)
    assert spec.residual is not None and spec.residual < 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_a_window_that_is_the_whole_tensor_is_permuted_without_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, spec = found(name)
    state, perms = dict(model.state_dict()), spec.sample(RNG)
    moved = spec.apply(state, perms)
    plain = [b.plain(t.shape) for t in spec.tensors.values() for b in t.blocks if t.perms()]
    assert any(plain)
    monkeypatch.setattr(Block, "plain", lambda self, shape: False)
    again = spec.apply(state, perms)
    assert moved.keys() == again.keys() and all(torch.equal(moved[k], again[k]) for k in moved)


def test_windows_that_are_not_the_whole_tensor() -> None:
    whole = Block((0, 0), (Digit(0, 2, 3), Digit(0, 3), Digit(1, 4)))
    assert whole.plain((6, 4))
    assert not whole.plain((7, 4)) and not whole.plain((6, 5))
    assert not Block((0, 0), (Digit(0, 3), Digit(0, 2, 3), Digit(1, 4))).plain((6, 4))
    assert not Block((0, 0), (Digit(1, 4), Digit(0, 6))).plain((6, 4))
    assert not Block((0,), (Digit(0, 3, 2),)).plain((6,))
