"""Checkpoints as files: read, made sure of, and written back under all their names."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from symfind.errors import InputError, LoadError
from symfind.load.weights import match_weights, read_weights
from symfind.orbit.group import State
from symfind.verify.shared import first_names

_PREFIXES = ("module.", "_orig_mod.")
_HUGE = 1e100  # of which four make no double


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a model as they were given, and as a state on which elements act.

    Attributes:
        label: how messages call it.
        raw: tensors by the names of the file.
        state: parameters and buffers in float64, under the first names of the model.
        aliases: other names of shared tensors, by their first names.
        trained: names of parameters.
    """

    label: str
    raw: Mapping[str, Tensor] = field(repr=False)
    state: dict[str, Tensor] = field(repr=False)
    aliases: Mapping[str, tuple[str, ...]] = field(repr=False)
    trained: frozenset[str] = field(default=frozenset(), repr=False)

    def replaced(self, state: State) -> dict[str, Tensor]:
        """The tensors of the file with new values, in their own dtypes, under all their names.

        Raises:
            InputError: a buffer would have to move that the file lacks.
        """
        new = dict(self.raw)
        for name, value in state.items():
            keys = self._keys(name)
            if not keys and name not in self.state:
                raise InputError(
                    f"{self.label} lacks {name}, which has to move along: save it with its buffers"
                )
            for key in keys:
                old = self.raw[key]
                if old.is_floating_point():
                    new[key] = value.detach().to(old.dtype).reshape(old.shape).contiguous().clone()
        return new

    def rounded(self, state: State) -> dict[str, Tensor]:
        """A state as it is read back from the file: rounded to the dtypes of the file."""
        result = dict(state)
        for name, value in state.items():
            for key in self._keys(name)[:1]:
                if self.raw[key].is_floating_point():
                    result[name] = value.to(self.raw[key].dtype).double()
        return result

    def others(self) -> set[str]:
        """Tensors of the file that the model does not have."""
        known = {n for name in self.state for n in (name, *self.aliases.get(name, ()))}
        return {_stripped(key) for key in self.raw} - known

    def _keys(self, name: str) -> list[str]:
        names = (name, *self.aliases.get(name, ()))
        return [key for key in self.raw if _stripped(key) in names]


def _stripped(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key


def read_checkpoint(
    model: nn.Module, weights: "str | Path | Mapping[str, Tensor]", label: str = ""
) -> Checkpoint:
    """Read a checkpoint of a model and make sure that it is one.

    Args:
        model: whose weights they are; may be on the meta device.
        weights: a safetensors file, a torch file without code, or tensors by name.
        label: how messages call it; the path without.

    Raises:
        LoadError: it cannot be read, or is not of this model.
        InputError: it holds NaN or infinite numbers, integers, or two values for one tensor.
    """
    if isinstance(weights, Mapping):
        label, raw = label or "the weights", {str(k): v.detach() for k, v in weights.items()}
    else:
        label = label or str(weights)
        try:
            raw = read_weights(weights)
        except LoadError as error:
            raise LoadError(str(error).removeprefix("--weights ")) from error
    try:
        matched = match_weights(model, raw)
    except LoadError as error:
        raise LoadError(f"{label}: {error}") from error
    aliases = aliases_of(model)
    trained = frozenset(n for n, _ in model.named_parameters())
    state = {n: _plain(v) for n, v in matched.items()}
    found = Checkpoint(label, raw, state, aliases, trained)
    _check(found)
    return found


def aliases_of(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Other names of shared tensors in a model's state."""
    names: dict[str, list[str]] = {}
    for name, first in first_names(model).items():
        names.setdefault(first, []).append(name)
    return {first: tuple(rest) for first, (_, *rest) in names.items() if rest}


def _plain(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def _check(found: Checkpoint) -> None:
    for name, value in found.state.items():
        if not (value.is_floating_point() or value.is_complex()):
            continue  # counts, and masks of what is fixed
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{found.label}: {name} holds numbers that are NaN or infinite")
        largest = float(value.abs().max()) if value.numel() else 0.0
        if largest > _HUGE:
            raise InputError(
                f"{found.label}: {name} reaches {largest:.0e}, and products of such numbers leave "
                "double precision"
            )
    for name in found.trained:
        for key in found._keys(name):
            value = found.raw[key]
            if not value.is_floating_point():
                raise InputError(
                    f"{found.label}: {key} holds {value.dtype}, which are no floating-point numbers"
                )
    for name in found.aliases:
        first, *rest = found._keys(name) or [""]
        for other in rest:
            if not torch.equal(found.raw[first], found.raw[other]):
                raise InputError(
                    f"{found.label}: {first} and {other} are one tensor in the model and have two "
                    "values in the file; keep one of them"
                )


def same_kind(one: Checkpoint, two: Checkpoint) -> None:
    """Make sure that two checkpoints are of one kind.

    Raises:
        InputError: tensors are in one of them only, or a tensor has two dtypes.
    """
    for a, b in ((one, two), (two, one)):
        lacking = sorted(set(a.state) - set(b.state)) or sorted(a.others() - b.others())
        if lacking:
            raise InputError(
                f"{b.label} lacks {', '.join(lacking[:5])}, which {a.label} has: save both alike"
            )
    for name in one.state:
        kinds = [c.raw[c._keys(name)[0]].dtype for c in (one, two) if c._keys(name)]
        if len(set(kinds)) > 1:
            raise InputError(
                f"{name} is {kinds[0]} in {one.label} and {kinds[1]} in {two.label}: "
                "save both in one dtype"
            )


def packed(tensors: Mapping[str, Tensor], path: str) -> bytes:
    """The bytes of a weight file: safetensors by its ending, else a torch file.

    Raises:
        LoadError: safetensors is not installed.
    """
    if str(path).endswith(".safetensors"):
        try:
            from safetensors.torch import save
        except ImportError as error:
            raise LoadError(
                f"{path}: safetensors is not installed; pip install 'symfind[zoo]'"
            ) from error
        return save({n: v.contiguous().clone() for n, v in tensors.items()})
    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return buffer.getvalue()


def distance(one: State, two: State, names: Sequence[str]) -> float:
    """The distance of two checkpoints on some tensors, relative to the size of the first."""
    gap = sum(float((one[n] - two[n]).square().sum()) for n in names)
    size = sum(float(one[n].square().sum()) for n in names)
    return (gap / size) ** 0.5 if size else gap**0.5
