"""A fixed sample of the random networks; `python -m tests.fuzz` draws them by the thousand."""

from collections.abc import Iterator

import pytest
import torch

from tests.fuzz.judge import judge, judge_model
from tests.fuzz.layered import Layered
from tests.fuzz.modern import MODERN
from tests.fuzz.network import Network
from tests.fuzz.written import WRITTEN

# 200..230 hold routers and thresholds, of which no derivative tells.
ALONE = [*range(10), *range(200, 210)]
LAYERS = [1, 4]
WHOLE = [*range(14, 18), *range(214, 218)]
WHOLE += [8201]  # a constant that only weights made of others could take up


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", ALONE)
def test_rules_alone(seed: int) -> None:
    verdict = judge(seed, verify=False)
    assert not verdict.bad, f"{verdict}\n{Network(seed).text()}"
    assert verdict.derived <= verdict.nullity or verdict.nullity < 0


@pytest.mark.parametrize("name", [*WRITTEN, *MODERN])
def test_written(name: str) -> None:
    verdict = judge_model({**WRITTEN, **MODERN}[name](), verify=False)
    assert not verdict.bad, str(verdict)


@pytest.mark.parametrize("seed", WHOLE)
def test_whole_analysis(seed: int) -> None:
    verdict = judge(seed, verify=True)
    assert not verdict.bad, f"{verdict}\n{Network(seed).text()}"


@pytest.mark.parametrize("seed", LAYERS)
def test_layers_in_use(seed: int) -> None:
    verdict = judge(seed, verify=True, drawn=Layered)
    assert verdict.status == "complete", f"{verdict}\n{Layered(seed).text()}"


def test_a_false_direction_is_seen(corrupted: None) -> None:
    """Scalings whose last member is pushed the wrong way."""
    assert any(judge(seed, verify=False).status == "FALSE" for seed in range(2, 8))
