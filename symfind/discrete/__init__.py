"""The discrete part of the symmetry group: permutations, signs, reflections."""

from symfind.discrete.part import discrete_part
from symfind.discrete.spec import PermutationSpec
from symfind.discrete.tensors import Permutation

__all__ = ["Permutation", "PermutationSpec", "discrete_part"]
