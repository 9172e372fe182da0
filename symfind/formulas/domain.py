"""Where a formula is right: the fewest plain conditions that leave out where it is not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symfind.formulas.values import symbol, value

At = Mapping[str, int]
_MOST = 6  # conditions


@dataclass(frozen=True)
class Condition:
    """What sizes have to fulfil.

    Attributes:
        words: as it is told.
        holds: the test.
        least: an expression that is nowhere positive where it holds, None where nothing is known.
    """

    words: str
    holds: Callable[[At], bool]
    least: Any = None

    def rules_out(self, difference: Any) -> bool:
        """Whether a difference of sizes is plainly never positive where it holds."""
        return self.least is not None and bool((difference - self.least).is_nonpositive)


def domain(
    base: At, right: Sequence[At], wrong: Sequence[At], first: Sequence[Condition] = ()
) -> list[Condition] | None:
    """Conditions that the model's own sizes fulfil, and none of those where a formula is wrong.

    Args:
        base: the model's own sizes.
        right: sizes where the formula is right; those that leave out few of them come first.
        wrong: where it is not.
        first: conditions that are taken before any other, as far as they are needed.

    Returns:
        None where more than a few would be needed.
    """
    left = list(wrong)
    found: list[Condition] = []
    for known in (list(first), list(_conditions(base))):
        while left and known:
            best = max(known, key=lambda c: _merit(c, right, left))
            if all(best.holds(at) for at in left):
                break
            found.append(best)
            left = [at for at in left if best.holds(at)]
    return found if not left and len(found) <= _MOST else None


def needed(
    where: Sequence[Condition], wrong: Sequence[At], more: Sequence[Condition]
) -> list[Condition]:
    """Conditions without those that leave out no more than the rest do.

    Args:
        where: in the order in which they were found; those found first go first.
        wrong: what has to be left out.
        more: those that have to stay.
    """
    kept, words = list(where), {c.words for c in more}
    for c in where:
        rest = [other for other in kept if other is not c]
        if c.words not in words and not any(all(o.holds(at) for o in rest) for at in wrong):
            kept = rest
    return kept


def untried(base: At, right: Sequence[At], where: Sequence[Condition]) -> list[Condition]:
    """All other conditions that may be needed: nothing that is known to be right is left out."""
    said = {c.words for c in where}
    return [
        c for c in _conditions(base)
        if c.words not in said and all(c.holds(at) for at in right)
    ]  # fmt: skip


def doubtful(
    expression: Any, base: At, right: Sequence[At], felt: Sequence[str]
) -> list[Condition]:
    """Conditions under which positive parts vanish that too few members tell anything about.

    A part is known where, at the members at which it is positive, every size that is felt takes
    several values and no two are always equal: else it may be in the other of them.

    Args:
        expression: of sympy.
        base: the model's own sizes.
        right: where it is right.
        felt: the sizes that counts depend on.
    """
    import sympy

    found: list[Condition] = []
    for part in expression.atoms(sympy.Max):
        shown = [at for at in right if value(part, at) > 0]
        columns = {tuple(at[name] for at in shown) for name in felt}
        if len(columns) == len(set(felt)) and all(len(set(c)) > 1 for c in columns):
            continue
        inner = [a for a in part.args if a != 0]
        found += [
            c for c in _conditions(base) if len(inner) == 1 and c.rules_out(inner[0])
        ][:1]  # fmt: skip
    return list({c.words: c for c in found}.values())


def within(expression: Any, where: Sequence[Condition]) -> Any:
    """An expression without the positive parts that are none where some conditions hold."""
    import sympy

    def part(*args: Any) -> Any:
        inner = [a for a in args if a != 0]
        gone = inner and len(inner) < len(args) and any(c.rules_out(inner[0]) for c in where)
        return sympy.Integer(0) if gone else sympy.Max(*args)

    return expression.replace(sympy.Max, part)


def _merit(condition: Condition, right: Sequence[At], left: Sequence[At]) -> float:
    gone = sum(not condition.holds(at) for at in left)
    lost = sum(not condition.holds(at) for at in right)
    return gone / max(1, len(left)) - 2 * lost / max(1, len(right))


def _conditions(base: At) -> Iterator[Condition]:
    for name, n in base.items():
        for least in (2, 3):
            if n >= least:
                yield at_least(name, least)
        if n % 2 == 0:
            yield _even(name)
    for a, m in base.items():
        for b, n in base.items():
            if m > n:
                yield order(a, b)
                yield _least_order(a, b)
            if m > n > 1 and m % n == 0:
                yield multiple(a, b)
    for name, n in base.items():
        yield equal(name, n)


def at_least(name: str, least: int) -> Condition:
    """That a size is not smaller than a number."""
    return Condition(f"{name}>={least}", lambda at: at[name] >= least, least - symbol(name))


def equal(name: str, n: int) -> Condition:
    """That a size is a number."""
    return Condition(f"{name}={n}", lambda at: at[name] == n)


def order(a: str, b: str) -> Condition:
    """That a size is larger than another."""
    return Condition(f"{a}>{b}", lambda at: at[a] > at[b], symbol(b) - symbol(a) + 1)


def multiple(a: str, b: str) -> Condition:
    """That a size is a multiple of another."""
    return Condition(f"{a} multiple of {b}", lambda at: at[a] % at[b] == 0)


def _least_order(a: str, b: str) -> Condition:
    return Condition(f"{a}>={b}", lambda at: at[a] >= at[b], symbol(b) - symbol(a))


def _even(name: str) -> Condition:
    return Condition(f"{name} even", lambda at: at[name] % 2 == 0)
