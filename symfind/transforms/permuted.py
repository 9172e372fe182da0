"""The permutations of an input that a function has: what is asked, and what is answered."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from symfind.alone import alone
from symfind.errors import InputError
from symfind.report.codec import encode
from symfind.transforms.action import Act, Action, action
from symfind.transforms.detect import Detected, colours, cycles, detected, spelled
from symfind.transforms.open import open_function
from symfind.transforms.oracle import Oracle
from symfind.transforms.points import Points

SCHEMA = "symfind.input-permutations/1"
_TRIED = 12  # random inputs
_HOLDS = 1e-8


@dataclass(frozen=True)
class Permutations:
    """The permutations of entries that leave a function unchanged, or that its output follows.

    Attributes:
        function: its name.
        spec: what was asked for.
        act: along which axis entries are permuted, alike for all others, or of the whole sample.
        size: how many entries there are.
        kind: `invariant`: the output stays; `equivariant`: it is permuted as the input.
        group: a name, by order and orbits.
        order: number of elements.
        orbits: entries that are exchanged.
        generators: images of 0, 1, …
        cycles: the same as text.
        complete: whether values at pairs of entries rule all others out.
    """

    function: str
    spec: str
    act: str
    size: int
    kind: str
    group: str
    order: int
    orbits: tuple[tuple[int, ...], ...]
    generators: tuple[tuple[int, ...], ...]
    cycles: tuple[str, ...]
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, keys in the documented order."""
        return {"schema": SCHEMA, **encode(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """The JSON text, without a final newline."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


@alone()
def input_permutations(
    f: nn.Module | str | Callable[..., Any],
    x: Any = None,
    *,
    act: Act = "last-axis",
    equivariant: bool = False,
    on: Sequence[str] = (),
    seed: int = 0,
    train: bool = False,
    specs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Permutations:
    """Find which permutations of the entries of an input leave a function unchanged.

    Values of f where one or two entries differ from all others give a graph with coloured edges;
    its automorphisms are searched for, and each generator is tried at random inputs.

    Args:
        f: a module at its own weights, a spec, or a function of tensors.
        x: an example of its input.
        act: along which axis entries are permuted, alike for all other indices, or `whole`.
        equivariant: look for those that permute the output alike, which has as many entries.
        on: names of the inputs that move together.
        seed: of all random numbers.
        train: batch statistics as in training.
        specs: input specs that replace the example inputs.
        settings: keyword arguments for a factory, class or config.
        weights: a checkpoint, at whose weights the function is taken.
        progress: called with a line on what is being done.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: there are too many entries, or f does not depend on them.
    """
    tell = progress or (lambda text: None)
    tell("loading the model")
    oracle, _, _ = open_function(
        f, x, inputs=specs, settings=settings, weights=weights, train=train, seed=seed
    )
    oracle = oracle.choosing(on) if on else oracle
    acting = action(oracle, act)
    if any(place.pair for place in acting.places):
        raise InputError("entries of complex inputs are not permuted: give real ones")
    asked = _Asked(oracle, acting, equivariant, seed)
    found = detected(colours(asked.seen, acting.size, tell), asked.holds, tell)
    return _answer(found, oracle, acting, f if isinstance(f, str) else oracle.name, equivariant)


class _Asked:
    """A function of the entries that are permuted."""

    def __init__(self, oracle: Oracle, acting: Action, equivariant: bool, seed: int) -> None:
        self.oracle, self.action, self.equivariant = oracle, acting, equivariant
        rng = torch.Generator().manual_seed(seed)
        self.values = Points(oracle, acting, rng).draw(_TRIED)
        self.rest = [value[:1] for value in self.values]
        # what differs between items, so that no permutation of items passes for one of entries
        self.items = 0.5 + torch.rand(acting.items, generator=rng, dtype=torch.float64)
        self.before = oracle(self.values)
        spread = float((self.before - self.before.mean(0)).abs().max())
        if spread <= 1e-12 * max(float(self.before.abs().max()), 1e-300):
            raise InputError(f"{oracle.name} is the same at all inputs that were drawn")
        if equivariant and self.before.shape[1] != acting.size:
            raise InputError(
                f"the output has {self.before.shape[1]} entries and the input {acting.size}: it "
                "cannot be permuted alike"
            )

    def seen(self, rows: Tensor) -> Tensor:
        """What a permutation of the entries of rows [samples, n] does not change."""
        coordinates = self.items[None, :, None] * rows[:, None, :]
        rest = [value.expand(len(rows), *value.shape[1:]) for value in self.rest]
        outputs = self.oracle(self.action.moved(rest, coordinates))
        if not bool(torch.isfinite(outputs).all()):
            raise InputError(f"{self.oracle.name} is not finite where entries are equal")
        if not self.equivariant:
            return outputs
        count = self.action.size
        at = torch.arange(len(rows))
        own = [outputs[at, at // count], outputs[at, at % count]]
        return torch.cat([torch.stack(own, 1), outputs.sort(1).values], 1)

    def holds(self, images: Tensor) -> bool:
        """Whether a permutation leaves the output unchanged, or permutes it alike."""
        inverse = images.argsort()
        x = self.action.coordinates(self.values)
        after = self.oracle(self.action.moved(self.values, x[:, :, inverse]))
        before = self.before[:, inverse] if self.equivariant else self.before
        spread = float((self.before - self.before.mean(0)).square().mean().sqrt())
        return float((after - before).square().mean().sqrt()) <= _HOLDS * spread


def _answer(
    found: Detected, oracle: Oracle, acting: Action, spec: str, equivariant: bool
) -> Permutations:
    return Permutations(
        function=oracle.name,
        spec=spec,
        act=str(acting.act),
        size=acting.size,
        kind="equivariant" if equivariant else "invariant",
        group=spelled(found, acting.size),
        order=found.order,
        orbits=found.orbits,
        generators=found.generators,
        cycles=tuple(cycles(g) for g in found.generators),
        complete=found.complete,
    )
