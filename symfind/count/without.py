"""Rules that are switched off, to see what discovery finds alone."""

from collections.abc import Collection
from dataclasses import replace

from symfind.errors import InputError
from symfind.report.model import KINDS
from symfind.solve.solver import Derivation

ALL = "all"


def checked(kinds: Collection[str]) -> frozenset[str]:
    """The kinds, if there are such.

    Raises:
        InputError: there is no such kind.
    """
    for kind in kinds:
        if kind not in (ALL, *KINDS):
            raise InputError(f"{kind!r} is no kind of symmetry; there are {', '.join(KINDS)}")
    return frozenset(kinds)


def switched_off(derivation: Derivation, kinds: Collection[str]) -> Derivation:
    """A derivation without the families of some kinds, or of all.

    What is approximate stays: it is not counted, and must not be found in the place of a symmetry.
    """
    if not kinds:
        return derivation
    kept = [f for f in derivation.families if ALL not in kinds and f.kind not in kinds]
    return replace(derivation, families=kept)
