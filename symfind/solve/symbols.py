"""Names for sizes: the model's own where a size identifies them, else one made from the size."""

from collections.abc import Iterator, Mapping
from typing import Any

from symfind.algebra.axes import Axis

_DEPTH = ("layer", "depth", "block", "stage")


def is_depth(name: str) -> bool:
    """Whether a size counts layers (only how a formula reads depends on this)."""
    return any(word in name.lower() for word in _DEPTH)


class Symbols(Mapping[Axis, Any]):
    """From atomic axes to sympy symbols, made on demand."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """Take the model's own size names."""
        self._by_size: dict[int, str] = {}
        for name, n in sizes.items():
            if not is_depth(name) and n > 1:
                self._by_size.setdefault(n, name)
        self._depth: dict[int, str] = {}
        for name, n in sizes.items():
            if is_depth(name) and n > 1:
                self._depth.setdefault(n, name)
        self.used: dict[str, int] = {}

    def _symbol(self, name: str, n: int) -> Any:
        import sympy

        self.used[name] = n
        return sympy.Symbol(name, integer=True, positive=True)

    def __getitem__(self, axis: Axis) -> Any:
        """The symbol of an atomic axis; an axis of size one is the number."""
        n = axis.root.size
        return self._symbol(self._by_size.get(n, f"d_{n}"), n) if n > 1 else 1

    def get(self, axis: Axis, default: Any = None) -> Any:
        """As indexing: every axis has a symbol."""
        return self[axis]

    def depth(self, n: int) -> Any:
        """The symbol for a number of layers, or the number."""
        import sympy

        return self._symbol(self._depth[n], n) if n in self._depth else sympy.Integer(n)

    def values_by_symbol(self) -> dict[Any, int]:
        """Sizes by the symbols used so far."""
        import sympy

        return {sympy.Symbol(k, integer=True, positive=True): v for k, v in self.used.items()}

    def __iter__(self) -> Iterator[Any]:
        """Not enumerable: symbols are made on demand."""
        return iter(())

    def __len__(self) -> int:
        """As iteration."""
        return 0
