"""What people write by hand, held against what is derived: mappings, rotations, permutations."""

from collections.abc import Mapping, Sequence
from typing import Any

from symfind.errors import InputError
from symfind.export import architecture, groups, mappings, rotations
from symfind.export.pairs import modules_of, pairs
from symfind.export.reading import nested
from symfind.export.verdicts import Checked
from symfind.report.explained import Wire
from symfind.report.model import Report


def permuting(content: Any) -> bool:
    """Whether a file speaks of permutations: then `check` needs the permutations of the model."""
    return isinstance(content, Mapping) and (
        groups.axes_of(content) is not None
        or groups.sides_of(content) is not None
        or architecture.is_architecture(content)
    )


def check(
    content: Any,
    report: Report | None,
    spec: Any = None,
    wires: Sequence[Wire] = (),
    aliases: Mapping[str, str] = {},
    outputs: groups.Directions = groups.UNKNOWN,
) -> list[Checked]:
    """Every entry of a mapping (AWQ, SmoothQuant, SpinQuant), or of permutations.

    Permutations are given as `axes_to_perm` or `perm_to_axes`, as `GROUPS` of sides of modules, or
    as an architecture of mergekit.

    Args:
        content: of a file, as `reading.read` gives it.
        report: with records; needed for mappings.
        spec: permutations of the model, where `permuting(content)`.
        wires: explanations, which say what stands against a scale or rotation.
        aliases: modules whose tensors are those of other modules (tied), by name.
        outputs: which axes of tensors are outputs, for groups of channels.

    Raises:
        InputError: there is nothing of this kind in it.
    """
    if permuting(content):
        return _permutations(content, spec, outputs)
    spun, found = list(rotations.spun(content)), list(mappings.entries(content))
    if not (spun or found) and any(nested(content, lambda one: one.get("mappings") == [])):
        raise InputError("the file has an empty list of mappings: there is nothing to check")
    if report is None or not (spun or found):
        raise InputError(
            "the file has neither mappings (smooth_layer and balance_layers, or pairs of readers "
            "and a norm; embedding, attn_q, … of SpinQuant) nor permutations (axes_to_perm, "
            "GROUPS, layer_templates of mergekit)"
        )
    scales = mappings.Scales([*modules_of(report), *aliases], pairs(report), wires, aliases)
    result = []
    for one, asked in spun:
        result += rotations.check(one, report, scales, asked)
    return result + [scales.check(smooth, balance) for smooth, balance in found]


def _permutations(
    content: Mapping[str, Any], spec: Any, outputs: groups.Directions
) -> list[Checked]:
    axes, sides = groups.axes_of(content), groups.sides_of(content)
    if axes is not None:
        return groups.check_axes(axes, spec)
    if sides is not None:
        return groups.check_sides(sides, groups.repeats_in(content), spec, outputs)
    return architecture.check(content, spec)
