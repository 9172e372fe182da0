from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.orbit import Element, Group
from symfind.orbit.checkpoint import read_checkpoint
from symfind.verify import Function
from tests.orbit.models import CASES


@dataclass(frozen=True)
class Subject:
    """A model at a generic point, and what acts on it."""

    model: nn.Module
    inputs: Any
    group: Group
    function: Function
    state: dict[str, Tensor]
    image: dict[str, Tensor]  # of the state under a random element of everything
    element: Element


@cache
def subject(name: str) -> Subject:
    """Of a case, at weights and batch statistics where nothing is special."""
    torch.manual_seed(0)
    model, inputs = CASES[name]()
    session = symfind.open(model, inputs)
    function, rng = session.subject.function(), torch.Generator().manual_seed(0)
    state = {**read_checkpoint(model, model.state_dict()).state, **function.random_point(rng)}
    for key in state:
        if "running" in key:
            state[key] = state[key] + torch.rand(state[key].shape, generator=rng).double()
    element = Element.random(session.group, state, rng)
    image = element.apply(state)
    return Subject(model, inputs, session.group, function, state, image, element)


@pytest.fixture
def subject_of() -> Callable[[str], Subject]:
    return subject
