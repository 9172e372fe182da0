"""Names for sizes: the model's own where a size identifies them, else one made from the size."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from symfind.algebra.axes import Axis, atoms
from symfind.graph import primitives as p

_PLAIN = "d_"  # of names made from a size
_DEPTH = ("layer", "depth", "block", "stage")


def is_depth(name: str) -> bool:
    """Whether a size counts layers (only how a formula reads depends on this)."""
    return any(word in name.lower() for word in _DEPTH)


class Symbols:
    """From atomic axes to sympy symbols, and back to their values."""

    def __init__(self, sizes: Mapping[str, int], local: Mapping[Axis, str] = {}) -> None:
        """Take the model's own size names, and better ones for some axes (`local_names`)."""
        self._local = local
        self._by_size: dict[int, str] = {}
        self._depth: dict[int, str] = {}
        for name, n in sizes.items():
            if n > 1:
                (self._depth if is_depth(name) else self._by_size).setdefault(n, name)
        self._values = {name: n for n, name in (*self._by_size.items(), *self._depth.items())}
        self._values.update((name, axis.root.size) for axis, name in local.items())

    def get(self, axis: Axis, default: Any = None) -> Any:
        """The symbol of an atomic axis; an axis of size one is the number."""
        n = axis.root.size
        if n == 1:
            return 1
        return _symbol(self._local.get(axis.root) or self._by_size.get(n, f"{_PLAIN}{n}"))

    def depth(self, n: int) -> Any:
        """The symbol for a number of layers, or the number."""
        import sympy

        return _symbol(self._depth[n]) if n in self._depth else sympy.Integer(n)

    def value(self, symbol: Any) -> int:
        """The size that a symbol stands for."""
        name = str(symbol)
        return self._values[name] if name in self._values else int(name.removeprefix(_PLAIN))

    def values(self, expression: Any) -> dict[Any, int]:
        """The sizes that the symbols of an expression stand for."""
        return {symbol: self.value(symbol) for symbol in expression.free_symbols}


class AxisSymbols(Symbols):
    """A symbol of its own for every atomic axis, whatever the sizes: equal ones are not merged."""

    def __init__(self, names: Mapping[Axis, str] = {}) -> None:
        """Take names for some axes; others are numbered as they are asked for."""
        super().__init__({})
        self._axes = {name: axis for axis, name in names.items()}
        self._names = dict(names)

    def get(self, axis: Axis, default: Any = None) -> Any:
        """The symbol of an atomic axis; an axis of size one is the number."""
        root = axis.root
        if root.size == 1:
            return 1
        name = self._names.setdefault(root, f"i{len(self._names)}")
        self._axes[name] = root
        return _symbol(name)

    def axis(self, symbol: Any) -> Axis:
        """The axis that a symbol stands for."""
        return self._axes[str(symbol)]

    def value(self, symbol: Any) -> int:
        """The size that a symbol stands for."""
        return self.axis(symbol).size


def _symbol(name: str) -> Any:
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


def local_names(
    parameters: Mapping[str, Sequence[p.Source]], sizes: Mapping[str, Mapping[str, int]]
) -> dict[Axis, str]:
    """Better names for atomic axes than the model's own for their size.

    In the modules around the parameters on which an axis occurs, each has a name for its size in
    the nearest that has one; most of them decide. Where that differs among the axes of one size,
    the model's own name does not tell them apart.

    Args:
        parameters: wires by the name of the parameter.
        sizes: names by the path of a module; the model's own have no path.
    """
    values: dict[str, set[int]] = {}
    for own in sizes.values():
        for name, n in own.items():
            values.setdefault(name, set()).add(n)
    votes: dict[Axis, Counter[str]] = {}
    for key, sources in parameters.items():
        path = key.split(".")[:-1]
        near = [sizes.get(".".join(path[:k]), {}) for k in range(len(path), -1, -1)]
        for axis in {a.root for s in sources for x in s.axes for a in atoms(x) if a.size > 1}:
            names = (name for own in near for name, n in own.items() if n == axis.size)
            name = next((name for name in names if not is_depth(name)), "")
            # as a symbol, a name has one value
            unique = name if len(values.get(name, ())) == 1 else f"d_{axis.size}"
            votes.setdefault(axis, Counter())[unique] += 1
    chosen = {axis: count.most_common(1)[0][0] for axis, count in votes.items()}
    rivals: dict[int, set[str]] = {}
    for axis, name in chosen.items():
        rivals.setdefault(axis.size, set()).add(name)
    model = Counter(n for name, n in sizes.get("", {}).items() if not is_depth(name))
    twice = _beside_another(parameters)
    return {
        axis: f"d_{axis.size}" if model[axis.size] > 1 and axis.size in twice else name
        for axis, name in chosen.items()
        if len(rivals[axis.size]) > 1 or model[axis.size] != 1
    }


def _beside_another(parameters: Mapping[str, Sequence[p.Source]]) -> set[int]:
    """Sizes that two axes of one parameter have."""
    found = set()
    for sources in parameters.values():
        for source in sources:
            own = Counter(axis.size for axis in {a.root for x in source.axes for a in atoms(x)})
            found |= {n for n, number in own.items() if number > 1}
    return found
