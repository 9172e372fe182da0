"""A difference of two reports in words."""

from symfind.characters import visible
from symfind.report.difference import Change, Difference, LayerChange
from symfind.report.words import plural

_NAMES = 3  # of layers that differ alike, before the rest is counted


def render(found: Difference) -> str:
    """The difference as text: what is lost (-), what is gained (+), and the counts."""
    one, two = found.names
    lines = [one if one == two else f"{one} -> {two}"]
    if found.same:
        lines += ["", "no difference: the same groups, counts and verdicts"]
        return visible("\n".join(lines), lines=True) + "\n"
    if found.counts:
        lines.append("")
        width = max(map(len, found.counts))
        for name, (before, after) in found.counts.items():
            lines.append(f"{name:{width}}  {before:,} -> {after:,}  ({after - before:+,})")
    for change in found.layers:
        lines += ["", *_layer(change)]
    if found.verdicts or found.unsupported:
        lines.append("")
    for name, (old, new) in found.verdicts.items():
        lines.append(f"{name}: {old} -> {new}")
    for op, (earlier, later) in found.unsupported.items():
        lines.append(f"without a rule: {op}, {earlier} -> {later}")
    return visible("\n".join(lines), lines=True) + "\n"


def _layer(change: LayerChange) -> list[str]:
    names = ", ".join(change.layers[:_NAMES])
    if len(change.layers) > _NAMES:
        names += f", … ({len(change.layers)} layers)"
    if change.before is None or change.after is None:
        size = f"{change.before or change.after or 0:,}"
        moved = f"only in the {'second' if change.before is None else 'first'}, dimension {size}"
    else:
        each = " each" if len(change.layers) > 1 else ""
        step = change.after - change.before
        moved = f"dimension {change.before:,} -> {change.after:,} ({step:+,}{each})"
    return [
        f"{names}: {moved}",
        *(f"  - {_action(c)}" for c in change.lost),
        *(f"  + {_action(c)}" for c in change.gained),
    ]


def _action(change: Change) -> str:
    times = f", {plural(change.sites, 'site')}" if change.sites > 1 else ""
    return f"{change.group}  {change.kind} at {change.role}, dimension {change.dimension:,}{times}"
