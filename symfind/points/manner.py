"""Ways to draw a random point: what is true at one kind of points only must fail at another.

Gains about one are all positive, and what holds for positive ones only would pass for true. Units
that are on for half of their inputs may be off for all that meet one row of a table, and then the
row looks free.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How a point is drawn.

    Attributes:
        turned: the part of the gains of a tensor that is negative, where all were positive.
        switch: the quantile of its values about which a unit switches on.
    """

    turned: float = 0.0
    switch: float = 0.5


PLAIN = Manner()
_MANNERS = (PLAIN, Manner(0.5, switch=0.25), Manner(1.0, switch=0.25), Manner(switch=0.25))


def manner(number: int) -> Manner:
    """The manner of one of several points, by its number: the first is drawn plainly."""
    return _MANNERS[number % len(_MANNERS)]
