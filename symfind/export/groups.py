"""Permutations as specs of re-basin codes and as groups of channels, held against derived ones."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from symfind.describe.sites import directions
from symfind.discrete.spec import PermutationSpec
from symfind.export.pairs import module
from symfind.export.verdicts import Checked, compared, listed
from symfind.graph import primitives as p
from symfind.graph.primitives import Node

Axes = set[tuple[str, int]]
Sides = set[tuple[str, str]]
Directions = Mapping[tuple[str, int], tuple[str, ...]]
UNKNOWN: Directions = {}


def of_axes(spec: PermutationSpec) -> dict[str, Axes]:
    """Tensors and axes that move together: by permutation, and by whole axes that follow."""
    found = {name: set(on) for name, on in spec.perm_to_axes.items()}
    for name in spec.perms:
        on = {(key, axis) for key, axes in spec.acts_on(name).items() for axis in axes}
        if on not in found.values():
            found[f"{name} "] = on
    return found


def directions_of(nodes: Iterable[Node]) -> Directions:
    """Which axes of parameters are outputs, and which inputs, as products read them.

    A table that is looked up has its outputs along axis 1; one that is tied has inputs there too.
    """
    found: dict[tuple[str, int], set[str]] = {}
    for node in nodes:
        if isinstance(node, p.Source) and node.role == "parameter":
            for dim in range(len(node.axes)):
                found.setdefault((node.key, dim), set()).update(directions(node, dim))
    return {at: tuple(sorted(sides)) for at, sides in found.items()}


def of_sides(spec: PermutationSpec, known: Directions = UNKNOWN) -> dict[str, Sides]:
    """Modules and sides that lose the same channels, by permutation.

    Where the model numbers channels otherwise on one side (a roll, a flip), they are not the same.

    Args:
        spec: the permutations.
        known: which axes are outputs and inputs; else axis 0 is outputs, and axis 1 inputs.
    """
    found = {}
    for name in (n for n in spec.perms if n not in spec.renumbered):
        sides: Sides = set()
        for key, axes in spec.acts_on(name).items():
            for axis in axes:
                sides |= _sides(key, axis, spec, known)
        found[name] = sides
    return found


def _sides(key: str, axis: int, spec: PermutationSpec, known: Directions) -> Sides:
    """Of a tensor that is tied, the first name is what writes, and the others read."""
    tensor = spec.tensors[key]
    if not tensor.trainable:
        return set()  # statistics belong to a module whose gains move as well
    if len(tensor.shape) == 1:
        return {(module(key), "out")}
    sides = known.get((key, axis), ("out" if axis == 0 else "in",))
    if len(sides) == 1 or not tensor.also:
        return {(module(key), side) for side in sides}
    return {(module(key), "out"), *((module(other), "in") for other in tensor.also)}


def check_axes(given: Mapping[str, Axes], spec: PermutationSpec) -> list[Checked]:
    """Permutations, each with the axes of tensors on which it acts."""
    derived = list(of_axes(spec).values())
    result = []
    for name, own in given.items():
        absent = sorted({key for key, _ in own if key not in spec.tensors})
        if absent:
            reason = f"the model has no tensor {', '.join(absent)}"
            result.append(Checked(name, "unmatched", reason))
            continue
        text = "{} is not free to be permuted with the rest"
        missing = "this index is that of {} as well"
        result.append(Checked(name, *compared(own, derived, text, missing)))
    return result


def repeats_of(spec: PermutationSpec, name: str) -> dict[str, int]:
    """How many channels of a module belong to one index of a permutation, where it is not one."""
    perm, found = spec.perms[name], {}
    for key, axes in spec.acts_on(name).items():
        for axis in axes:
            count = spec.tensors[key].shape[axis] // (perm.size * math.prod(perm.copies))
            if count > 1 and spec.tensors[key].trainable:
                found[module(key)] = count
    return found


def check_sides(
    given: Mapping[str, Sides],
    repeats: Mapping[str, Mapping[str, int]],
    spec: PermutationSpec,
    outputs: Directions = UNKNOWN,
) -> list[Checked]:
    """Groups, each with the sides of modules that lose the same channels.

    Args:
        given: sides by the name of the group.
        repeats: by the name of the group, how many channels of a module are lost together.
        spec: the permutations.
        outputs: which axes of tensors are outputs, and which inputs.
    """
    derived = of_sides(spec, outputs)
    known = {module(name) for key, t in spec.tensors.items() for name in (key, *t.also)}
    result = []
    for name, own in given.items():
        absent = sorted({m for m, _ in own if m not in known})
        if absent:
            reason = f"the model has no module {', '.join(absent)}"
            result.append(Checked(name, "unmatched", reason))
            continue
        counts = [repeats_of(spec, n) for n, sides in derived.items() if sides == own]
        if counts and dict(repeats.get(name, {})) not in counts:
            result.append(Checked(name, "incomplete", _together(counts[0])))
            continue
        text = "{} is not free to lose channels with the rest"
        missing = "these channels are those of {} as well"
        result.append(Checked(name, *compared(own, list(derived.values()), text, missing)))
    return result


def _together(counts: Mapping[str, int]) -> str:
    said = listed([f"{n} of {m}" for m, n in counts.items()])
    return f"channels belong together, as heads do: {said}" if said else "channels are free"


# forms -----------------------------------------------------------------------------------
def axes_of(content: Mapping[str, Any]) -> dict[str, Axes] | None:
    """The permutations of Git Re-Basin's form, either way round."""
    found: dict[str, Axes] = {}
    table = content.get("axes_to_perm")
    if isinstance(table, Mapping):
        for key, names in table.items():
            for axis, name in enumerate(names):
                if name is not None:
                    found.setdefault(str(name), set()).add((key, axis))
        return found
    table = content.get("perm_to_axes")
    if isinstance(table, Mapping):
        return {str(n): {(str(key), int(axis)) for key, axis in on} for n, on in table.items()}
    return None


def sides_of(content: Mapping[str, Any]) -> dict[str, Sides] | None:
    """Groups as `symfind export --format torch-pruning` writes them."""
    table = content.get("GROUPS")
    if not isinstance(table, Mapping):
        return None
    return {str(n): {(str(m), str(side)) for m, side in on} for n, on in table.items()}


def repeats_in(content: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    """How many channels of a module belong to one index of a group, where it is not one."""
    table = content.get("REPEATS")
    return table if isinstance(table, Mapping) else {}
