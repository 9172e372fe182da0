"""Where fibres of regions are derived, and where nothing of the kind may be."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symfind.solve.families.fibres import MOST, fibre_families
from symfind.solve.limits import Limits
from symfind.solve.solver import Derivation, derive
from symfind.solve.transport.regions import regions
from symfind.trace import trace
from tests.rules.harness import Net, examine
from tests.rules.regions import CASES, conv


def derived(run: Callable[..., Tensor], shape: tuple[int, ...], **parts: nn.Module) -> Derivation:
    return derive(trace(Net(run, **parts).eval(), (torch.randn(3, *shape),), {}))


def fibres(found: Derivation) -> int:
    """How many directions regions have that no other family has."""
    return sum(f.count() for f in fibre_families(found.lowered, _plain(found), Limits()))


def _plain(found: Derivation) -> list:
    return [f for f in found.families if "fibre" not in getattr(f, "build", f).__module__]


@pytest.mark.parametrize("function", [torch.tanh, torch.relu, torch.sigmoid])
def test_a_function_between_two_kernels_ends_a_region(function: Callable[..., Tensor]) -> None:
    apart = derived(lambda m, x: m.b(function(m.a(x))).tanh(), (2, 3, 3),
                    a=conv(2, 2), b=conv(2, 2))  # fmt: skip
    assert len(list(regions(apart.lowered))) == 2 and not fibres(apart)


def test_a_picture_beside_a_function_of_it_is_another_wire() -> None:
    def beside(wire: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        return lambda m, x: m.f(torch.cat([m.c(x), wire(x)], 1)).tanh()

    parts = {"c": conv(2, 2), "f": conv(4, 2, 1)}
    assert fibres(derived(beside(lambda x: x), (2, 3, 3), **parts))
    assert not fibres(derived(beside(torch.sin), (2, 3, 3), **parts))
    assert not fibres(derived(beside(lambda x: x.flip(-1)), (2, 3, 3), c=conv(2, 2, 1),
                              f=conv(4, 2, 1)))  # fmt: skip


def test_what_is_seen_a_little_is_seen() -> None:
    """Multiples that are almost nothing are no less of an equation."""

    for small in (1.0, 1e-4, 1e-9):
        found = derived(lambda m, x, small=small: (lambda z: z.softmax(-1) + small * z)(m.a(x)),
                        (3,), a=nn.Linear(3, 2))  # fmt: skip
        assert not fibres(found)


def test_large_models_are_not_looked_at_and_that_is_said() -> None:
    limits = Limits()
    found = derived(lambda m, x: m.b(m.a(x)), (40,), a=nn.Linear(40, 30), b=nn.Linear(30, 2))
    assert not list(fibre_families(found.lowered, [], limits))
    assert any(f"more than {MOST}" in what for what in limits.found)


def test_no_more_parameters_are_named_than_it_takes() -> None:
    case = next(c for c in CASES if c.name.startswith("what a block adds"))
    (family,) = [f for f in examine(case).derivation.families if f.kind == "parallel"]
    assert set(family.names) == {"b.weight", "f.weight"}
