"""Use of the group: elements that act on checkpoints, canonical forms, alignment."""

from symfind.orbit.element import Element
from symfind.orbit.group import Group, Site

__all__ = ["Element", "Group", "Site"]
