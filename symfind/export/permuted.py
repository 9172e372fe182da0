"""Permutations as architectures of mergekit, and as groups of Torch-Pruning."""

import json
import re
from collections.abc import Collection
from typing import Any

from symfind.discrete.spec import PermutationSpec
from symfind.export.pairs import module


def mergekit(spec: PermutationSpec, name: str, tables: Collection[str] = ()) -> str:
    """An architecture: every tensor with the spaces of its two sides, layers as templates.

    Args:
        spec: the permutations.
        name: of the class.
        tables: tensors whose rows are looked up.
    """
    weights = [_weight(key, axes, spec, tables) for key, axes in spec.axes_to_perm.items()]
    pre, layers, post = _layered(weights)
    return json.dumps(
        {
            "architectures": [name],
            "pre_weights": pre,
            "num_layers_config_key": "num_hidden_layers",
            "layer_templates": {"weights": layers},
            "post_weights": post,
        },
        indent=2,
    ) + "\n"  # fmt: skip


def _weight(
    key: str, axes: tuple[str | None, ...], spec: PermutationSpec, tables: Collection[str]
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": key}
    if key in tables:
        return {**entry, "is_embed": True, **({"output_space": axes[1]} if axes[1] else {})}
    if len(axes) == 1:
        return {**entry, **({"input_space": axes[0]} if axes[0] else {}), "is_vector": True}
    if len(axes) > 1 and axes[1]:
        entry["input_space"] = axes[1]
    if axes and axes[0]:
        entry["output_space"] = axes[0]
    for side, axis in (("output", 0), ("input", 1)):
        if axis < len(axes) and axes[axis] in spec.flattened:
            entry["head_split"] = side
    return entry


_LAYER = re.compile(r"^(.*?\.)(\d+)(\..*)$")


def _layered(weights: list[dict[str, Any]]) -> tuple[list, list, list]:
    """Entries before the layers, of one layer with `${layer_index}`, and behind the layers."""
    found = [_LAYER.match(w["name"]) for w in weights]
    stems = {m[1] for m in found if m}
    if len(stems) != 1:
        return weights, [], []
    groups: dict[str, list[str]] = {}
    for w, m in zip(weights, found, strict=True):
        if m:
            text = json.dumps(w)
            groups.setdefault(m[2], []).append(
                re.sub(rf"(?<=\.){m[2]}(?=\.)", "${layer_index}", text)
            )
    if len({tuple(g) for g in groups.values()}) != 1:
        return weights, [], []
    inside = [i for i, m in enumerate(found) if m]
    layers = [json.loads(text) for text in next(iter(groups.values()))]
    return weights[: inside[0]], layers, weights[inside[-1] + 1 :]


def torch_pruning(spec: PermutationSpec) -> str:
    """Source that defines `GROUPS`: for each, which side of which modules loses channels together.

    Axis 0 of a weight is its outputs, axis 1 its inputs, as `prune_out_channels` and
    `prune_in_channels` take them. Where several channels belong to one index (heads, flattened
    pictures), `REPEATS` says how many.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    repeats: dict[str, int] = {}
    for perm in spec.perms.values():
        members: dict[tuple[str, str], None] = {}
        for key, axes in spec.acts_on(perm.name).items():
            for axis in axes:
                size = spec.tensors[key].shape[axis]
                side = "out" if axis == 0 else "in"
                members[module(key) or key, side] = None
                if size > perm.size:
                    repeats[f"{key}:{axis}"] = size // perm.size
        groups[perm.name] = list(members)
    lines = ["# which sides of which modules lose the same channels", "GROUPS = {"]
    for name, found in groups.items():
        lines.append(f"    {name!r}: [")
        lines += [f"        {member!r}," for member in found]
        lines.append("    ],")
    lines += ["}", "# channels of an axis that belong to one index", f"REPEATS = {repeats!r}"]
    return "\n".join(lines) + "\n"
