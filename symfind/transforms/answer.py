"""The answer that every route to the fields of a function gives."""

from typing import Any

from symfind.transforms.fields import Dictionary
from symfind.transforms.naming import Named
from symfind.transforms.points import Points
from symfind.transforms.result import Found, Generator


def answer(
    samples: Points,
    whole: Dictionary,
    name: Named,
    generators: tuple[Generator, ...],
    trivial: int,
    reason: str,
    **rest: Any,
) -> Found:
    """What is found, undetermined where there is a reason; `rest` is what the route alone knows."""
    action = samples.action
    return Found(
        function=samples.oracle.name,
        inputs=tuple(f"{p.name} {list(p.shape)}" for p in action.places),
        act=str(action.act),
        size=action.size,
        items=action.items,
        fields=whole.words,
        status="undetermined" if reason else "found",
        reason=reason,
        algebra=name.name,
        named=name.of,
        aliases=name.identification.aliases if name.identification else (),
        dimension=len(generators) + trivial,
        trivial=trivial,
        generators=generators,
        defect=max((g.defect for g in generators), default=0.0),
        identification=name.identification,
        dictionary=whole,
        **rest,
    )
