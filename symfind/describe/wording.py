"""How families act, in text and LaTeX: printed from their records."""

from collections.abc import Callable

from symfind.action.record import Record
from symfind.action.wording import short, wording
from symfind.characters import tex_name as _tex
from symfind.solve.families.combined import CombinedFamily
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family


def action(
    family: Family, record: Record, recorded: Callable[[Family], Record], full: bool = False
) -> tuple[str, str]:
    """How a family acts, in text and in LaTeX.

    Args:
        family: what acts.
        record: of it.
        recorded: makes records of the members of a combination.
        full: all tensors, however many.
    """
    if isinstance(family, CombinedFamily):
        return _together(family, recorded, full)
    if family.kind == "scaling" and isinstance(family, NullFamily) and family.scaled:
        return _anchored(family)
    return wording(record, family.kind, full)


def _together(
    family: CombinedFamily, recorded: Callable[[Family], Record], full: bool
) -> tuple[str, str]:
    """What all members do, with the power of each where it has one coefficient."""
    texts, formulas = [], []
    for member, mix in family.parts:
        text, latex = action(member, recorded(member), recorded, full)
        power = f"{float(mix):g}" if mix.numel() == 1 else ""
        texts.append(f"({text}) to the power {power}" if power not in ("", "1") else f"({text})")
        formulas.append(rf"({latex})^{{{power}}}" if power not in ("", "1") else f"({latex})")
    return "only together: " + " and ".join(texts), r"\,\circ\,".join(formulas)


def _anchored(family: NullFamily) -> tuple[str, str]:
    """Scales that end in a shift: some parameters are multiplied, others shifted to match."""
    rates = {s.key: rate for s, rate in zip(family.scaled, family.rates, strict=True)}
    text, latex = [], []
    for name, n in short(family.names).items():
        if name in rates:
            power = "t" if rates[name] == 1 else f"{rates[name]:g}t"
            text.append(f"{n} -> e^({power}) {n}")
            latex.append(rf"{_tex(n)} \mapsto e^{{{power}}}\,{_tex(n)}")
        else:
            text.append(f"{n} -> {n} + the shift that makes up for it")
            latex.append(rf"{_tex(n)} \mapsto {_tex(n)} + \text{{shift}}")
    return ", ".join(text) + "; t is any number", r",\; ".join(latex)
