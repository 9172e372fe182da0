"""Finite groups: what f does, how parameters move, how many are free, and their average."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.transforms.groups import finite_group
from symfind.transforms.lattices import on_vectors, velocities
from tests.command import command, model_file

call = command("inputs")


@pytest.mark.parametrize(
    ("name", "order"),
    [("D1", 2), ("C2", 2), ("C4", 4), ("D2", 4), ("D4", 8), ("T", 12), ("O", 24), ("Th", 24),
     ("Oh", 48), ("S_4", 24), ("C_6", 6), ("S_9", math.factorial(9))],
)  # fmt: skip
def test_groups_have_their_order_and_are_orthogonal(name: str, order: int) -> None:
    group = finite_group(name)
    assert group.order == order and group.orthogonal
    assert abs(float(group.weights.sum()) - 1.0) < 1e-12
    own = group.elements.diagonal(dim1=1, dim2=2).sum(1)
    if name.startswith("S_"):  # the permutation representation is trivial and standard
        assert abs(group.mean(own * own) - 2.0) < 1e-9


def test_the_regular_representation_is_one() -> None:
    group = finite_group("D4")
    table = group.regular
    for a, b in itertools.product(range(8), repeat=2):
        product = group.elements[a] @ group.elements[b]
        c = int((group.elements - product).flatten(1).norm(dim=1).argmin())
        assert torch.equal(table[a] @ table[b], table[c])


LATTICES = [
    ("D2Q5", "D4", 6, 2, 72, 280),
    ("D2Q9", "D4", 15, 3, 168, 864),
    ("D2Q9", "C4", 21, 3, 228, 864),
    ("D3Q7", "Oh", 6, 2, 72, 532),
    ("D3Q15", "Oh", 16, 3, 178, 2340),
    ("D3Q19", "Oh", 19, 3, 208, 3724),
]


@pytest.mark.parametrize(("lattice", "group", "weights", "biases", "free", "total"), LATTICES)
def test_lattice_networks(
    lattice: str, group: str, weights: int, biases: int, free: int, total: int
) -> None:
    q = int(lattice.partition("Q")[2])
    x = torch.randn(3, q)
    one = symfind.equivariance(nn.Linear(q, q), x, group=group, velocities=lattice)
    assert [part.free for part in one.tensors] == [weights, biases]
    net = nn.Sequential(nn.Linear(q, 5 * q), nn.Tanh(), nn.Linear(5 * q, q))
    found = symfind.equivariance(net, x, group=group, velocities=lattice)
    assert (found.free, found.parameters) == (free, total)
    assert found.action is not None and found.action < 1e-12 and found.kind == "neither"
    assert found.symmetrised is not None and found.symmetrised < 1e-12 < 0.1 < found.worst


def test_the_average_trace_is_the_dimension_of_the_fixed_space() -> None:
    group = finite_group("D4")
    acting = on_vectors(group, velocities("D2Q9"), "D2Q9")
    moves = torch.stack([torch.kron(g.contiguous(), g.contiguous()) for g in acting])
    average = moves.mean(0)
    assert int(torch.linalg.matrix_rank(average, tol=1e-9)) == 15
    assert torch.allclose(average @ average, average)


def conv(inner: int, outer: int, kernel: int, dimensions: int = 2) -> nn.Module:
    kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
    return kind(inner, outer, kernel, padding=kernel // 2, bias=False)


CONVOLUTIONS = [
    (1, 1, 3, "D4", {}, 3),
    (1, 1, 5, "D4", {}, 6),
    (1, 1, 3, "Oh", {}, 4),
    (1, 8, 3, "D4", {"out": "regular"}, 9),
    (1, 8, 5, "D4", {"out": "regular"}, 25),
    (1, 48, 3, "Oh", {"out": "regular"}, 27),
    (8, 8, 3, "D4", {"channels": "regular", "out": "regular"}, 72),
    (8, 8, 5, "D4", {"channels": "regular", "out": "regular"}, 200),
    (48, 48, 3, "Oh", {"channels": "regular", "out": "regular"}, 1296),
    (2, 2, 3, "D4", {"channels": "vector", "out": "vector"}, 5),
    (2, 2, 5, "D4", {"channels": "vector", "out": "vector"}, 13),
]


@pytest.mark.parametrize(("inner", "outer", "kernel", "group", "options", "free"), CONVOLUTIONS)
def test_convolutions(
    inner: int, outer: int, kernel: int, group: str, options: dict[str, Any], free: int
) -> None:
    dimensions = 3 if group == "Oh" else 2
    side = 3 if outer == inner == 48 else 5
    x = torch.randn(1, inner, *[side] * dimensions)
    found = symfind.equivariance(conv(inner, outer, kernel, dimensions), x, group=group, **options)
    assert found.free == free and found.action is not None and found.action < 1e-12
    assert found.symmetrised is not None and found.symmetrised < 1e-12


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


def test_a_convolutional_network_and_its_average() -> None:
    net, x = cnn(), torch.randn(2, 1, 8, 8)
    found = symfind.equivariance(net, x, group="D4")
    assert (found.free, found.parameters, found.kind) == (322, 754, "neither")
    before = net(x)
    net.load_state_dict(dict(found.weights))
    again = symfind.equivariance(net, x, group="D4")
    assert again.kind == "invariant" and again.representation == "10 trivial"
    assert torch.allclose(net(x), net(x.rot90(1, (-2, -1))), atol=1e-6)
    assert not torch.allclose(net(x), before, atol=1e-4)
    regular = symfind.equivariance(net, x, group="D4", hidden="regular")
    assert regular.free == 9 + 1 + 72 + 1 + 10 + 10


def test_a_flattened_grid_and_batch_statistics_move_too() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(72, 2),
    ).eval()  # fmt: skip
    net[1].running_mean.normal_()
    net[1].running_var.uniform_(0.5, 2.0)
    x = torch.randn(2, 1, 8, 8)
    for hidden, last in (("trivial", 8 * 3 * 2), ("regular", 9 * 2)):
        found = symfind.equivariance(net, x, group="D4", hidden=hidden)
        assert next(t.free for t in found.tensors if t.name == "5.weight") == last
        assert found.symmetrised is not None and found.symmetrised < 1e-12


class Patches(nn.Module):
    """Tokens of an image with positions, attention among them, and a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(
            torch.randn(1, 17, 8)
        )  # fmt: skip
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        z = self.patch(x).flatten(2).transpose(1, 2)
        z = torch.cat([self.token.expand(len(z), -1, -1), z], 1) + self.place
        return self.head(self.block(z)[:, 0])


def test_positions_of_a_transformer_turn() -> None:
    found = symfind.equivariance(Patches(), torch.randn(2, 3, 16, 16), group="D4")
    free = {part.name: part.free for part in found.tensors}
    # of 16 places three orbits, and the class token; of a 4×4 patch three orbits
    assert free["place"] == (3 + 1) * 8 and free["patch.weight"] == 3 * 3 * 8
    assert found.symmetrised is not None and found.symmetrised < 1e-10


@pytest.mark.parametrize(
    ("function", "shape", "options", "kind", "representation"),
    [
        (lambda x: x.square().sum(-1).sin(), (3, 6), {"group": "S_6"}, "invariant", "trivial"),
        (lambda x: x.softmax(-1), (3, 8), {"group": "S_8"}, "equivariant", "trivial + standard"),
        (lambda x: x.cumsum(-1), (3, 5), {"group": "S_5"}, "equivariant", "trivial + standard"),
        (lambda x: x.cumsum(-1).tanh(), (3, 5), {"group": "S_5"}, "neither", ""),
        (lambda x: x.tanh(), (3, 1, 5, 5), {"group": "D4"}, "equivariant", ""),
        (lambda x: x.prod(-1) * (x[..., 0] - x[..., 1]) * (x[..., 1] - x[..., 2])
         * (x[..., 2] - x[..., 0]), (3, 3), {"group": "S_3"}, "equivariant", "sign"),
        (lambda x: torch.stack([x[..., 0, :].sum(-1) - x[..., -1, :].sum(-1),
                                x[..., 0].sum(-1) - x[..., -1].sum(-1)], -1),
         (3, 4, 4), {"group": "D4"}, "equivariant", "vector"),
    ],
)  # fmt: skip
def test_what_a_function_does(
    function: Any, shape: tuple[int, ...], options: dict, kind: str, representation: str
) -> None:
    found = symfind.equivariance(function, torch.randn(*shape), **options)
    assert found.kind == kind
    assert not representation or found.representation == representation
    assert (found.worst < 1e-12) == (kind != "neither")


def test_parameters_without_the_index_that_is_mixed_stay() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    found = symfind.equivariance(net, torch.randn(2, 4, 8), group="S_4", axes=[1])
    assert found.kind == "equivariant" and found.free == found.parameters == 36


def test_a_group_of_matrices() -> None:
    half = np.array([[[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]])
    found = symfind.equivariance(lambda x: x[..., :2].square().sum(-1) + x[..., 2],
                                 torch.randn(4, 3), group=half)  # fmt: skip
    assert found.order == 2 and found.kind == "invariant"
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    found = symfind.equivariance(net, torch.randn(4, 3), group=half)
    assert found.free == 1 * 4 + 4 + 4 + 1 and found.symmetrised is not None


SOURCE = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
stride = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, stride=2), nn.ReLU())
even = nn.Sequential(nn.Conv2d(1, 4, 2, padding=1, stride=2), nn.ReLU())
pooled = nn.Sequential(nn.Conv2d(1, 4, 4), nn.MaxPool2d(2))
row = nn.Linear(3, 2)
example_inputs = torch.randn(2, 1, 8, 8)

def ring(x):
    return (x * x.roll(1, -1)).sum(-1)
"""
net = model_file(SOURCE)


def test_command(net: str, tmp_path: Path) -> None:
    weights, out = tmp_path / "w.pt", tmp_path / "found.json"
    result = call(net, "--group", "D4", "--symmetrise", str(weights), "--json", str(out))
    assert result.exit_code == 0, result.stderr
    assert "16 of 40: the weights of the equivariant network" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    data = json.loads(out.read_text())
    assert data["schema"] == "symfind.equivariance/1" and data["free"] == 16
    again = call(net, "--group", "D4", "--weights", str(weights))
    assert again.exit_code == 0 and "f            invariant" in again.stdout


def saved(path: Path, array: Any) -> str:
    np.save(path / "group.npy", array)
    return str(path / "group.npy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([":stride", "--group", "D4"], "kernel 3, stride 2, padding 1"),
        ([":even", "--group", "D4", "--input", "f32[1,1,9,9]"], "kernel 2, stride 2"),
        ([":pooled", "--group", "D4"], "leaves out"),
        ([":model", "--group", "D4", "--input", "f32[1,1,8,6]"], "sizes differ"),
        ([":model", "--group", "Q8"], "names no group"),
        ([":model", "--group", "S_7"], "no axis"),
        ([":model", "--group", "D4", "--axes", "-1"], "1 were named"),
        ([":model", "--group", "D4", "--axes", "x"], "no list of axes"),
        ([":model", "--group", "D4", "--velocities", "D2Q4"], "names no velocities"),
        ([":model", "--group", "Oh", "--velocities", "D2Q9"], "3 dimensions"),
        ([":model", "--group", "D4", "--channels", "regular"], "no multiple of 8"),
        ([":model", "--group", "D4", "--affine"], "leave out --group"),
        ([":model", "--axes", "-1"], "needs --group"),
        ([":model", "--permutations", "--act", "0"], "numbers samples"),
        ([":model", "--permutations", "--act", "whole", "--input", "f32[1,1,20,20]"], "too many"),
        ([":row", "--permutations", "--equivariant", "--input", "f32[2,3]"], "permuted alike"),
    ],
)
def test_one_message(net: str, arguments: list[str], words: str) -> None:
    result = call(net + arguments[0], *arguments[1:])
    assert result.exit_code == 2 and words in result.stderr, result.stderr
    assert "internal" not in result.stderr


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.eye(3)[None] * 2.0, "no finite group"),
        (np.zeros((1, 3, 3)), "not invertible"),
        (np.array([[0, 0, 1]]), "no permutation"),
        (np.zeros((2, 3, 4)), "shape"),
        (np.array([[[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]), "no finite group"),
    ],
)
def test_matrices_that_are_no_group(net: str, tmp_path: Path, array: Any, words: str) -> None:
    result = call(f"{net}:row", "--input", "f32[2,3]", "--group", saved(tmp_path, array))
    assert result.exit_code == 2 and words in result.stderr, result.stderr


def turned(kernel: Tensor) -> Tensor:
    return sum(torch.rot90(k, i) for k in (kernel, kernel.T) for i in range(4))  # type: ignore[return-value]


FANO = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]


@pytest.mark.parametrize(
    ("function", "shape", "options", "order", "group"),
    [
        (lambda x: x.tanh().sum(-1), (2, 30), {}, math.factorial(30), "S_30"),
        (lambda x: (x[..., 0] * x[..., 1] + x[..., 2] * x[..., 3]).sin(), (2, 4), {}, 8, ""),
        (lambda x: (x * x.roll(1, -1)).sum(-1), (2, 7), {}, 14, ""),
        (lambda x: (x.square() * x.roll(1, -1)).sum(-1), (2, 7), {}, 7, ""),
        (lambda x: x.sum(-1).tanh() + x[..., :2].prod(-1), (2, 6), {}, 48, "S_4 x S_2"),
        (lambda x: sum(x[..., list(line)].prod(-1) for line in FANO), (2, 7), {}, 168, ""),
        (lambda x: x.softmax(-1), (2, 6), {"equivariant": True}, 720, "S_6"),
        (lambda x: x.cumsum(-1), (2, 6), {}, 1, "1"),
        (lambda x: nn.functional.conv2d(x, turned(KERNEL)[None, None], padding=1).tanh()
         .mean((1, 2, 3)), (2, 1, 5, 5), {"act": "whole"}, 8, ""),
        (lambda x: x.relu().amax(1).sum(-1), (2, 5, 3), {"act": 1}, 120, "S_5"),
        (lambda x: x.median(-1).values, (2, 5), {}, 120, "S_5"),
    ],
)  # fmt: skip
def test_permutations_are_detected(
    function: Any, shape: tuple[int, ...], options: dict, order: int, group: str
) -> None:
    found = symfind.input_permutations(function, torch.randn(*shape).double(), **options)
    assert found.order == order and (not group or found.group == group)


KERNEL = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_trained_network_has_none(net: str) -> None:
    result = call(f"{net}:row", "--input", "f32[2,3]", "--permutations")
    assert result.exit_code == 0 and "order        1" in result.stdout
    ring = call(f"{net}:ring", "--input", "f64[6]", "--permutations", "--json", "-")
    data = json.loads(ring.stdout)
    assert data["order"] == 12 and data["complete"] and data["orbits"] == [[0, 1, 2, 3, 4, 5]]
