"""One analysis at a time, and everything as it was before."""

import logging
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import symfind
from symfind.errors import LoadError


def wide(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))


def test_threads_wait_for_each_other_and_leave_the_process_as_it_was():
    models = [wide(width).train() for width in (3, 4, 5, 6)]
    streams, disabled = (sys.stdout, sys.stderr), logging.root.manager.disable
    found: dict[int, int] = {}

    def work(number: int) -> None:
        report = symfind.analyze(models[number], torch.randn(4, 3))
        found[number] = report.dimension.redundant

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: 3, 1: 4, 2: 5, 3: 6}
    assert (sys.stdout, sys.stderr) == streams
    assert logging.root.manager.disable == disabled
    assert all(model.training for model in models)


def test_random_states_stay_for_large_models_too():
    model, x = wide(400), torch.randn(1, 3)
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    symfind.analyze(model, x)  # beyond 2,000 parameters nullities are measured by other means
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


def test_settings_of_the_caller_neither_disturb_nor_change():
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = wide(4).float()
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("error")
            x = torch.randn(4, 3, dtype=torch.float32)
            report = symfind.analyze(model, x)
            assert torch.is_inference_mode_enabled()
            with pytest.raises(UserWarning):
                warnings.warn("still an error", stacklevel=1)
        assert torch.get_default_dtype() is torch.bfloat16
    finally:
        torch.set_default_dtype(torch.float32)
    assert report.dimension.redundant == 4


class Leaves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 2)

    def forward(self, x):
        sys.exit(3)


def test_a_model_cannot_stop_the_program():
    with pytest.raises(LoadError, match=r"sys.exit\(3\).*test_alone.py:\d+ in forward"):
        symfind.analyze(Leaves(), torch.randn(1, 3))
