"""Dimension tables: what each kind of symmetry and each layer contributes."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from symfind.characters import visible
from symfind.report import words
from symfind.report.model import KINDS, Factor, Place, Report

SCHEMA = "symfind.dims/1"

_HEADERS = ("name", "parameters", "algebra", "symmetry", "inert", "effective", "formula")
_REST = "(across layers)"
_ROOT = "(root)"


@dataclass(frozen=True)
class Row:
    """One line of the table; None where the report does not determine the number."""

    name: str
    parameters: int | None
    algebra: int
    symmetry: int | None
    inert: int
    effective: int | None
    formula: str = ""


@dataclass(frozen=True)
class Dims:
    """The whole table: the total, and the same split by kind and by layer."""

    total: Row
    kinds: tuple[Row, ...]
    layers: tuple[Row, ...]


def dims_table(report: Report, format: Literal["table", "csv", "json"] = "table") -> str:
    """Write the dimensions of the model, of each kind of symmetry and of each layer.

    A layer is the module path of a place up to its first number (`transformer.h.0`). The split of
    the orbit dimension is known only where stabilisers are trivial; elsewhere it is left open.

    Raises:
        ValueError: an unknown format.
    """
    writers: dict[str, Callable[[Report, Dims], str]] = {
        "table": _text,
        "csv": _csv,
        "json": _json,
    }
    if format not in writers:
        raise ValueError(f"format {format!r} is none of {', '.join(writers)}")
    return writers[format](report, dims(report))


def dims(report: Report) -> Dims:
    """Split the counts of the report by kind and by layer."""
    d = report.dimension
    total = Row("total", d.parameters, d.algebra, d.symmetry, d.inert, d.effective, d.formula)
    return Dims(total, _kinds(report), _layers(report))


def layer(path: str) -> str:
    """Return the layer of a place or a tensor: its module path up to the first number.

    A number stands alone, `h.0`, or after an underscore, `encoder_layer_0`.
    """
    module = path.partition(":")[0]
    parts = module.split(".")
    for index, part in enumerate(parts):
        if part.rpartition("_")[2].isdigit():
            return ".".join(parts[: index + 1])
    return module


def _kinds(report: Report) -> tuple[Row, ...]:
    rows = []
    for kind in KINDS:
        factors = [factor for factor in report.factors if factor.kind == kind]
        if factors:
            formula = (
                " + ".join(f.formula for f in factors) if all(f.formula for f in factors) else ""
            )
            rows.append(_row(report, kind, None, [(f, f.total) for f in factors], formula))
    return tuple(rows)


def by_layer(report: Report) -> dict[str, list[tuple[Factor, int]]]:
    """Layers in their natural order, each with the factors that act there and their dimension."""
    owned: dict[str, list[tuple[Factor, int]]] = {_home(name): [] for name in report.model.tensors}
    for factor in report.factors:
        places = factor.places or (Place(factor.id, factor.parameters, "", factor.total, 1),)
        for place in places:
            owned.setdefault(layer(place.id), []).append((factor, place.total))
        rest = factor.total - sum(place.total for place in places)
        if rest:
            owned.setdefault(_REST, []).append((factor, rest))
    return {name or _ROOT: owned[name] for name in sorted(owned, key=_natural)}


def _layers(report: Report) -> tuple[Row, ...]:
    sizes: dict[str, int] = {}
    for name, size in report.model.tensors.items():
        home = _home(name) or _ROOT
        sizes[home] = sizes.get(home, 0) + size
    return tuple(
        _row(report, name, sizes.get(name), parts, "") for name, parts in by_layer(report).items()
    )


def _home(tensor: str) -> str:
    # The tensor's own name is no module: `bias` alone belongs to the root.
    return layer(tensor.rpartition(".")[0])


def _row(
    report: Report,
    name: str,
    parameters: int | None,
    parts: Iterable[tuple[Factor, int]],
    formula: str,
) -> Row:
    parts = list(parts)
    inert = sum(size for factor, size in parts if factor.kind == "inert")
    algebra = sum(size for factor, size in parts if factor.kind != "inert")
    free = report.dimension.algebra == report.dimension.symmetry
    symmetry = algebra if free or algebra == 0 else None
    effective = None
    if parameters is not None and symmetry is not None:
        effective = parameters - symmetry - inert
    return Row(name, parameters, algebra, symmetry, inert, effective, formula)


def _natural(name: str) -> tuple[Any, ...]:
    # `h.2` before `h.10`, and what belongs to no layer last.
    parts = (part for part in re.split(r"(\d+)|\.", name) if part)
    return (name == _REST, *((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts))


def _text(report: Report, table: Dims) -> str:
    columns = _HEADERS[:-1]
    blocks = [("total", [table.total]), ("kind", table.kinds), ("layer", table.layers)]
    cells = {
        label: [[_cell(getattr(row, column)) for column in columns] for row in rows]
        for label, rows in blocks
    }
    every = [list(columns), *(line for lines in cells.values() for line in lines)]
    widths = [max(len(line[i]) for line in every) for i in range(len(columns))]
    out = [visible(report.model.name), ""]
    for label, rows in blocks:
        if not rows:
            continue
        out.append(_line([label, *columns[1:]], widths))
        out += [_line(line, widths) for line in cells[label]]
        out.append("")
        formulas = [row for row in rows if row.formula]
        out += [f"{row.name}: {row.formula}" for row in formulas]
        out += [""] if formulas else []
    return "\n".join(out)


def _line(cells: list[str], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    name = f"{first[0]:<{first[1]}}"
    return "  ".join([name, *(f"{cell:>{width}}" for cell, width in rest)])


def _csv(report: Report, table: Dims) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("scope", *_HEADERS))
    for scope, rows in (("total", (table.total,)), ("kind", table.kinds), ("layer", table.layers)):
        for row in rows:
            values = (getattr(row, header) for header in _HEADERS)
            writer.writerow((scope, *("" if value is None else value for value in values)))
    return out.getvalue()


def _json(report: Report, table: Dims) -> str:
    data = {
        "schema": SCHEMA,
        "model": report.model.name,
        "total": vars(table.total),
        "kinds": [vars(row) for row in table.kinds],
        "layers": [vars(row) for row in table.layers],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _cell(value: Any) -> str:
    return words.count(value) if not isinstance(value, str) else visible(value)
