"""Architectures of mergekit: names of tensors, and in its older form the spaces of their sides."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from symfind.discrete.spec import PermutationSpec
from symfind.export.groups import Axes, check_axes
from symfind.export.reading import nested
from symfind.export.verdicts import Checked, listed

Entry = Mapping[str, Any]
_TEMPLATE = re.compile(r"\$\{layer_index([+-]1)?\}")


def weights(content: Any) -> Iterator[Entry]:
    """The entries of an architecture, wherever they are nested."""
    for one in nested(content, lambda found: isinstance(found.get("name"), str)):
        if "inputs" not in one:  # else it is a space that is the sum of others
            yield one


def is_architecture(content: Any) -> bool:
    """Whether a file is one of mergekit's."""
    return isinstance(content, Mapping) and ("layer_templates" in content or "modules" in content)


def check(content: Mapping[str, Any], spec: PermutationSpec) -> list[Checked]:
    """That all tensors are named, tied ones as such; and every space, where there are spaces."""
    names = {other: key for key, t in spec.tensors.items() for other in (key, *t.also)}
    entries = [entry for entry in weights(content)]
    found = [_whole(entries, names, spec), *_unknown(entries, names), *_tied(entries, names)]
    ranks = {key: len(t.shape) for key, t in spec.tensors.items()}
    return found + check_axes(spaces(entries, names, ranks), spec)


def _whole(entries: list[Entry], names: Mapping[str, str], spec: PermutationSpec) -> Checked:
    known = {names[name] for entry in entries for name, _ in named(entry, names)}
    missing = [key for key in spec.tensors if key not in known]
    if missing:
        return Checked("weights", "incomplete", f"{listed(missing)} not named")
    return Checked("weights", "exact", f"all {len(spec.tensors)} tensors are named")


def _unknown(entries: list[Entry], names: Mapping[str, str]) -> list[Checked]:
    return [
        Checked(str(entry["name"]), "unmatched", "the model has no such tensor")
        for entry in entries
        if not named(entry, names) and not entry.get("optional")
    ]


def _tied(entries: list[Entry], names: Mapping[str, str]) -> list[Checked]:
    """Tensors that the model shares: of two names that are there, one says that it is the other."""
    said = {name: set(entry.get("tied_names") or entry.get("aliases") or ())
            for entry in entries for name, _ in named(entry, names)}  # fmt: skip
    result = []
    for name, key in names.items():
        if name != key and name in said:
            exact = key in said[name] or name in said.get(key, ())
            reason = "" if exact else f"{name} is the same tensor, which is not said"
            result.append(Checked(f"tied: {key}, {name}", "exact" if exact else "incomplete",
                                  reason))  # fmt: skip
    return result


def spaces(
    entries: Iterable[Entry], names: Mapping[str, str], ranks: Mapping[str, int]
) -> dict[str, Axes]:
    """Spaces with the axes that lie in them, layers written out.

    Args:
        entries: of an architecture.
        names: all names of tensors, and the first of each.
        ranks: how many axes tensors have, by their first names.
    """
    found: dict[str, Axes] = {}
    for entry in entries:
        for name, number in named(entry, names):
            rank = ranks[names[name]]
            sides = (("input_space", min(rank - 1, 1)),
                     ("output_space", 1 if entry.get("is_embed") else 0))  # fmt: skip
            for side, axis in sides:
                if entry.get(side) and axis < rank:
                    space = _filled(str(entry[side]), number)
                    found.setdefault(space, set()).add((names[name], axis))
    return found


def named(entry: Entry, names: Mapping[str, str]) -> list[tuple[str, int]]:
    """The tensors that an entry names, with the number of the layer; -1 for none."""
    for template in (str(entry["name"]), *(entry.get("aliases") or ())):
        found = _matching(template, names)
        if found:
            return found
    return []


def _matching(template: str, names: Mapping[str, str]) -> list[tuple[str, int]]:
    parts = _TEMPLATE.split(template)
    if len(parts) == 1:
        return [(template, -1)] if template in names else []
    pattern = re.escape(parts[0]) + r"(\d+)" + r"\d+".join(re.escape(p) for p in parts[2::2])
    found = [(key, re.fullmatch(pattern, key)) for key in names]
    return [(key, int(m[1]) - int(parts[1] or 0)) for key, m in found if m]


def _filled(text: str, number: int) -> str:
    return _TEMPLATE.sub(lambda m: str(number + int(m[1] or 0)), text)
