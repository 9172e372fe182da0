"""A number whose value is not known: it can be shown and compared, and nothing else."""

from collections.abc import Callable
from typing import Any

from symfind.trace.recorder import DataDependent


class Unread:
    """What ``tensor.item()`` is while nobody knows.

    A comparison is a truth value that is not known either; ``decide`` is asked for it.
    """

    def __init__(self, decide: Callable[[], bool]) -> None:
        self._decide = decide

    def __bool__(self) -> bool:
        return self._decide()

    def __eq__(self, other: object) -> bool:
        return self._decide()

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "?"

    def __format__(self, spec: str) -> str:
        return "?"

    def __getattr__(self, name: str) -> Any:
        raise DataDependent("number")

    def __float__(self) -> float:
        raise DataDependent("number")

    def __int__(self) -> int:
        raise DataDependent("number")

    def _refuse(self, *_: Any) -> Any:
        raise DataDependent("number")

    __index__ = __neg__ = __pos__ = __abs__ = __round__ = __trunc__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _refuse
    __mod__ = __rmod__ = __pow__ = __rpow__ = _refuse
