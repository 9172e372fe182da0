"""Transformations of the input: which of them leave a function unchanged."""

from symfind.transforms.entry import inputs
from symfind.transforms.result import Found, Generator

__all__ = ["Found", "Generator", "inputs"]
