"""The action of a finite group on parameters, from what it does to inputs."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.errors import InputError
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.transforms.given import Given
from symfind.transforms.motion import Motion
from symfind.transforms.oracle import Oracle
from symfind.transforms.parameters import Representations, TensorAction, actions, motion_of
from symfind.transforms.representation import along
from symfind.transforms.roles import Role, one_index, role_of, roles, uneven


@dataclass(frozen=True)
class Weighted:
    """The action on parameters and outputs.

    Attributes:
        actions: by the name of a parameter or buffer.
        outputs: how each output of one sample moves.
        residual: how much f_gθ(g x) and ρ(g) f_θ(x) differ.
    """

    actions: Mapping[str, TensorAction]
    outputs: tuple[Motion, ...]
    residual: float = float("inf")


def weighted(
    lowered: Lowered,
    oracle: Oracle,
    given: Given,
    hidden: str,
    out: str,
    buffers: Mapping[str, Tensor],
) -> Weighted:
    """The action that follows from the axes of the parameters.

    Args:
        lowered: the primitives of the model.
        oracle: its inputs.
        given: the action on them.
        hidden: representation along hidden indices.
        out: along the last axis of the output that is no grid.
        buffers: of the model.

    Raises:
        InputError: sizes do not fit the representations, or an operation breaks the grid.
    """
    lead = int(oracle.batched)
    at = {d + lead: Role(i if given.index is None else None) for i, d in enumerate(given.dims)}
    nodes = [n for n in lowered.nodes if isinstance(n, p.Source) and n.role == "input"]
    moving = [n for n, moved in zip(nodes, oracle.moved, strict=False) if moved]
    found = roles(lowered, {n.key: at for n in moving})
    if given.index is not None:
        for node in moving:
            one_index(found, node.axes[given.dims[0] + lead], given.group.name)
    broken = uneven(lowered, found) if given.index is None else None
    if broken is not None:
        raise InputError(
            f"{given.group.name} does not act on the parameters: {broken.text}, so that a turned "
            "input meets other windows; take an odd kernel, or a size that the stride fits"
        )
    by = Representations(
        given.group.elements if given.index is None else None,
        given.index,
        _given(lowered, found, given, hidden, out, lead, moving),
    )
    outputs = [n for n in lowered.nodes if isinstance(n, p.Output)]
    return Weighted(
        actions(lowered, found, by, buffers), tuple(_output(n, found, by, lead) for n in outputs)
    )


def _given(
    lowered: Lowered,
    found: Mapping[Axis, Role],
    given: Given,
    hidden: str,
    out: str,
    lead: int,
    moving: list[p.Source],
) -> dict[Axis, Tensor]:
    """Representations along channels, outputs and hidden indices."""
    result: dict[Axis, Tensor] = {}
    sources = [w for wires in lowered.parameters.values() for w in wires[:1]]
    met = any(a.root in found for w in sources for cell in w.cells for a in cell.atoms)
    usual = "index" if met and given.index is not None else "trivial"
    hidden, out = (usual if name == "auto" else name for name in (hidden, out))
    if given.channel is not None and given.matrices is not None:
        for node in moving:
            result[node.axes[given.channel + lead].root] = given.matrices
    inputs = {a.root for n in lowered.nodes if isinstance(n, p.Source) and n.role == "input"
              for a in n.axes}  # fmt: skip
    ends: set[Axis] = set()
    for end in lowered.nodes:
        if isinstance(end, p.Output):
            loose = [a.root for a in end.axes[lead:] if role_of(found, a) is None and a.size > 1]
            for axis in loose[-1:]:
                ends.add(axis)
                if axis not in result and axis not in inputs:
                    _put(result, axis, out, given, "the output")
    for name, wires in lowered.parameters.items():
        for cell in wires[0].cells:
            for atom in cell.atoms:
                root = atom.root
                known = root in result or root in ends or root in inputs or root in found
                if not known:
                    _put(result, root, hidden, given, name)
    return result


def _put(result: dict[Axis, Tensor], axis: Axis, name: str, given: Given, what: str) -> None:
    if name == "trivial":
        return
    size = given.index.shape[1] if given.index is not None and name == "index" else 0
    if name == "index" and size and axis.size % size:
        return  # it stays
    result[axis] = along(given.group, name, axis.size, given.index, f"an index of {what}")


def _output(node: p.Output, found: Mapping[Axis, Role], by: Representations, lead: int) -> Motion:
    """How one sample of an output moves; axes that are split move as their parts do."""
    axes = [a.root for a in node.axes[lead:]]
    return motion_of(axes, {a: r for a in axes if (r := role_of(found, a)) is not None}, by)
