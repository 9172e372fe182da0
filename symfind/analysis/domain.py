"""Where a formula is right: the fewest plain conditions that leave out where it is not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

At = Mapping[str, int]
_MOST = 4  # conditions


@dataclass(frozen=True)
class Condition:
    """What sizes have to fulfil, in words and as a test."""

    words: str
    holds: Callable[[At], bool]


def domain(base: At, right: Sequence[At], wrong: Sequence[At]) -> list[Condition] | None:
    """Conditions that the model's own sizes fulfil, and none of those where a formula is wrong.

    Args:
        base: the model's own sizes.
        right: sizes where the formula is right; those that leave out few of them come first.
        wrong: where it is not.

    Returns:
        None where more than a few would be needed.
    """
    left = list(wrong)
    found: list[Condition] = []
    known = list(_conditions(base))
    while left:
        if len(found) == _MOST:
            return None
        best = max(known, key=lambda c: _merit(c, right, left))
        if all(best.holds(at) for at in left):
            return None
        found.append(best)
        left = [at for at in left if best.holds(at)]
    return found


def _merit(condition: Condition, right: Sequence[At], left: Sequence[At]) -> float:
    gone = sum(not condition.holds(at) for at in left)
    lost = sum(not condition.holds(at) for at in right)
    return gone / max(1, len(left)) - 2 * lost / max(1, len(right))


def _conditions(base: At) -> Iterator[Condition]:
    for name, n in base.items():
        for least in (2, 3):
            if n >= least:
                yield _at_least(name, least)
        if n % 2 == 0:
            yield _even(name)
    for a, m in base.items():
        for b, n in base.items():
            if m > n:
                yield _order(a, b)
                yield _least_order(a, b)


def _at_least(name: str, least: int) -> Condition:
    return Condition(f"{name}>={least}", lambda at: at[name] >= least)


def _order(a: str, b: str) -> Condition:
    return Condition(f"{a}>{b}", lambda at: at[a] > at[b])


def _least_order(a: str, b: str) -> Condition:
    return Condition(f"{a}>={b}", lambda at: at[a] >= at[b])


def _even(name: str) -> Condition:
    return Condition(f"{name} even", lambda at: at[name] % 2 == 0)
