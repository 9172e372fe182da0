"""From a model to its report."""

from symfind.analysis.pipeline import analyze

__all__ = ["analyze"]
