"""A permutation spec as a table, as JSON and as Python source."""

import json
from collections.abc import Sequence
from typing import Any

from symfind.discrete.spec import PermutationSpec
from symfind.report.terminal import fold
from symfind.report.words import plural

WIDTH = 80


def table(spec: PermutationSpec, width: int = WIDTH) -> str:
    """Permutations with short handles, then every tensor with what acts on each of its axes.

    An axis that flattens several indices is written as their product, one that packs several
    blocks as their sum, a fixed axis or factor as its size; `~` marks one that the model numbers
    otherwise.
    """
    if not spec.perms:
        return "No permutation of hidden indices was found.\n"
    handles = {name: f"p{i}" for i, name in enumerate(spec.perms)}
    rows: list[tuple[str, ...]] = [("", "group", "tensors", "permutation")]
    for name, p in spec.perms.items():
        copies = "x".join(map(str, p.copies))
        group = f"S_{p.size}" + (f"^{copies}" if copies else "")
        mark = "  in a continuous group" if p.continuous else ""
        rows.append((handles[name], group, str(len(spec.acts_on(name))), name + mark))
    lines = _columns(rows, width)
    lines += ["", *_tensors(spec, handles, width), "", _sentence(spec)]
    return "\n".join(lines) + "\n"


def _tensors(spec: PermutationSpec, handles: dict[str, str], width: int) -> list[str]:
    rows: list[tuple[str, ...]] = [("tensor", "axes")]
    for key, tensor in spec.tensors.items():
        if not tensor.perms():
            continue
        axes = []
        for axis, size in enumerate(tensor.shape):
            axes.append(_axis(spec, key, axis, handles) if tensor.perms(axis) else str(size))
        note = "" if tensor.trainable else "  (buffer)"
        rows.append((key + note, ", ".join(axes)))
    return _columns(rows, width)


def _axis(spec: PermutationSpec, key: str, axis: int, handles: dict[str, str]) -> str:
    parts: dict[tuple[int, str], None] = {}
    for block in spec.tensors[key].blocks:
        digits = block.along(axis)
        text = "*".join(handles[d.perm] if d.perm else str(d.size) for d in digits) or "1"
        parts[block.start[axis], text] = None
    whole = "+".join(text for _, text in sorted(parts))
    if spec.tensors[key].order(axis) is None:
        return whole
    return f"({whole})~" if "+" in whole else f"{whole}~"


def _columns(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Columns as wide as their cells; the last one begins on a line of its own where it must."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        head = "".join(f"{cell:<{w + 2}}" for cell, w in zip(row, widths, strict=False))
        if len(head) + len(row[-1]) <= width:
            lines.append((head + row[-1]).rstrip())
        else:
            lines += [head.rstrip(), *("    " + part for part in fold(row[-1], width - 4))]
    return lines


def _sentence(spec: PermutationSpec) -> str:
    found = plural(len(spec.perms), "permutation")
    if spec.residual is None:
        return f"{found}; not tried on the model"
    return f"{found}; a random element changes the outputs by {spec.residual:.1e}"


def as_json(spec: PermutationSpec) -> str:
    """The values of `PermutationSpec.to_dict`."""
    return json.dumps(spec.to_dict(), indent=2, ensure_ascii=False) + "\n"


def as_python(spec: PermutationSpec) -> str:
    """Source that defines `axes_to_perm`, `sizes`, `flattened` and `orders`.

    `flattened` gives, for every name in `axes_to_perm` that is not in `sizes`, the segments of the
    axis: where each starts, and its factors (size, stride, permutation or
    None, which factors choose among its copies). `orders` says where coordinates of the segments
    lie on an axis that the model numbers otherwise.
    """
    sizes = {name: (*p.copies, p.size) for name, p in spec.perms.items()}
    parts = [
        ("axes_to_perm", spec.axes_to_perm, "parameter name -> one permutation, or None, per axis"),
        ("sizes", sizes, "permutation -> shape of its index array: copies, then what is permuted"),
        ("flattened", spec.flattened, "axis permutation -> segments (start, factors)"),
        ("orders", spec.orders, "axis permutation -> place on the axis of every coordinate"),
        ("apart", spec.apart, "tensors that no permutation of whole axes can express"),
        ("buffers", spec.buffers, "tensors that are moved but not trained"),
    ]
    return "\n".join(f"# {text}\n{name} = {_literal(value)}\n" for name, value, text in parts)


def _literal(value: Any) -> str:
    """A dict or tuple as source, one entry on a line."""
    if not value:
        return repr(value)
    if isinstance(value, dict):
        return "{\n" + "".join(f"    {k!r}: {v!r},\n" for k, v in value.items()) + "}"
    return "(\n" + "".join(f"    {v!r},\n" for v in value) + ")"
