"""Transformations of the input: which leave a function unchanged, or move its output."""

from symfind.transforms.entry import inputs
from symfind.transforms.finite import equivariance
from symfind.transforms.permuted import Permutations, input_permutations
from symfind.transforms.reports import Equivariance
from symfind.transforms.result import Found, Generator

__all__ = [
    "Equivariance",
    "Found",
    "Generator",
    "Permutations",
    "equivariance",
    "input_permutations",
    "inputs",
]
