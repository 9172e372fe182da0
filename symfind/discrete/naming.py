"""Names and orders of finite groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finite:
    """A finite group: how it is written, its order as a formula, and the logarithm of that.

    Attributes:
        base: name of one copy.
        size: order of one copy.
        log: decimal logarithm of the order of one copy.
        copies: how many independent copies there are.
    """

    base: str
    size: str
    log: float
    copies: int = 1

    @property
    def name(self) -> str:
        """`S_64^12`, `(Z/2)^256`, `(S_4 wr S_2)^32`."""
        bare = self.base.startswith("S_") and " " not in self.base and "^" not in self.base
        return self._raised(self.base, bare)

    @property
    def order(self) -> str:
        """`(64!)^12`, `2^256`."""
        return self._raised(self.size, self.size.isdigit())

    @property
    def log10(self) -> float:
        """Decimal logarithm of the order."""
        return self.copies * self.log

    def _raised(self, text: str, bare: bool) -> str:
        if self.copies == 1:
            return text
        return f"{text}^{self.copies}" if bare else f"({text})^{self.copies}"


TWO = Finite("Z/2", "2", math.log10(2))


def symmetric(n: int) -> Finite:
    """All permutations of n things."""
    return Finite(f"S_{n}", f"{n}!", math.lgamma(n + 1) / math.log(10))


def power(group: Finite, copies: int) -> Finite:
    """Independent copies."""
    return replace(group, copies=group.copies * copies)


def times(groups: Sequence[Finite]) -> Finite:
    """A direct product."""
    if len(groups) == 1:
        return groups[0]
    names = [f"({g.name})" if " wr " in g.name else g.name for g in groups]
    logs = sum(g.log10 for g in groups)
    return Finite(" x ".join(names), " * ".join(g.order for g in groups), logs)


def wreath(inner: Finite, outer: Finite, n: int) -> Finite:
    """A copy of `inner` for each of the n things that `outer` permutes."""
    name = f"({inner.name})" if " " in inner.name else inner.name
    order = f"{power(inner, n).order} * {outer.order}"
    return Finite(f"{name} wr {outer.name}", order, n * inner.log10 + outer.log10)
