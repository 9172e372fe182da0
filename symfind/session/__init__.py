"""A model held open: loaded, traced, derived, verified and certified, each part once."""

from symfind.session.acting import align, apply
from symfind.session.dimensions import Dims, dims
from symfind.session.entries import analyze, conserved, discover, exact_nullity, permutations
from symfind.session.fixing import Fixed, fix
from symfind.session.session import Session, open
from symfind.session.teleporting import teleport

__all__ = [
    "Dims",
    "Fixed",
    "Session",
    "align",
    "analyze",
    "apply",
    "conserved",
    "dims",
    "discover",
    "exact_nullity",
    "fix",
    "open",
    "permutations",
    "teleport",
]
