"""How few parameters a member can have, as far as that is seen without making small ones.

Where widths stand in the code and not in arguments, no member is small; that is seen by changing
each argument alone, which is cheaper than to try all of them together again and again.
"""

from symfind.family.family import Family, Member
from symfind.family.places import Place

_FEW = 8  # arguments; of more it takes longer to change each alone
_LEAST = 4  # smaller ones are no widths


def fewest(family: Family, member: Member) -> int:
    """A lower bound of the parameters of members; zero where there are many arguments.

    Parameters are counted by polynomials with coefficients that are not negative: without an
    argument no more goes than its share at the member, and all together lose no more than each
    alone. What can be no other number, neither alone nor with those that equal it, stays.

    Args:
        family: of the model.
        member: one of it, whose integers only become smaller.
    """
    places = [p for p in family.arguments if member.values[p] >= _LEAST]
    if len(places) > _FEW:
        return 0
    return max(0, round(member.parameters - sum(_share(family, member, p) for p in places)))


def _share(family: Family, member: Member, place: Place) -> float:
    """What goes at most with an argument, by the slope between the member and another."""
    n = member.values[place]
    equal = [p for p in family.arguments if member.values[p] == n]
    for tied in ([place], equal):
        for k in (n // 2, n - 1, n // 4, 2 * n, n + 1):
            found = family.scalars({**member.values, **dict.fromkeys(tied, k)})
            if found is not None:
                return abs(member.parameters - found) * n / abs(n - k)
    return 0.0
