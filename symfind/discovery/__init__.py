"""Symmetries without rules: the invariance equation over a dictionary of local vector fields."""

from symfind.discovery.pipeline import discoverable, discovered
from symfind.discovery.result import Discovery

__all__ = ["Discovery", "discoverable", "discovered"]
