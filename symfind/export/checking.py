"""Hand-written mappings and permutation specs, held against what is derived."""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from symfind.errors import InputError
from symfind.export.pairs import Pair, matching, pairs
from symfind.export.recipes import modules_of
from symfind.report.explained import Wire
from symfind.report.model import Report

Verdict = Literal["exact", "incomplete", "broken", "unmatched"]


@dataclass(frozen=True)
class Checked:
    """One entry of a file.

    Attributes:
        entry: as it is written.
        verdict: `exact`; `incomplete` where readers are missing, or only a part of the channels is
            free, so that it breaks the function;
            `broken` where no derived scale or permutation is of this kind; `unmatched` where it
            names nothing in the model.
        reason: by which reader, or what is missing.
    """

    entry: str
    verdict: Verdict
    reason: str = ""


def read(path: str) -> Any:
    """What a file says: JSON, YAML, or Python source with literals.

    Raises:
        InputError: it is none of these.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if path.endswith(".py"):
        return _source(text, path)
    try:
        return json.loads(text)
    except ValueError:
        pass
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply") from error
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(f"{path} is no JSON; YAML needs PyYAML (pip install pyyaml)") from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is neither JSON nor YAML: {error}") from error


def _source(text: str, path: str) -> dict[str, Any]:
    """The names that a source gives literal values; nothing of it is executed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} is no Python source: {error}") from error
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                continue
    return found


def check(content: Any, report: Report, spec: Any, wires: Sequence[Wire] = ()) -> list[Checked]:
    """Every entry of a mapping (AWQ, SmoothQuant), or of an `axes_to_perm`.

    Raises:
        InputError: there is neither in it.
    """
    axes = content.get("axes_to_perm") if isinstance(content, Mapping) else None
    if isinstance(axes, Mapping):
        return _permutations(axes, spec)
    entries = list(_entries(content, set()))
    if not entries:
        raise InputError(
            "the file has neither mappings (smooth_layer and balance_layers, or pairs of readers "
            "and a norm) nor axes_to_perm"
        )
    modules, found = modules_of(report), pairs(report)
    result: list[Checked] = []
    for smooth, balance in entries:
        result += _mapping(smooth, balance, modules, found, wires)
    return result


def _entries(content: Any, seen: set[int]) -> Any:
    """Pairs of a writer and its readers, wherever they are nested; what YAML repeats, once."""
    if id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, Mapping):
        if "smooth_layer" in content and "balance_layers" in content:
            readers = content["balance_layers"]
            readers = readers if isinstance(readers, (list, tuple)) else [readers]
            yield str(content["smooth_layer"]), [str(b) for b in readers]
            return
        for value in content.values():
            yield from _entries(value, seen)
    elif isinstance(content, (list, tuple)):
        if (
            len(content) == 2
            and isinstance(content[0], (list, tuple))
            and isinstance(content[1], str)
            and all(isinstance(b, str) for b in content[0])
        ):
            yield content[1], list(content[0])
            return
        for value in content:
            yield from _entries(value, seen)


def _mapping(
    smooth: str,
    balance: Sequence[str],
    modules: Sequence[str],
    found: Sequence[Pair],
    wires: Sequence[Wire],
) -> list[Checked]:
    entry = f"{smooth} -> {', '.join(balance)}"
    writers = matching(smooth, modules)
    readers = {m for b in balance for m in matching(b, modules)}
    if not writers or not readers:
        missing = smooth if not writers else ", ".join(balance)
        return [Checked(entry, "unmatched", f"the model has no module {missing}")]
    verdicts: dict[Verdict, dict[str, None]] = {}
    for writer in writers:
        near = {r for r in readers if _layer(r) == _layer(writer) or len(writers) == 1}
        verdict, reason = _one(writer, near, found, wires)
        verdicts.setdefault(verdict, {})[reason] = None
    order: tuple[Verdict, ...] = ("broken", "incomplete", "exact")
    worst = next(v for v in order if v in verdicts)
    reasons = [r for r in verdicts[worst] if r]
    more = f" and {len(reasons) - 1} more layers" if len(reasons) > 1 else ""
    return [Checked(entry, worst, (reasons[0] if reasons else "") + more)]


def _layer(name: str) -> str:
    """The numbers in a name: readers are those of the same layer."""
    return ".".join(p for p in name.split(".") if p.isdigit())[:8].split(".")[0]


def _one(
    writer: str, readers: set[str], found: Sequence[Pair], wires: Sequence[Wire]
) -> tuple[Verdict, str]:
    own = [p for p in found if writer in p.smooth]
    if not own:
        return "broken", f"no scale of the channels of {writer} is free{_why(writer, wires)}"
    for pair in own:
        wanted = set(pair.balance)
        others = [s for s in pair.smooth if s != writer]
        if readers == wanted and not pair.whole:
            return "incomplete", f"only some of the channels of {writer} are read there"
        if readers == wanted and not others:
            return "exact", f"acts on {pair.about}" if pair.about else ""
        if readers == wanted:
            return "incomplete", f"{', '.join(others)} writes these channels as well"
        if readers < wanted:
            missing = sorted(wanted - readers)
            return "incomplete", f"{', '.join(missing)} reads these channels as well"
    extra = sorted(readers - set(own[0].balance))
    return "broken", f"{', '.join(extra)} does not read the channels of {writer}"


def _why(writer: str, wires: Sequence[Wire]) -> str:
    """What stands against it, where an explanation knows."""
    for wire in wires:
        if any(n.startswith(f"{writer}.") for n in wire.writers):
            words = [r.words for r in wire.reasons if not r.leaves]
            if words:
                return f": {words[0]}"
    return ""


def _permutations(axes: Mapping[str, Any], spec: Any) -> list[Checked]:
    """Every permutation of a spec in Git Re-Basin's form."""
    given: dict[str, set[tuple[str, int]]] = {}
    for key, names in axes.items():
        for axis, name in enumerate(names):
            if name is not None:
                given.setdefault(str(name), set()).add((key, axis))
    derived: dict[str, set[tuple[str, int]]] = {}
    known: set[str] = set()
    for key, names in spec.axes_to_perm.items():
        known.add(key)
        for axis, name in enumerate(names):
            if name is not None:
                derived.setdefault(name, set()).add((key, axis))
    return [_permutation(name, own, derived, known) for name, own in given.items()]


def _permutation(
    name: str,
    own: set[tuple[str, int]],
    derived: Mapping[str, set[tuple[str, int]]],
    known: set[str],
) -> Checked:
    absent = sorted(key for key, _ in own if key not in known)
    if absent:
        return Checked(name, "unmatched", f"the model has no tensor {', '.join(absent)}")
    near = max(derived.values(), key=lambda d: len(d & own), default=set())
    if own == near:
        return Checked(name, "exact")
    if own < near:
        missing = ", ".join(f"axis {a} of {k}" for k, a in sorted(near - own))
        return Checked(name, "incomplete", f"{missing} carries this index as well")
    extra = ", ".join(f"axis {a} of {k}" for k, a in sorted(own - near))
    return Checked(name, "broken", f"{extra} is not free to be permuted with it")


def render(found: Sequence[Checked]) -> str:
    """One line for each entry, and a sum."""
    lines = [f"{c.verdict:<10}  {c.entry}" + (f"\n{'':12}{c.reason}" if c.reason else "")
             for c in found]  # fmt: skip
    exact = sum(c.verdict == "exact" for c in found)
    return "\n".join([*lines, "", f"{exact} of {len(found)} entries are exact"]) + "\n"
