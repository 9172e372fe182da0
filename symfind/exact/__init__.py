"""The nullity of piecewise rational models with no tolerance: ranks over a prime field."""

from symfind.exact.nullity import ExactNullity, exact_nullity

__all__ = ["ExactNullity", "exact_nullity"]
