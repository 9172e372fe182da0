"""Which integers count layers, and the member with as few of them as keep all that the model does.

One more or less of such an integer adds or removes parameters and leaves the shapes of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from symfind.family.family import Family, Member, Values, name_of, trained
from symfind.family.places import Place

Shapes = Mapping[str, tuple[int, ...]]

KEPT = 2
_MOST = 300  # more is no number of layers
_WORDS = ("layer", "depth", "block", "stage", "repeat")  # asked first, and only that


@dataclass(frozen=True)
class Short:
    """The model with fewer layers.

    Attributes:
        member: with fewer layers.
        depths: how many the model has of each kind, where that can be changed.
    """

    member: Member
    depths: dict[Place, int]


def shortened(family: Family, kept: int = KEPT) -> Short | str:
    """The model with as few layers of each kind as it takes to do all that it does.

    Args:
        family: of the model.
        kept: how many of a kind at least.
    """
    model = family.member({})
    if isinstance(model, str):
        return model
    depths: dict[Place, int] = {}
    found = model
    named = [p for p in family.arguments if any(w in name_of(p).lower() for w in _WORDS)]
    for place in named:
        n = family.base[place]
        if n > _MOST or not _counts_layers(family, found, place):
            continue
        depths[place] = n
        for few in range(min(kept, n), n):
            made = family.member({**found.values, place: few})
            if isinstance(made, Member) and made.vocabulary == model.vocabulary:
                found = made
                break
    return Short(found, depths)


def _counts_layers(family: Family, member: Member, place: Place) -> bool:
    less = family.tensors({**member.values, place: member.values[place] - 1})
    return less is not None and grown(less, trained(member.loaded.model))


def grown(less: Shapes, more: Shapes) -> bool:
    """Whether one has all parameters of another, of the same shapes, and others."""
    same = all(more.get(name) == shape for name, shape in less.items())
    return len(less) < len(more) and same


def with_layers(member: Member, depths: dict[Place, int]) -> Values:
    """The integers of a member, with other numbers of layers."""
    return {**member.values, **depths}
