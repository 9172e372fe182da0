"""What is known of parameters: a symmetry of the input is one of those of x ↦ f(A x + b).

The function is wrapped with A and b in front and everything else frozen, and solved as any model
is, by rules or by discovery. A family that moves A and b is, at A = 1 and b = 0, a space of fields
A x + b.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from symfind.load.inputs import leaves, map_leaves
from symfind.load.loaded import Loaded
from symfind.session import discover
from symfind.solve.point.generator import BoundGenerator
from symfind.solve.solver import derive
from symfind.trace import trace_loaded
from symfind.transforms.action import Action, Place
from symfind.transforms.fields import Dictionary
from symfind.transforms.oracle import Oracle

MOST = 4000  # coefficients of all families
MOST_DISCOVERED = 160  # parameters: a few seconds


@dataclass(frozen=True)
class Derived:
    """Fields that are found, [k, n, monomials]; none, and why, where there was no search."""

    coefficients: Tensor
    reason: str = ""


class Transformed(nn.Module):
    """x ↦ f(A x + b), where A and b are all that is trained.

    Args:
        function: what is called.
        oracle: at which inputs.
        action: what A moves.
        constant: whether there is b.
    """

    def __init__(
        self, function: Callable[..., Any], oracle: Oracle, action: Action, constant: bool
    ) -> None:
        super().__init__()
        self.function = function
        self._places = {oracle.varied[place.at]: place for place in action.places}
        self._whole, self._batched = action.act == "whole", oracle.batched
        size = action.size
        self.matrix = nn.Parameter(torch.eye(size, dtype=torch.float64))
        self.shift = nn.Parameter(torch.zeros(size, dtype=torch.float64)) if constant else None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function on transformed inputs."""
        given = _Call(args, kwargs)
        moved = self._together(given) if self._whole else None

        def change(key: str, leaf: Any) -> Any:
            if key not in self._places:
                return leaf
            return moved[key] if moved is not None else self._along(leaf, self._places[key])

        call = map_leaves(given, change)  # type: ignore[arg-type]
        return self.function(*call.args, **call.kwargs)

    def _along(self, leaf: Tensor, place: Place) -> Tensor:
        if place.axis is None:
            return self._applied(leaf.reshape(*leaf.shape, 1)).reshape(leaf.shape)
        axis = place.axis + self._batched
        if axis == leaf.ndim - 1:
            return self._applied(leaf)
        return self._applied(leaf.movedim(axis, -1)).movedim(-1, axis)

    def _together(self, given: "_Call") -> dict[str, Tensor]:
        found = {key: leaf for key, leaf in leaves(given) if key in self._places}  # type: ignore[arg-type]
        flat = [x.reshape(len(x), -1) if self._batched else x.reshape(-1) for x in found.values()]
        row = self._applied(torch.cat(flat, -1) if len(flat) > 1 else flat[0])
        parts = row.split([x.shape[-1] for x in flat], -1)
        return {key: part.reshape(x.shape) for (key, x), part in
                zip(found.items(), parts, strict=True)}  # fmt: skip

    def _applied(self, rows: Tensor) -> Tensor:
        result = rows @ self.matrix.T
        return result if self.shift is None else result + self.shift


@dataclass(frozen=True)
class _Call:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def bounds(self) -> dict[str, int]:
        return {}


@dataclass(frozen=True)
class Engines:
    """What finds symmetries of parameters, asked for those of x ↦ f(A x + b).

    Attributes:
        function: a module or a function.
        values: parameters and buffers of a module.
        oracle: the same function with its inputs.
        action: what moves.
        dictionary: of fields; of their linear and constant terms there is something to find.
        train: batch statistics as in training.
    """

    function: Callable[..., Any]
    values: Mapping[str, Tensor]
    oracle: Oracle
    action: Action
    dictionary: Dictionary
    train: bool = False

    def rules(self) -> Derived:
        """The affine fields that rules derive."""

        def find(wrapped: Transformed) -> list[Moving]:
            loaded = Loaded(wrapped, self.oracle.inputs, self.oracle.name, self.oracle.name)
            families = derive(trace_loaded(loaded, train=self.train)).families
            return [BoundGenerator(str(i), family) for i, family in enumerate(families)]

        return self._asked(find)

    def discovery(self) -> Derived:
        """The affine fields that discovery finds, where there are few unknowns."""
        if self.dictionary.size * (self.dictionary.size + 1) > MOST_DISCOVERED:
            return Derived(self._none, "too many coordinates for discovery")

        def find(wrapped: Transformed) -> list[Moving]:
            found = discover(wrapped, self.oracle.inputs, train=self.train)
            return [g for g in found.generators if g.exact]

        return self._asked(find)

    @property
    def _none(self) -> Tensor:
        shape = (0, self.dictionary.size, len(self.dictionary.monomials))
        return torch.zeros(shape, dtype=torch.float64)

    def _asked(self, find: Callable[[Transformed], "list[Moving]"]) -> Derived:
        if any(place.pair for place in self.action.places):
            return Derived(self._none, "complex inputs have no rules")
        try:
            module = isinstance(self.function, nn.Module)
            inner = _frozen(self.function, self.values) if module else self.function  # type: ignore[arg-type]
            constant = self.dictionary.constant
            wrapped = Transformed(inner, self.oracle, self.action, constant)
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Derived(self._fields(find(wrapped), wrapped))
        except Exception as error:  # the measurement does not depend on it
            line = (str(error).strip().splitlines() or [""])[0]
            return Derived(self._none, f"{type(error).__name__}: {line}")

    def _fields(self, generators: "list[Moving]", wrapped: Transformed) -> Tensor:
        theta = {n: p.detach() for n, p in wrapped.named_parameters() if p.requires_grad}
        rows: list[Tensor] = []
        for generator in generators:
            count = len(generator.coefficients(torch.Generator().manual_seed(0)))
            if len(rows) + count > MOST:
                break
            for unit in torch.eye(count, dtype=torch.float64):
                rows.append(_field(generator.direction(theta, unit), self.dictionary))
        return torch.stack(rows) if rows else self._none


class Moving(Protocol):
    """A family of fields on the parameters."""

    def coefficients(self, rng: torch.Generator) -> Tensor: ...  # noqa: D102
    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]: ...  # noqa: D102


def _frozen(module: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """A copy at these weights that nothing trains."""
    inner = copy.deepcopy(module)
    if any(tensor.is_meta for tensor in (*inner.parameters(), *inner.buffers())):
        inner.to_empty(device="cpu")
    inner = inner.double()
    held = dict(inner.named_parameters()) | dict(inner.named_buffers())
    with torch.no_grad():
        for name, value in values.items():
            held[name].copy_(value)
    return inner.requires_grad_(False)


def _field(moves: Mapping[str, Tensor], dictionary: Dictionary) -> Tensor:
    n = dictionary.size
    field = torch.zeros(n, len(dictionary.monomials), dtype=torch.float64)
    if "matrix" in moves:
        field[:, :n] = moves["matrix"]
    if "shift" in moves:
        field[:, n] = moves["shift"]
    return field
