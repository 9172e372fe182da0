"""What gradient flow conserves: the symmetries that are gradients, watched and counted twice."""

from symfind.conserve.brackets import LieClosure, generic_point, lie_closure
from symfind.conserve.model import ClosureCheck, Conserved, FlowCheck, Law, Split
from symfind.conserve.pipeline import laws_of
from symfind.conserve.render import render

__all__ = [
    "ClosureCheck",
    "Conserved",
    "FlowCheck",
    "Law",
    "LieClosure",
    "Split",
    "generic_point",
    "laws_of",
    "lie_closure",
    "render",
]
