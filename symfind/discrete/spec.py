"""All permutations of a model: drawn, applied, and in the form of re-basin codes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from symfind.discrete.rebasin import Whole, named, segments
from symfind.discrete.tensors import Perms, Permutation, TensorSpec

Segment = tuple[int, tuple[tuple[int, int, str | None, tuple[int, ...]], ...]]
SCHEMA = "symfind.permutations/1"


@dataclass(frozen=True)
class PermutationSpec:
    """All permutations of hidden indices of a model, and where they act.

    `perms` are applied in their order; each is a symmetry by itself, so any subset is.

    Attributes:
        perms: by name.
        tensors: by the name under which the model's state holds them; those that nothing moves too.
        residual: how much a random element changed the outputs relative to their size, None where
            that was not tried.
    """

    perms: dict[str, Permutation]
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    residual: float | None = None

    @property
    def buffers(self) -> tuple[str, ...]:
        """Tensors of the state that are moved but not trained."""
        return tuple(n for n, t in self.tensors.items() if not t.trainable and t.perms())

    def acts_on(self, name: str) -> dict[str, tuple[int, ...]]:
        """Tensors that a permutation moves, and along which axes.

        Raises:
            KeyError: there is no such permutation.
        """
        self.perms[name]
        result = {}
        for key, tensor in self.tensors.items():
            axes = tuple(a for a in range(len(tensor.shape)) if name in tensor.perms(a))
            if axes:
                result[key] = axes
        return result

    def sample(self, rng: torch.Generator | None = None) -> dict[str, Tensor]:
        """Draw a uniformly random element: index tensors of shape `[*copies, size]` by name."""
        return {
            p.name: torch.rand(*p.copies, p.size, generator=rng, dtype=torch.float64).argsort(-1)
            for p in self.perms.values()
        }

    def apply(self, theta: Mapping[str, Tensor], perms: Perms) -> dict[str, Tensor]:
        """Act on the tensors of a model's state.

        Args:
            theta: tensors by name; those that the spec does not know are passed through.
            perms: index tensors by name, shape `[*copies, size]`; a permutation that is left out
                is the identity.

        Returns:
            The permuted tensors, `new[i] = old[perm[i]]`; `theta` is unchanged.

        Raises:
            KeyError: a name that the spec does not have.
            ValueError: an index tensor of another shape, or that is no permutation, or a tensor
                of another shape.
        """
        self._check(perms)
        result = dict(theta)
        for key, spec in self.tensors.items():
            for name in (key, *spec.also):
                if name not in result:
                    continue
                if tuple(result[name].shape) != spec.shape:
                    raise ValueError(f"{name} has shape {tuple(result[name].shape)}, not the "
                                     f"{spec.shape} of the model")  # fmt: skip
                result[name] = self._moved(spec, result[name], perms)
        return result

    def _moved(self, spec: TensorSpec, tensor: Tensor, perms: Perms) -> Tensor:
        acting = spec.perms()
        for name in self.perms:
            if name in acting and name in perms:
                tensor = spec.apply(tensor, name, perms[name])
        return tensor

    def _check(self, perms: Perms) -> None:
        for name, index in perms.items():
            wanted = self.perms[name]
            shape = (*wanted.copies, wanted.size)
            identity = torch.arange(wanted.size, device=index.device).expand(shape)
            if tuple(index.shape) != shape or not torch.equal(index.sort(-1).values, identity):
                raise ValueError(f"{name} is no index tensor of shape {shape} with permutations "
                                 "in its last dimension")  # fmt: skip

    def without(self, names: Collection[str]) -> "PermutationSpec":
        """The same without some permutations."""
        if not names:
            return self
        perms = {name: p for name, p in self.perms.items() if name not in names}
        tensors = {key: t.without(names) for key, t in self.tensors.items()}
        return replace(self, perms=perms, tensors=tensors)

    # the form that re-basin codes use ----------------------------------------------------
    @cached_property
    def axes_to_perm(self) -> dict[str, tuple[str | None, ...]]:
        """Parameter name to one permutation name, or None, per axis (Git Re-Basin's form).

        Names that are not in `perms` are permutations of flattened or packed axes, which follow
        from those in `perms`: see `expand`. Tensors in `apart` are not listed.
        """
        return {key: tuple(names) for key, names in self._named[0].items()}

    @property
    def perm_to_axes(self) -> dict[str, list[tuple[str, int]]]:
        """Permutation name to the (parameter, axis) pairs on which it acts."""
        result: dict[str, list[tuple[str, int]]] = {}
        for key, names in self.axes_to_perm.items():
            for axis, name in enumerate(names):
                if name is not None:
                    result.setdefault(name, []).append((key, axis))
        return result

    @property
    def apart(self) -> tuple[str, ...]:
        """Tensors that no permutation of whole axes can express; `apply` can."""
        return tuple(n for n in self.tensors if n not in self.axes_to_perm)

    def expand(self, perms: Perms) -> dict[str, Tensor]:
        """Index vectors of whole axes, for every name in `axes_to_perm`.

        Args:
            perms: as for `apply`; a permutation that is left out is the identity.

        Raises:
            KeyError: a name that the spec does not have.
            ValueError: as for `apply`.
        """
        self._check(perms)
        table, flat = self._named
        result: dict[str, Tensor] = {}
        for name in (n for names in table.values() for n in names if n is not None):
            if name in flat and name not in result:
                line = flat[name].line()
                result[name] = self._moved(line, torch.arange(line.shape[0]), perms)
            elif name not in result:
                result[name] = perms.get(name, torch.arange(self.perms[name].size))
        return result

    @cached_property
    def _named(self) -> tuple[dict[str, list[str | None]], dict[str, Whole]]:
        return named(self.tensors, set(self.perms))

    @property
    def flattened(self) -> dict[str, tuple[Segment, ...]]:
        """For every name in `axes_to_perm` that is not in `perms`, the segments of such an axis.

        A segment is where it starts, and its factors from the outermost: size, stride, the
        permutation that acts along it or None, and the factors that choose among its copies.
        """
        return {
            name: tuple(
                (b.start[0], tuple((d.size, d.stride, d.perm, d.by) for d in b.digits))
                for b in axis.blocks
            )
            for name, axis in self._named[1].items()
        }

    @property
    def orders(self) -> dict[str, tuple[int, ...]]:
        """Where each coordinate of the segments lies, for names of axes numbered otherwise."""
        return {name: a.order for name, a in self._named[1].items() if a.order is not None}

    @property
    def renumbered(self) -> set[str]:
        """Permutations that act on some axis as they are, and on another conjugated."""
        return {
            name for t in self.tensors.values() for axis, _ in t.orders for name in t.perms(axis)
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        table, flat = self._named
        packed = {key for key, names in table.items() if set(names) & set(flat)} | set(self.apart)
        return {
            "schema": SCHEMA,
            "perms": {
                p.name: {"size": p.size, "copies": list(p.copies), "continuous": p.continuous}
                for p in self.perms.values()
            },
            "axes_to_perm": {key: list(names) for key, names in table.items()},
            "perm_to_axes": {n: [list(pair) for pair in on] for n, on in self.perm_to_axes.items()},
            "flattened": {name: axis.size for name, axis in flat.items()},
            "apart": list(self.apart),
            "buffers": list(self.buffers),
            "axes": {
                key: {str(a): segments(t, a) for a in range(len(t.shape)) if t.perms(a)}
                for key, t in self.tensors.items()
                if key in packed
            },
            "orders": {
                key: {str(axis): list(order) for axis, order in t.orders}
                for key, t in self.tensors.items()
                if t.orders
            },
            "also": {key: list(t.also) for key, t in self.tensors.items() if t.also},
            "residual": self.residual,
        }
