"""Symmetries learned from samples: how near, how sure, and where they are not."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import symfind
from symfind.transforms.confidence import upper_bound
from symfind.transforms.data import cut
from symfind.transforms.manifold import intrinsic_dimension, submanifold
from tests.command import command

call = command("inputs")
BIAS = 0.0093  # of O(5), as LieGG publishes it


def normal(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def invariant(x: Tensor) -> Tensor:
    a, b = x[:, 0], x[:, 1]
    sizes = a.norm(dim=1), b.norm(dim=1)
    return sizes[0].sin() - sizes[1] ** 3 / 2 + (a * b).sum(1) / (sizes[0] * sizes[1])


def largest_angle(found: symfind.Found, n: int) -> float:
    """Between the span of the generators and so(n), in degrees."""
    turns = [torch.eye(n)[i][:, None] * torch.eye(n)[j] for i in range(n) for j in range(i)]
    exact = torch.stack([(t - t.T).flatten().double() / math.sqrt(2) for t in turns])
    basis = torch.linalg.qr(found.matrices.flatten(1).T).Q.T
    least = float(torch.linalg.svdvals(basis @ exact.T).min())
    return math.degrees(math.acos(min(least, 1.0)))


@pytest.mark.parametrize(("n", "degrees"), [(3, 0.5), (5, 1.0)])
def test_rotations_of_two_vectors_are_learned(n: int, degrees: float) -> None:
    x = normal(20_000, 2, n)
    found = symfind.inputs(data=(x, invariant(x)), steps=1500)
    assert found.status == "found" and found.algebra == f"so({n})"
    assert len(found.generators) == n * (n - 1) // 2
    assert found.gap[0] - found.gap[1] > 1.0
    angle = largest_angle(found, n)
    assert angle <= degrees and math.sin(math.radians(angle)) < BIAS
    for generator in found.generators:
        assert generator.source == "data" and generator.bound is not None
        assert 0.0 < generator.defect < generator.bound < 0.06
        assert generator.residual is not None and generator.residual < 0.1


def test_a_mass_shell_is_a_submanifold() -> None:
    momenta = 20.0 * normal(3000, 2, 3)
    energy = (momenta.square().sum(-1) + torch.tensor([1.0, 25.0])).sqrt()
    p = torch.cat([energy[..., None], momenta], -1)

    def mass(p: Tensor) -> Tensor:
        total = p.sum(-2)
        return total[..., 0] ** 2 - total[..., 1:].square().sum(-1)

    found = symfind.inputs(mass, data=(p, None))
    assert found.algebra == "so(1,3)" and found.defect < 1e-9
    assert any("2 quadratic relations" in note for note in found.notes)


def test_blind_coordinates_are_learned_and_scales_may_differ() -> None:
    x = normal(4000, 4) * torch.tensor([1.0, 1.0, 100.0, 1.0])
    y = (x[:, 0].square() + x[:, 1].square() + (x[:, 2] / 100.0).square()).sqrt()
    found = symfind.inputs(data=(x, y), steps=700)
    assert found.algebra == "so(3)" and found.trivial == 4
    assert abs(abs(found.blind[0][3]) - 1.0) < 1e-6
    entries = torch.stack([g.coefficients for g in found.generators]).abs()
    assert float(entries.max() / entries[entries > 0.5].min()) > 30.0


def test_noise_without_symmetry_claims_none() -> None:
    x = normal(2000, 3)
    y = x[:, 0].sin() + x[:, 1] ** 2 * x[:, 2].exp() + x[:, 0] * x[:, 2]
    found = symfind.inputs(data=(x, y), steps=500)
    assert not found.generators


@pytest.mark.parametrize(
    ("values", "null", "clear"),
    [
        ([0.2, 0.3], 0, True),
        ([0.001, 0.002, 0.2], 2, True),
        ([0.02, 0.04, 0.07, 0.12], 0, False),
        ([0.001, 0.002], 2, True),
    ],
)
def test_the_spectrum_is_cut_at_a_gap_or_not_at_all(
    values: list[float], null: int, clear: bool
) -> None:
    found = cut(torch.tensor(values, dtype=torch.float64))
    assert (found.null, found.clear) == (null, clear)


def test_the_bound_holds_as_often_as_it_says() -> None:
    rng = torch.Generator().manual_seed(0)
    missed = 0
    for _ in range(200):
        samples = (torch.rand(100, generator=rng, dtype=torch.float64) < 0.05).double()
        missed += upper_bound(samples) < 0.05
    assert missed <= 10
    assert upper_bound(torch.zeros(1000, dtype=torch.float64)) < 0.007
    assert upper_bound(torch.ones(50, dtype=torch.float64)) == 1.0


def test_a_submanifold_is_seen() -> None:
    ball = normal(1500, 3)
    assert submanifold(ball) == [] and 2.5 < intrinsic_dimension(ball) < 3.4
    assert "1 quadratic" in submanifold(ball / ball.norm(dim=1, keepdim=True))[0]
    assert "1 linear" in submanifold(torch.cat([ball, ball.sum(1, keepdim=True)], 1))[0]
    curve = ball[:, :1]
    twisted = torch.cat([curve, (2 * curve).sin(), curve.exp(), (3 * curve).cos()], 1)
    assert "intrinsic dimension is about 1" in submanifold(twisted)[0]
    assert "never change" in submanifold(torch.cat([ball, torch.ones(1500, 1)], 1))[0]


def test_file(tmp_path: Path) -> None:
    x = normal(400, 3)
    np.savez(tmp_path / "events.npz", x=x.numpy(), y=x.square().sum(1).numpy())
    result = call("--data", str(tmp_path / "events.npz"), "--steps", "300")
    assert result.exit_code == 0, result.stderr
    assert "so(3)" in result.stdout and "<= (95 %)" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.ones((400, 3), int), "y": np.ones(400)}, "integers"),
        ({"x": np.random.randn(400, 3), "y": np.ones(400)}, "constant"),
        ({"x": np.random.randn(400, 3)}, "no y"),
        ({"x": np.random.randn(400, 30), "y": np.random.randn(400)}, "too few"),
        ({"x": np.random.randn(400, 3), "y": np.random.randn(399)}, "same samples"),
        ({"x": np.random.randn(50, 3), "y": np.random.randn(50)}, "50 samples"),
        ({"x": np.full((400, 3), np.nan), "y": np.random.randn(400)}, "NaN"),
        ({"x": np.random.randn(400), "y": np.random.randn(400)}, "shape"),
        ({"z": np.random.randn(400, 3)}, "no array x"),
    ],
)
def test_one_message(arrays: dict, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "events.npz", **arrays)
    result = call("--data", str(tmp_path / "events.npz"), "--steps", "10")
    assert result.exit_code == 2 and words in result.stderr, result.stderr
    assert "internal" not in result.stderr


def test_files_that_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("no numbers")
    for name in ("one.npy", "text.npz", "nowhere.npz"):
        result = call("--data", str(tmp_path / name))
        assert result.exit_code == 2 and "numpy.savez" in result.stderr, result.stderr
    assert call().exit_code == 2
