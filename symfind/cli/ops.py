import json
from typing import TYPE_CHECKING, Any

import click

from symfind.cli.options import debug_option, json_option, source_options
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.ops.gaps import Gap
    from symfind.ops.support import Support

_SHOWN = 4  # modules or places on a line, before the rest is counted


@click.command("ops")
@source_options
@json_option
@click.option("--details", is_flag=True, help="Show in which modules each operation occurs.")
@click.option("--strict", is_flag=True, help="Exit with 1 where an operation has no rule.")
@debug_option
@click.pass_context
def ops_command(
    ctx: click.Context,
    model: str,
    quiet: bool,
    json_file: str | None,
    details: bool,
    strict: bool,
    **arguments: Any,
) -> None:
    """Which operations of MODEL have a rule: the model is traced, and nothing is derived.

    An operation without a rule is rigid: no change of basis is seen to pass from the parameters
    that write what goes in to those that read what comes out, and the report names it. On a twin
    it keeps its sizes; exact mode refuses it. With docs/own-rules.md one adds a rule of one's own.

    Exit codes: 0 traced; 1 --strict and an operation is rigid; 2 bad usage, or a model that cannot
    be loaded or traced.
    """
    with working(quiet):
        from symfind.load import resolve
        from symfind.ops.gaps import gaps
        from symfind.ops.support import supported
        from symfind.trace import trace_loaded

        seed, given = arguments["seed"], arguments["settings"]
        loaded = resolve(model, inputs=arguments["inputs"], settings=given, seed=seed)
        graph = trace_loaded(loaded, train=arguments["train"])
        found, rigid = supported(graph), gaps(graph)

    def as_json() -> str:
        return json.dumps(_data(loaded.name, found, rigid), indent=2, ensure_ascii=False)

    deliver(json_file, quiet, as_json, lambda: print_text(_text(found, rigid, details)))
    ctx.exit(strict and bool(rigid))


def _text(found: "list[Support]", rigid: "list[Gap]", details: bool) -> str:
    from symfind.ops.support import table

    text = table((support.counted for support in found), "count")
    if details:
        text += "\n" + "".join(
            f"{support.name.removeprefix('aten.')}\n{_listed(support.modules)}" for support in found
        )
    total = sum(support.count for support in found)
    lost = sum(sum(gap.modules.values()) for gap in rigid)
    text += f"\n{total - lost} of {total} operations have a rule\n"
    return text + "".join(f"\n{_gap(gap)}" for gap in rigid)


def _listed(modules: Any) -> str:
    return "".join(
        f"    {count:6,}  {name or '(the model itself)'}\n" for name, count in modules.items()
    )


def _gap(gap: "Gap") -> str:
    """What is lost by one operation, in words."""
    many = sum(gap.modules.values())
    lines = [f"{gap.op}, {many} {'place' if many == 1 else 'places'}: {gap.why}"]
    names = [name or "the model itself" for name in gap.modules]
    lines.append(f"  in {_few(names)}")
    if gap.places:
        lines.append(f"  at {_few(list(gap.places))}")
    if gap.writers and gap.readers:
        lines.append(f"  rigid between {_few(list(gap.writers))}")
        lines.append(f"            and {_few(list(gap.readers))}")
    elif gap.writers:
        lines.append(f"  rigid behind {_few(list(gap.writers))}")
    return "\n".join(lines) + "\n"


def _few(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _data(name: str, found: "list[Support]", rigid: "list[Gap]") -> dict[str, Any]:
    operations = [
        {
            "op": s.name, "count": s.count, "derived": s.lowered, "twin": s.sized,
            "exact": s.exact, "why": s.why, "modules": dict(s.modules),
        }
        for s in found
    ]  # fmt: skip
    gaps = [
        {
            "op": g.op, "count": sum(g.modules.values()), "why": g.why, "modules": g.modules,
            "places": list(g.places), "writers": list(g.writers), "readers": list(g.readers),
        }
        for g in rigid
    ]  # fmt: skip
    return {"schema": "symfind.ops/1", "model": name, "operations": operations, "rigid": gaps}
