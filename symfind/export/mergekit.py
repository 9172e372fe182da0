"""Architectures of mergekit: every tensor, layers as templates, and the spaces of their sides.

The form of today names tensors, which are tied, and which count tokens; nothing else may stand in
an entry. Spaces, which permutations need, stand in entries of the form before that
(`mergekit-spaces`).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from symfind.discrete.spec import PermutationSpec
from symfind.export.groups import Directions

_LAYER = re.compile(r"^(.*?\.)(\d+)(\..*)$")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What a config and a graph say of a model besides its permutations.

    Attributes:
        name: of the class.
        model_type: of the config; empty where there is none.
        layers_key: the entry of the config that counts layers.
        tokens: how many there are; 0 where none are looked up.
        outputs: which axes of tensors are outputs, and which inputs.
    """

    name: str
    model_type: str = ""
    layers_key: str = "num_hidden_layers"
    tokens: int = 0
    outputs: Directions | None = None


def facts(model: Any, name: str, outputs: Directions) -> Facts:
    """Read a model and its config, if it has one."""
    config = getattr(model, "config", None)
    names = getattr(config, "attribute_map", None) or {}
    tokens = getattr(config, "vocab_size", 0)
    return Facts(
        name,
        str(getattr(config, "model_type", "") or ""),
        names.get("num_hidden_layers", "num_hidden_layers"),
        tokens if isinstance(tokens, int) else 0,
        outputs,
    )


def mergekit(spec: PermutationSpec, about: Facts, spaces: bool = False) -> str:
    """An architecture.

    Args:
        spec: the permutations.
        about: the model.
        spaces: entries say which space each side of a tensor lies in, as older versions read it.
    """
    weights = [_weight(key, spec, about, spaces) for key in spec.tensors if _trained(key, spec)]
    weights += [_tie(other, key, spec, about, spaces)
                for key, t in spec.tensors.items() for other in t.also]  # fmt: skip
    pre, layers, post = _layered(weights)
    return json.dumps(
        {
            "model_type": about.model_type,
            "architectures": [about.name],
            "pre_weights": pre,
            "num_layers_config_key": about.layers_key,
            "layer_templates": {"weights": layers},
            "post_weights": post,
        },
        indent=2,
    ) + "\n"  # fmt: skip


def _trained(key: str, spec: PermutationSpec) -> bool:
    return spec.tensors[key].trainable


def _weight(key: str, spec: PermutationSpec, about: Facts, spaces: bool) -> Entry:
    entry: Entry = {"name": key}
    counts = [a for a, n in enumerate(spec.tensors[key].shape) if n == about.tokens > 0]
    if spaces:
        return entry | _sides(key, spec, about, bool(counts))
    return entry | ({"vocabulary_axis": counts[0]} if counts else {})


def _tie(other: str, key: str, spec: PermutationSpec, about: Facts, spaces: bool) -> Entry:
    """Another name of a tensor: a checkpoint may leave it out."""
    entry = {**_weight(key, spec, about, spaces), "name": other, "optional": True}
    if spaces:
        space = entry.pop("output_space", None)  # the other name reads what the first one writes
        return entry | ({"input_space": space} if space else {}) | {"aliases": [key]}
    return entry | {"tied_names": [key]}


def _sides(key: str, spec: PermutationSpec, about: Facts, table: bool) -> Entry:
    """Spaces of both sides, heads as such, and whether two heads meet in a product."""
    axes = spec.axes_to_perm.get(key, ())
    entry: Entry = {"is_embed": True} if table else {}
    if len(axes) < 2:
        return entry | ({"input_space": axes[0]} if axes and axes[0] else {})
    known = about.outputs or {}
    for axis, name in enumerate(axes[:2]):
        sides = known.get((key, axis), ("out" if axis == 0 else "in",))
        side = "output" if "out" in sides else "input"
        if name:
            entry[f"{side}_space"] = name
            if name in spec.flattened:
                entry["head_split"] = side
    return entry


def _layered(weights: list[Entry]) -> tuple[list[Entry], list[Entry], list[Entry]]:
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
    rest = [(i, w) for i, (w, m) in enumerate(zip(weights, found, strict=True)) if not m]
    return [w for i, w in rest if i < inside[0]], layers, [w for i, w in rest if i > inside[0]]
