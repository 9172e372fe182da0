"""A model held open: loaded, traced, derived, verified and certified, each part once."""

from symfind.session.acting import align, apply
from symfind.session.entries import analyze, conserved, discover, exact_nullity, permutations
from symfind.session.fixing import Fixed, fix
from symfind.session.session import Session, open
from symfind.session.teleporting import teleport

__all__ = [
    "Fixed",
    "Session",
    "align",
    "analyze",
    "apply",
    "conserved",
    "discover",
    "exact_nullity",
    "fix",
    "open",
    "permutations",
    "teleport",
]
