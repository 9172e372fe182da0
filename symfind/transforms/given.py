"""How a finite group acts on the inputs of a function, as it was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from symfind.errors import InputError
from symfind.transforms.groups import FiniteGroup
from symfind.transforms.lattices import on_vectors, velocities
from symfind.transforms.motion import Motion, fits
from symfind.transforms.oracle import Oracle
from symfind.transforms.representation import along


@dataclass(frozen=True)
class Given:
    """The action on the inputs.

    Attributes:
        group: the group.
        motions: of each varied input for one sample; None where it stays.
        dims: dimensions of one sample that are the grid, or the one that is permuted.
        index: matrices along that one; None for a grid.
        channel: dimension of one sample with a representation of its own.
        matrices: along it.
        words: for people.
    """

    group: FiniteGroup
    motions: tuple[Motion | None, ...]
    dims: tuple[int, ...]
    index: Tensor | None
    channel: int | None
    matrices: Tensor | None
    words: str

    def ways(self, shape: tuple[int, ...], derived: Motion | None) -> list[tuple[str, Motion]]:
        """In which an output of one sample may move; standing still is the first."""
        ways = [("it stays as it is", Motion(None))]
        if derived is not None and not derived.still:
            ways.append(("as the axes of the model say", derived))
        count = len(self.dims)
        if self.index is not None:
            size = self.index.shape[1]
            ways += [
                (f"along its axis {dim} as the input", Motion(None, (), {dim: self.index}))
                for dim, n in enumerate(shape)
                if n == size
            ]
        elif len(shape) >= count:
            level = {i: len(shape) - count + i for i in range(count)}
            if self._square(shape, level):
                turned = Motion(self.group.elements, (level,))
                ways.append(("its last axes turn as the input", turned))
                dim = len(shape) - count - 1
                if self.matrices is not None and dim >= 0 and shape[dim] == self.matrices.shape[1]:
                    both = Motion(self.group.elements, (level,), {dim: self.matrices})
                    ways.append(("its last axes and its channels move as the input", both))
        return ways

    def _square(self, shape: tuple[int, ...], level: dict[int, int]) -> bool:
        try:
            fits(Motion(self.group.elements, (level,)), shape, "", "")
        except InputError:
            return False
        return True


def given_action(
    oracle: Oracle,
    group: FiniteGroup,
    axes: Sequence[int],
    lattice: str | None,
    channels: str,
) -> Given:
    """The action that was asked for.

    Raises:
        InputError: axes or sizes do not fit the group.
    """
    index = None
    if lattice is not None:
        index = on_vectors(group, velocities(lattice), lattice)
    elif group.kind == "index":
        index = group.elements
    first = oracle.moved.index(True)
    example = oracle.example[first]
    rank, lead = example.ndim - (not oracle.batched), int(oracle.batched)
    shape = tuple(example.shape[1:])
    if index is None:
        chosen = tuple(axes) or tuple(range(-group.size, 0))
    else:
        chosen = tuple(axes) or (_axis_of(shape, index.shape[1], group.name) + lead - rank,)
    wanted = group.size if index is None else 1
    if len(chosen) != wanted or len({a % max(rank, 1) for a in chosen}) != wanted:
        raise InputError(
            f"{group.name} acts on {wanted} {'axes' if wanted > 1 else 'axis'} of the input here, "
            f"and {len(chosen)} were named"
        )
    dims = tuple(_dim(a, rank, lead, group.name) for a in chosen)
    channel, matrices = None, None
    if channels != "trivial":
        channel = min(dims) - 1
        if index is not None or channel < 0:
            raise InputError("channels are the axis before a grid, and there is none here")
        matrices = along(group, channels, shape[channel], None, "the channel axis of the input")
    motions: list[Motion | None] = []
    for at, value in enumerate(oracle.example):
        if not oracle.moved[at]:
            motions.append(None)
            continue
        motions.append(_motion(group, tuple(value.shape[1:]), dims, index, channel, matrices))
    where = ", ".join(str(a) for a in chosen)
    what = "turns the grid of axes" if index is None else "acts along axis"
    as_what = f" as the velocities of {lattice}" if lattice else ""
    own = (
        f", and by its {channels} representation on the axis before" if matrices is not None else ""
    )
    return Given(group, tuple(motions), dims, index, channel, matrices,
                 f"{what} {where}{as_what}{own}")  # fmt: skip


def _motion(
    group: FiniteGroup,
    shape: tuple[int, ...],
    dims: tuple[int, ...],
    index: Tensor | None,
    channel: int | None,
    matrices: Tensor | None,
) -> Motion:
    if max(dims) >= len(shape):
        raise InputError(f"an input has no axis {max(dims)}: choose which are moved (--on NAME)")
    if index is not None:
        size = shape[dims[0]]
        if size != index.shape[1]:
            raise InputError(
                f"{group.name} acts on {index.shape[1]} values, and the axis of the input has "
                f"{size}: name another with --axes"
            )
        return Motion(None, (), {dims[0]: index})
    own = {} if channel is None or matrices is None else {channel: matrices}
    motion = Motion(group.elements, (dict(enumerate(dims)),), own)
    fits(motion, shape, "the input", group.name)
    return motion


def _axis_of(shape: tuple[int, ...], size: int, name: str) -> int:
    """The one axis of this size; the last one where there is none or several end with it."""
    found = [d for d, n in enumerate(shape) if n == size]
    if len(found) == 1 or (found and found[-1] == len(shape) - 1):
        return found[-1] if len(found) > 1 else found[0]
    raise InputError(
        f"{name} acts on {size} values, and "
        + ("several axes" if found else "no axis")
        + f" of the input {list(shape)} have so many: name one with --axes"
    )


def _dim(axis: int, rank: int, lead: int, name: str) -> int:
    if not -rank <= axis < rank:
        raise InputError(f"the input has {rank} axes, and none is {axis}")
    dim = axis % rank - lead
    if dim < 0:
        raise InputError(f"axis {axis} numbers samples, on which {name} cannot act")
    return dim
