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
    said = _said(spec, about) if spaces else None
    weights = [_weight(key, spec, about, said) for key in spec.tensors]
    weights += [_tie(other, key, spec, about, said)
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


def _said(spec: PermutationSpec, about: Facts) -> frozenset[str]:
    """Spaces that entries can say: not along a third axis, behind a roll, or sides exchanged."""
    names: set[str] = set()
    unsaid: set[str] = set()
    for key, axes in spec.axes_to_perm.items():
        names |= {n for n in axes if n}
        unsaid |= {n for n in axes[2:] if n}
        if len(axes) > 1 and axes[0] and _side(key, 1, about) == "output":
            unsaid |= {n for n in axes[:2] if n}
    return frozenset(names - unsaid - spec.renumbered - set(spec.orders))


def _side(key: str, axis: int, about: Facts) -> str:
    known = (about.outputs or {}).get((key, axis), ("out" if axis == 0 else "in",))
    return "output" if "out" in known else "input"


def _weight(
    key: str, spec: PermutationSpec, about: Facts, said: frozenset[str] | None = None
) -> Entry:
    entry: Entry = {"name": key}
    moved = spec.axes_to_perm.get(key, ())
    counts = [a for a, n in enumerate(spec.tensors[key].shape)
              if n == about.tokens > 0 and not any(moved[a : a + 1])]  # fmt: skip
    if said is not None:
        return entry | _sides(key, spec, about, said, bool(counts))
    return entry | ({"vocabulary_axis": counts[0]} if counts else {})


def _tie(
    other: str, key: str, spec: PermutationSpec, about: Facts, said: frozenset[str] | None
) -> Entry:
    """Another name of a tensor: a checkpoint may leave it out."""
    entry = {**_weight(key, spec, about, said), "name": other, "optional": True}
    if said is not None:
        space = entry.pop("output_space", None)  # the other name reads what the first one writes
        return entry | ({"input_space": space} if space else {}) | {"aliases": [key]}
    return entry | {"tied_names": [key]}


def _sides(
    key: str, spec: PermutationSpec, about: Facts, said: frozenset[str], table: bool
) -> Entry:
    """Spaces of both sides, heads as such, and whether rows are looked up."""
    axes = [n if n in said else None for n in spec.axes_to_perm.get(key, ())]
    if len(axes) < 2:
        space = next(iter(axes), None)
        return ({"is_embed": True} if table else {}) | ({"input_space": space} if space else {})
    entry: Entry = {}
    for axis, name in enumerate(axes[:2]):
        side = _side(key, axis, about)
        if name:
            table |= axis == 1 and side == "output"  # rows are no space
            entry[f"{side}_space"] = name
            if name in spec.flattened:
                entry["head_split"] = side
    return ({"is_embed": True} if table else {}) | entry


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
