"""Which Lie algebra: identification from matrices or vector fields."""

from symfind.lie.identify import identify
from symfind.lie.result import Identification, Part

__all__ = ["Identification", "Part", "identify"]
