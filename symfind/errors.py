"""Errors that a user can act on: each message names the culprit and the remedy."""

from typing import Any


class SymfindError(Exception):
    """Base of every error that symfind reports without a traceback (exit code 2)."""


class LoadError(SymfindError):
    """A spec that leads to no model: a file, an attribute, a zoo name, a setting, a weight file."""


class UnknownSetting(LoadError):
    """A setting that nobody would read; `setting` is its name."""

    def __init__(self, message: str, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class InputError(SymfindError):
    """Example inputs that are absent, malformed, or do not fit the model's forward."""


class TraceError(SymfindError):
    """A model that cannot be turned into a graph."""


class OutputError(SymfindError):
    """A result that cannot be written where it was asked for."""


class ExactError(SymfindError):
    """A model that is not piecewise rational, or what exact arithmetic cannot do with it."""


class Interrupted(KeyboardInterrupt):
    """An end from outside before anything was derived and counted.

    Attributes:
        reason: what was going on, and what is not known therefore.
        report: what is known of the model alone, once it is loaded.
    """

    def __init__(self, stage: str) -> None:
        self.reason = f"interrupted while {stage}: nothing was derived yet"
        self.report: Any = None
        super().__init__(
            f"{self.reason}; take a smaller model (--set) or shorter inputs (--input), or allow "
            "more time"
        )


class AlgebraError(SymfindError):
    """Generators that are not closed under the bracket, or whose structure the noise hides."""
