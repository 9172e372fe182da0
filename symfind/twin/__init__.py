"""Executable twins: the same graph with every independent size shrunk, built to be run."""

from symfind.twin.build import Twin, Unbuildable, build_twin
from symfind.twin.certify import Question, Twins, certify_on_twins
from symfind.twin.module import TwinFunction

__all__ = [
    "Question", "Twin", "TwinFunction", "Twins", "Unbuildable", "build_twin", "certify_on_twins",
]  # fmt: skip
