"""Finite groups and permutations as tables of 80 columns."""

import textwrap

from symfind.transforms.permuted import Permutations
from symfind.transforms.render import fact
from symfind.transforms.reports import Equivariance

_SHOWN = 12
_DIGITS = 12


def equivariance_table(found: Equivariance, details: bool = False) -> str:
    """Write what a function does under a group; the text ends with a newline."""
    lines = [_head(found.function, found.spec)]
    lines += textwrap.wrap(f"{found.group}, of order {_number(found.order)}, {found.acts}", 80)
    lines += ["", *_tensors(found, details)]
    lines += fact("f", _kind(found))
    lines += fact("residuals", _residuals(found))
    if found.representation:
        lines += fact("output", found.representation)
    if found.free is None:
        if found.reason:
            lines += fact("parameters", f"no action is known: {found.reason}")
        return "\n".join(lines) + "\n"
    holds = f"f_gθ(g x) = ρ(g) f_θ(x) holds at random θ up to {found.action:.0e}"
    lines += fact("parameters", holds)
    lines += fact(
        "free", f"{found.free:,} of {found.parameters:,}: the weights of the equivariant network"
    )
    if found.symmetrised is not None:
        lines += fact(
            "averaged",
            f"the largest residual is {found.worst:.0e} at these weights, and "
            f"{found.symmetrised:.0e} at their average over the group",
        )
    return "\n".join(lines) + "\n"


def permutations_table(found: Permutations, details: bool = False) -> str:
    """Write which permutations a function has; the text ends with a newline."""
    where = "all entries of one sample" if found.act == "whole" else (
        "the last axis" if found.act == "last-axis" else f"axis {found.act}"
    )  # fmt: skip
    does = "leave the output as it is" if found.kind == "invariant" else "permute the output alike"
    lines = [_head(found.function, found.spec)]
    lines += textwrap.wrap(f"permutations of {found.size} entries, {where}, that {does}", 80)
    lines.append("")
    lines += fact("group", found.group)
    lines += fact("order", _number(found.order))
    for orbit in found.orbits[: None if details else _SHOWN]:
        lines += fact("exchanged", " ".join(map(str, orbit)))
    for text in found.cycles[: None if details else _SHOWN]:
        lines += fact("generator", text)
    if not details and len(found.cycles) > _SHOWN:
        lines += fact("", f"and {len(found.cycles) - _SHOWN} more generators (--details)")
    complete = (
        "values at pairs of entries rule out all others" if found.complete else
        "others keep the values at pairs of entries, and do not hold; not all were tried"
    )  # fmt: skip
    lines += fact("complete", complete)
    return "\n".join(lines) + "\n"


def _head(function: str, spec: str) -> str:
    return function if function == spec else f"{function}  {spec}"


def _number(value: int) -> str:
    """An order, as a power of ten where it is long."""
    text = f"{value:,}"
    return text if len(text) <= _DIGITS + 4 else f"about 10^{len(str(value)) - 1}"


def _kind(found: Equivariance) -> str:
    if found.kind == "invariant":
        return "invariant"
    if found.kind == "equivariant":
        return f"equivariant: {found.how}"
    return f"neither invariant nor equivariant (nearest: {found.how})"


def _residuals(found: Equivariance) -> str:
    shown = [f"{r:.0e}" for r in found.residuals[:_SHOWN]]
    more = len(found.residuals) - len(shown)
    return " ".join(shown) + (f" and {more} more" if more else "") + ", by element"


def _tensors(found: Equivariance, details: bool) -> list[str]:
    if not found.tensors:
        return []
    lines = [f"{'parameter':<36}{'shape':<20}{'moves':<9}{'free':>14}"]
    shown = found.tensors if details else found.tensors[:_SHOWN]
    for part in shown:
        name = part.name if len(part.name) < 36 else part.name[:15] + "…" + part.name[-18:]
        shape = "×".join(map(str, part.shape)) or "1"
        lines.append(f"{name:<36}{shape:<20}{part.moves:<9}{f'{part.free:,} of {part.size:,}':>14}")
    if len(shown) < len(found.tensors):
        lines.append(f"and {len(found.tensors) - len(shown)} more (--details)")
    return [*lines, ""]
