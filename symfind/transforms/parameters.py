"""How a group acts on parameters: f_gθ(g x) = ρ(g) f_θ(x), and what it leaves in place."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.discrete.build import affine
from symfind.errors import InputError
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.transforms.groups import FiniteGroup
from symfind.transforms.motion import Motion
from symfind.transforms.roles import Role


@dataclass(frozen=True)
class Window:
    """One block of a tensor by its atomic indices, and how they move."""

    start: tuple[int, ...]
    axes: tuple[int, ...]
    strides: tuple[int, ...]
    sizes: tuple[int, ...]
    motion: Motion

    def view(self, tensor: Tensor) -> Tensor:
        """The block, with one dimension for each atom."""
        steps = [tensor.stride(a) * s for a, s in zip(self.axes, self.strides, strict=True)]
        start = sum(tensor.stride(a) * b for a, b in enumerate(self.start))
        return tensor.as_strided(self.sizes, steps, tensor.storage_offset() + start)


@dataclass(frozen=True)
class TensorAction:
    """How a group acts on one tensor.

    Attributes:
        name: of the parameter or buffer.
        shape: its shape.
        windows: blocks that cover it.
    """

    name: str
    shape: tuple[int, ...]
    windows: tuple[Window, ...]

    def apply(self, tensor: Tensor, g: int) -> Tensor:
        """The tensor moved by an element."""
        result = tensor.clone(memory_format=torch.contiguous_format)
        for window in self.windows:
            view = window.view(result)
            view.copy_(window.motion.apply(view.clone(), g))
        return result

    def free(self, group: FiniteGroup) -> int:
        """Dimension of what stays: the average trace, (1/|G|) Σ tr ρ(g).

        Raises:
            InputError: the average is no integer: this is no representation.
        """
        traces = [
            sum(w.motion.trace(w.sizes, g) for w in self.windows)
            for g in range(len(group.elements))
        ]
        mean = group.mean(torch.tensor(traces, dtype=torch.float64))
        if abs(mean - round(mean)) > 1e-6:
            raise InputError(f"the action of {group.name} on {self.name} is no representation")
        return round(mean)

    @property
    def words(self) -> str:
        """What moves, for a table."""
        grids = any(w.motion.levels for w in self.windows)
        mixed = any(w.motion.matrices for w in self.windows)
        return "both" if grids and mixed else "turned" if grids else "mixed" if mixed else "-"


@dataclass(frozen=True)
class Representations:
    """Matrices of a group along the indices of a graph.

    Attributes:
        elements: signed permutations of grid axes; None for an index.
        index: along the index of the input, None for a grid.
        given: along other indices, by the object.
    """

    elements: Tensor | None
    index: Tensor | None
    given: Mapping[Axis, Tensor]

    def along(self, axis: Axis, role: Role | None) -> Tensor | None:
        """The matrices along an index that is no grid axis."""
        if axis in self.given:
            return self.given[axis]
        return None if role is None else self.index


def actions(
    lowered: Lowered, found: Mapping[Axis, Role], by: Representations, buffers: Mapping[str, Tensor]
) -> dict[str, TensorAction]:
    """The action on all parameters, and on the buffers that are named as sources.

    Raises:
        InputError: a tensor cannot be moved.
    """
    result = {}
    for name, wires in lowered.parameters.items():
        result[name] = _action(name, wires[0], found, by)
    for node in lowered.nodes:
        if isinstance(node, p.Source) and node.role == "constant" and node.key in buffers:
            mean = _action(node.key, node, found, by)
            result[node.key] = mean
            twin = node.key.replace("running_mean", "running_var")
            if twin in buffers and buffers[twin].shape == buffers[node.key].shape:
                result[twin] = TensorAction(twin, mean.shape, mean.windows)
    return result


def _action(
    name: str, source: p.Source, found: Mapping[Axis, Role], by: Representations
) -> TensorAction:
    windows = []
    for cell in source.cells:
        placed = [affine(a, choice) for a, choice in zip(source.axes, cell.choice, strict=True)]
        axes = tuple(axis for axis, _ in cell.places)
        strides = tuple(placed[axis][1][at] for axis, at in cell.places)
        sizes = tuple(atom.root.size for atom in cell.atoms)
        motion = motion_of([atom.root for atom in cell.atoms], found, by)
        windows.append(Window(tuple(s for s, _ in placed), axes, strides, sizes, motion))
    return TensorAction(name, source.shape, tuple(windows))


def motion_of(atoms: list[Axis], found: Mapping[Axis, Role], by: Representations) -> Motion:
    """How a block moves whose dimensions are atomic indices."""
    grids: dict[int, list[int]] = {}
    matrices = {}
    for dim, atom in enumerate(atoms):
        role = found.get(atom)
        if role is not None and role.grid is not None:
            grids.setdefault(role.grid, []).append(dim)
            continue
        along = by.along(atom, role)
        if along is not None and along.shape[1] == atom.size:
            matrices[dim] = along
    depth = max((len(dims) for dims in grids.values()), default=0)
    levels = tuple(
        {axis: dims[level] for axis, dims in grids.items() if level < len(dims)}
        for level in range(depth)
    )
    return Motion(by.elements, levels, matrices)


def moved(
    acting: Mapping[str, TensorAction], values: Mapping[str, Tensor], g: int
) -> dict[str, Tensor]:
    """All tensors moved by an element; those on which nothing acts as they are."""
    return {n: acting[n].apply(v, g) if n in acting else v for n, v in values.items()}


def averaged(
    acting: Mapping[str, TensorAction], values: Mapping[str, Tensor], group: FiniteGroup
) -> dict[str, Tensor]:
    """The projection of all tensors to what every element leaves in place.

    Raises:
        InputError: not all elements are there.
    """
    if not group.full:
        raise InputError(f"{group.name} has {group.order:,} elements, too many for an average")
    count = len(group.elements)
    result = {}
    for name, value in values.items():
        if name in acting and value.is_floating_point():
            turned = [acting[name].apply(value, g) for g in range(count)]
            result[name] = torch.stack(turned).mean(0)
        else:
            result[name] = value
    return result
