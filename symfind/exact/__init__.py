"""The nullity of piecewise rational models with no tolerance: ranks over a prime field."""

from symfind.exact.nullity import ExactNullity, measured_exactly

__all__ = ["ExactNullity", "measured_exactly"]
