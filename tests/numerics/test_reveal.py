import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.numerics import reveal as module
from symfind.numerics.norms import eigenvalue_bounds, gaussian, norm_bound
from symfind.numerics.rank import spectral_rank
from symfind.numerics.reveal import reveal


def matrix_with(singular: list[float], rows: int = 12) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    n = len(singular)
    left = torch.linalg.qr(torch.randn(rows, n, generator=rng, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64)).Q
    return left @ torch.diag(torch.tensor(singular, dtype=torch.float64)) @ right


@pytest.mark.parametrize(
    ("singular", "rank", "clear"),
    [
        ([1, 0.5, 0.1], 3, True),
        ([1, 0.5, 0], 2, True),
        ([1, 1e-4, 1e-6, 1e-15, 1e-16], 3, True),
        ([1, 1e-3, 1e-8], 3, True),  # small, but far from rounding
        ([1, 1e-7, 1e-9, 1e-11, 1e-13, 1e-15], None, False),
        ([1, 0.1, 3e-14], 2, True),
    ],
)
def test_rank_by_gap(singular: list[float], rank: int | None, clear: bool) -> None:
    spectrum = spectral_rank(matrix_with(singular))
    assert spectrum.clear == clear
    assert rank is None or spectrum.rank == rank


def test_rounding_in_a_null_column_is_not_scaled_up() -> None:
    matrix = torch.randn(9, 4, dtype=torch.float64)
    matrix[:, 2] *= 1e-17
    assert spectral_rank(matrix).rank == 3
    matrix[:, 2] *= 1e12  # a small parameter is still seen
    assert spectral_rank(matrix).rank == 4


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (40, 40), (300, 211)])
@pytest.mark.parametrize("deficit", [0, 1, 3])
def test_revealed_rank_and_null_space(shape: tuple[int, int], deficit: int) -> None:
    rng = torch.Generator().manual_seed(1)
    rank = min(shape) - deficit
    left = torch.randn(shape[0], rank, generator=rng, dtype=torch.float64)
    matrix = left @ torch.randn(rank, shape[1], generator=rng, dtype=torch.float64)
    matrix[:, 0] *= 1e-2
    found = reveal(matrix)
    exact = torch.linalg.svdvals(matrix / found.scales)
    assert found.spectrum.rank == rank and found.spectrum.clear
    assert found.null.shape == (shape[1], shape[1] - rank)
    eye = torch.eye(shape[1] - rank, dtype=torch.float64)
    assert torch.allclose(found.null.T @ found.null, eye, atol=1e-12)
    assert (matrix @ (found.null / found.scales[:, None])).norm() < 1e-12 * matrix.norm()
    # both sides of the gap are those of the spectrum
    assert found.largest == pytest.approx(float(exact[0]), rel=0.05)
    kept = 10**found.spectrum.kept / float(exact[rank - 1] / exact[0])
    assert 0.7 < kept < 1.0 + 1e-9


@pytest.mark.parametrize("tail", [[1e-7, 1e-8, 1e-9, 1e-10, 1e-11], [1e-5, 1e-6, 1e-13, 1e-14]])
def test_revealed_gap_is_that_of_the_spectrum(tail: list[float]) -> None:
    matrix = matrix_with([1.0] * 20 + tail, rows=40)
    found, exact = reveal(matrix).spectrum, spectral_rank(matrix)
    assert found.rank == exact.rank and found.clear == exact.clear


def test_columns_that_are_zero_are_exactly_null() -> None:
    matrix = torch.randn(20, 6, dtype=torch.float64)
    matrix[:, [1, 4]] = 0.0
    found = reveal(matrix)
    assert found.spectrum.rank == 4
    assert not (matrix @ found.null).any()


@pytest.fixture
def eliminated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small matrices are treated like large ones."""
    monkeypatch.setattr(module, "_SMALL", 0)


def spectra() -> st.SearchStrategy[list[float]]:
    """Singular values on all scales: clusters, decay without a gap, noise and exact zeros."""
    powers = st.one_of(
        st.floats(-4, 0),
        st.floats(-12, 0),
        st.just(-3.0),
        st.floats(-17, -14.5),
        st.just(-400.0),
    )
    return st.lists(powers, min_size=2, max_size=40).map(lambda p: [1.0, *(10.0**x for x in p)])


def hostile(singular: list[float], seed: int, kind: str, extra: int) -> Tensor:
    """A matrix with these singular values, or with columns, rows or entries that are special."""
    rng = torch.Generator().manual_seed(seed)
    n = len(singular)
    matrix = matrix_with(singular, n + max(extra, 0))[: n + extra]
    if kind == "graded columns":
        matrix = matrix * 10.0 ** (-6 * torch.rand(n, generator=rng, dtype=torch.float64))
    elif kind == "graded rows":
        matrix = matrix * 10.0 ** (-6 * torch.rand(len(matrix), 1, generator=rng).double())
    elif kind == "equal rows":
        matrix[: n // 2] = matrix[0]
    elif kind == "dead columns":
        matrix[:, torch.rand(n, generator=rng) < 0.4] = 0.0
    elif kind == "equal columns":
        matrix[:, n // 2 :] = matrix[:, : n - n // 2].clone()
    elif kind == "sparse":
        matrix = matrix * (torch.rand(matrix.shape, generator=rng) < 0.2)
    return matrix


KINDS = (
    "plain", "graded columns", "graded rows", "equal rows", "dead columns", "equal columns",
    "sparse",
)  # fmt: skip


@pytest.mark.usefixtures("eliminated")
@pytest.mark.parametrize("kind", KINDS)
def test_decision_is_that_of_all_singular_values(kind: str) -> None:
    accepted = 0

    @settings(max_examples=40, derandomize=True, deadline=None)
    @given(spectra(), st.integers(0, 99), st.integers(-8, 30))
    def check(singular: list[float], seed: int, extra: int) -> None:
        nonlocal accepted
        matrix = hostile(singular, seed, kind, max(extra, 1 - len(singular)))
        found, exact = reveal(matrix), spectral_rank(matrix)
        assert found.spectrum.clear == exact.clear
        if exact.clear:
            assert found.spectrum.rank == exact.rank
            assert found.null.shape == (matrix.shape[1], matrix.shape[1] - exact.rank)
            accepted += 1

    check()
    assert accepted > 10


@pytest.mark.usefixtures("eliminated")
@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.integers(2, 40), st.integers(0, 20), st.floats(-6, 0), st.floats(-18, -13.5),
    st.integers(0, 30),
)  # fmt: skip
def test_bounds_are_bounds(kept: int, dropped: int, low: float, noise: float, extra: int) -> None:
    singular = [1.0, *torch.logspace(0, low, kept).tolist(), *[10**noise] * dropped]
    matrix = matrix_with(singular, len(singular) + extra)
    scales = torch.ones(len(singular), dtype=torch.float64)
    found = module._eliminated(matrix, scales)
    assert found is not None and found.spectrum.rank == kept + 1
    exact = torch.linalg.svdvals(matrix)
    assert 10**found.spectrum.kept <= float(exact[kept] / exact[0]) * (1 + 1e-6)
    assert 10**found.spectrum.kept >= float(exact[kept] / exact[0]) * 0.5
    if dropped:
        assert 10**found.spectrum.dropped >= float(exact[kept + 1] / exact[0]) * (1 - 1e-6)
        assert found.spectrum.dropped < max(noise, -15.5) + 2.5
        assert (matrix @ found.null).norm() < 1e-13 + 10 * dropped**0.5 * 10**noise
    assert found.largest <= float(exact[0]) * (1 + 1e-9)


def test_bounds_of_a_norm() -> None:
    rng = torch.Generator().manual_seed(0)
    for seed in range(50):
        rng.manual_seed(seed)
        matrix = torch.randn(20, 9, generator=rng, dtype=torch.float64)
        exact = float(torch.linalg.matrix_norm(matrix, 2))
        assert exact <= norm_bound(matrix @ gaussian(9, 8, matrix)) <= 100 * exact
        square = matrix.T @ matrix
        low, high = eigenvalue_bounds(lambda v, square=square: square @ v, 9, matrix)
        assert low <= exact**2 * (1 + 1e-12) and exact**2 <= high <= 1.5 * low


def test_rows_that_repeat_are_mixed() -> None:
    """Pivots that vanish before their time do not hide rank, with nothing null to spare."""
    rng = torch.Generator().manual_seed(0)
    matrix = torch.randn(300, 250, generator=rng, dtype=torch.float64)
    matrix[1:40] = matrix[:1]
    found = reveal(matrix)
    assert found.spectrum.rank == 250 and found.spectrum.clear


def test_a_large_matrix_is_decided_by_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    matrix = torch.randn(400, 250, generator=rng, dtype=torch.float64)
    matrix[:, 200:] = matrix[:, :200] @ torch.randn(200, 50, generator=rng, dtype=torch.float64)
    monkeypatch.setattr(module, "_decomposed", None)  # not needed
    found = reveal(matrix)
    assert found.spectrum.rank == 200 and found.spectrum.clear
    assert (matrix @ found.probes()).norm() < 1e-12 * matrix.norm() * found.probes().norm()
