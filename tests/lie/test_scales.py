"""Matrices far from one, and none at all."""

import numpy as np
import pytest

from symfind.errors import InputError
from symfind.lie import identify
from symfind.lie.identify import announce

E = np.array([[0.0, 1.0], [0.0, 0.0]])
SL2 = np.stack([E, E.T, np.diag([1.0, -1.0])])


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e150, 5e-324, 1.0])
def test_an_algebra_does_not_depend_on_the_unit(scale):
    assert identify(SL2 * scale).name == "sl(2,R)"


@pytest.mark.parametrize(
    ("matrices", "says"),
    [
        (np.zeros((2, 0, 0)), "without entries"),
        (np.array(3.0), "must be a list"),
        (np.zeros((0, 2, 2)), "no generators"),
        (SL2 * np.array([1e200, 1.0, 1e-200])[:, None, None], "differ in size"),
    ],
)
def test_one_message(matrices, says):
    with pytest.raises(InputError, match=says):
        identify(matrices)


def test_many_generators_are_announced():
    with pytest.warns(UserWarning, match="435 generators have 94,395 brackets"):
        announce(435)
