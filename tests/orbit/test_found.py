"""What discovery finds takes part in elements, masks and alignments as what rules derive does."""

from functools import cache

import pytest
import torch

import symfind
from symfind.orbit import Element, Group
from symfind.orbit.checkpoint import distance
from symfind.orbit.given import given_step
from symfind.session.session import Session
from tests.discovery.models import ODD

MODELS = {odd.name: odd for odd in ODD}
NAMES = ["inverse", "singular-values"]


@cache
def opened(name: str) -> tuple[Session, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model, args = MODELS[name].build()
    session = symfind.open(model, args)
    return session, session.subject.function().random_point(torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_elements_hold_coefficients_of_what_was_found(name: str) -> None:
    session, state = opened(name)
    group, function = session.whole_group, session.subject.function()
    assert set(group.found) - set(session.group.sites)
    element = Element.random(group, state, torch.Generator().manual_seed(0), sites=[*group.found])
    image = element.apply(state)
    assert distance(state, image, list(group.shapes)) > 0.1
    assert element.residual(function, state) < 1e-10
    back = element.inverse().apply(image)
    assert max(float((back[n] - state[n]).abs().max()) for n in state) < 1e-9
    again = Element.from_dict(element.to_dict(), group)
    assert distance(image, again.apply(state), list(group.shapes)) == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["pins", "canonical"])
def test_the_mask_holds_what_was_found(name: str, form: str) -> None:
    session, state = opened(name)
    model, args = session.loaded.model, session.loaded.inputs
    without = symfind.fix(model, state, args, form)
    found = symfind.fix(model, state, args, form, discover=True)
    dimension = MODELS[name].dimension
    assert without.proof.unexplained == dimension and without.proof.redundant == 0
    assert found.proof.redundant == found.proof.nullity == dimension
    assert found.proof.unexplained == 0
    assert any("held where it is" in note for note in found.notes)
    if form == "canonical":
        assert found.proof.again < 1e-9


def test_a_loss_is_lowered_along_what_was_found() -> None:
    session, state = opened("inverse")
    model, args = session.loaded.model, session.loaded.inputs
    image = Element.random(
        session.whole_group, state, torch.Generator().manual_seed(0)
    ).apply(state)  # fmt: skip
    (inputs,) = args.args
    target = torch.zeros_like(model(inputs)).detach()
    found = symfind.align(
        model, state, image, args, data=[(inputs, target)], steps=60, discover=True
    )
    assert found.ways[3].barrier < 0.5 * found.ways[2].barrier
    assert found.residual < 1e-9


def test_they_take_no_matrix() -> None:
    group: Group = opened("inverse")[0].whole_group
    with pytest.raises(symfind.InputError, match="no matrices"):
        given_step(group, next(iter(group.found)), "random")
