"""What the axes of parameters have to do with the axes of the input that a group moves.

An index of the lowered graph is one object wherever it appears, so the index of the input that is
moved is met in parameters too. A grid goes on through convolutions: the window of a kernel and the
output turn as the input does. All of it is a hypothesis: the action that follows from it is applied
to the model, and only what holds there is reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symfind.algebra.axes import Axis
from symfind.errors import InputError
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered

_ROUNDS = 4


@dataclass(frozen=True)
class Role:
    """What moves along an index: a grid axis of a number, or the index of the input itself."""

    grid: int | None = None


def roles(lowered: Lowered, moved: Mapping[str, Mapping[int, Role]]) -> dict[Axis, Role]:
    """Indices that move with those of the input.

    Args:
        lowered: the primitives of the model.
        moved: by the name of an input, roles by its dimension.
    """
    found: dict[Axis, Role] = {}
    for node in lowered.nodes:
        if isinstance(node, p.Source) and node.role == "input":
            for dim, role in moved.get(node.key, {}).items():
                _give(found, node.axes[dim], role)
    for _ in range(_ROUNDS):
        before = len(found)
        for node in lowered.nodes:
            _through(found, node)
        if len(found) == before:
            break
    return found


def _give(found: dict[Axis, Role], axis: Axis, role: Role | None) -> None:
    """Every atom of an axis has its role."""
    if role is None:
        return
    root = axis.root
    if root.kind == "atom":
        if root.size != 1:
            found.setdefault(root, role)
        return
    for part in root.parts:
        _give(found, part, role)


def role_of(found: Mapping[Axis, Role], axis: Axis) -> Role | None:
    """The role that all atoms of an axis share, if any."""
    root = axis.root
    if root.kind == "atom":
        return found.get(root)
    inner = {role_of(found, part) for part in root.parts}
    return next(iter(inner)) if len(inner) == 1 else None


def _through(found: dict[Axis, Role], node: p.Node) -> None:
    if isinstance(node, p.Contract):
        if node.windows:
            _slide(found, node)
        return
    if isinstance(node, p.Movement):
        return  # indices are the same objects
    for x in node.inputs:
        if len(x.axes) == len(node.axes):
            for old, new in zip(x.axes, node.axes, strict=True):
                role = role_of(found, old)
                if role is not None and role.grid is not None and role_of(found, new) is None:
                    _give(found, new, role)


def _slide(found: dict[Axis, Role], node: p.Contract) -> None:
    """The windows and the output of a convolution turn as its input."""
    places = {
        label: axis
        for labels, x in zip(node.labels, node.inputs, strict=True)
        for label, axis in zip(labels, x.axes, strict=True)
    }
    outs = dict(zip(node.out, node.axes, strict=True))
    for label, axis in places.items():
        if not (isinstance(label, tuple) and label[0] == "in"):
            continue
        role = role_of(found, axis)
        windows = places if role is not None and role.grid is not None else {}
        for other, target in (*windows.items(), *outs.items()):
            beside = isinstance(other, tuple) and other[1:] == label[1:]
            if beside and role_of(found, target) is None:
                _give(found, target, role)


@dataclass(frozen=True)
class Uneven:
    """A convolution or pooling whose window does not reach both ends of an axis alike."""

    where: str
    text: str


def uneven(lowered: Lowered, found: Mapping[Axis, Role]) -> Uneven | None:
    """The first operation that treats the two ends of a grid axis differently."""
    for node in lowered.nodes:
        op = node.op
        base = getattr(op, "base", "")
        if node.result_of is not op and not isinstance(node, p.Contract | p.Peak | p.Mix):
            continue
        if not (base.startswith("conv") or base.endswith("_pool1d") or base.endswith("_pool2d")
                or base.endswith("_pool3d")) or base.startswith("adaptive"):  # fmt: skip
            continue
        seen = _uneven(node, op, found)
        if seen:
            return seen
    return None


def _uneven(node: p.Node, op: object, found: Mapping[Axis, Role]) -> Uneven | None:
    args = list(getattr(op, "args", ()))
    base = str(getattr(op, "base", ""))
    convolution = base.startswith("conv")
    if not node.inputs or (convolution and not isinstance(node, p.Contract)):
        return None
    count = len(node.axes) - 2
    if convolution:
        kernel = list(args[1].shape[2:])
        stride, padding, dilation = (
            _each(args, at, count, d) for at, d in ((3, 1), (4, 0), (5, 1))
        )
    else:
        kernel = _each(args, 1, count, 1)
        stride = _each(args, 2, count, 0)
        stride = [s or k for s, k in zip(stride, kernel, strict=True)]
        padding, dilation = _each(args, 3, count, 0), [1] * count
    if "transpose" in base or (base == "convolution" and args[6]):
        return None
    for at in range(count):
        old, new = node.inputs[0].axes[at + 2], node.axes[at + 2]
        role = role_of(found, old)
        if role is None or role.grid is None:
            continue
        k, s, q, d = kernel[at], stride[at], padding[at], dilation[at]
        reach = (new.size - 1) * s + (k - 1) * d + 1 - q
        if reach - 1 != old.size - 1 + q:
            where = getattr(op, "module", "") or base
            left = old.size + q - reach
            return Uneven(where, (
                f"{where} (kernel {k}, stride {s}, padding {q}) on {old.size} points leaves out "
                f"{left} at one end and none at the other"
            ))  # fmt: skip
    return None


def _each(args: Sequence[object], at: int, count: int, default: int) -> list[int]:
    value = args[at] if at < len(args) else default
    if isinstance(value, list | tuple):
        values = [int(v) for v in value] or [default]
        return values * count if len(values) == 1 else values
    return [int(value)] * count if isinstance(value, int) else [default] * count


def one_index(found: Mapping[Axis, Role], axis: Axis, name: str) -> None:
    """Make sure that an index which a group mixes is split nowhere.

    Raises:
        InputError: it is.
    """
    if axis.root.kind != "atom":
        raise InputError(
            f"the model splits the index that {name} acts on, so that no action on its parameters "
            "is derived"
        )
