"""A model and others that are made as it is, with other arguments and other inputs."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch

from symfind.budget import Unended
from symfind.family.inputs import lengths, resized
from symfind.family.lookups import check_lookups, unsure_lookups
from symfind.family.places import Place, changed, integers, spelled
from symfind.family.signature import shapes, signature, steps, vocabulary
from symfind.load import Inputs, Loaded, as_inputs, check_fits, draw
from symfind.load.recipe import Recipe
from symfind.trace import Graph, record_loaded, trace_loaded
from symfind.trace.ending import ending
from symfind.trace.lookups import leaf_ranges

Values = Mapping[Place, int]
_LEAST, _EACH = 5.0, 0.02  # seconds to make a member in, and for each operation of the model
_TRIES = 2  # members that come to no end, until no other is made


@dataclass(frozen=True)
class Member:
    """One of a family.

    Attributes:
        values: every integer of its arguments and every length of its inputs.
        loaded: the model with its inputs.
        graph: its trace.
    """

    values: Values
    loaded: Loaded
    graph: Graph

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(math.prod(op.shape or ()) for op in self.graph.parameters.values())

    @cached_property
    def work(self) -> int:
        """Of its Jacobian, about: numbers that are computed for one input, for every parameter."""
        return self.parameters * sum(math.prod(op.shape or ()) for op in self.graph.ops)

    @cached_property
    def signature(self) -> Hashable:
        """The operations in order."""
        return signature(self.graph)

    @cached_property
    def steps(self) -> Hashable:
        """The operations in order, whatever has one entry only."""
        return steps(self.graph)

    @cached_property
    def vocabulary(self) -> Hashable:
        """The operations that occur."""
        return vocabulary(self.graph)

    @cached_property
    def shapes(self) -> Hashable:
        """The shapes of all that it computes with."""
        return shapes(self.graph)


class _TooManyParameters(Exception):
    """A member is larger than was asked for."""


class Family:
    """All models that a recipe makes, with their inputs.

    Attributes:
        loaded: the model that was asked about.
        base: its own integers: of its arguments, and the lengths and bounds of its inputs.
    """

    def __init__(self, loaded: Loaded, recipe: Recipe, graph: Graph, train: bool = False) -> None:
        """Take a model, how it was made, and its trace."""
        self.loaded, self.recipe, self.train = loaded, recipe, train
        self.arguments = integers(recipe.arguments)
        self.inputs = _bounded(graph, loaded.inputs)
        self.given: dict[Place, int] = {**lengths(self.inputs)}
        self.base: dict[Place, int] = {**self.arguments, **self.given}
        self._recordable, self._unended = True, 0
        self._patience = _LEAST + _EACH * len(graph.ops)
        self._unsure = unsure_lookups(graph)
        self._made: dict[frozenset[tuple[Place, int]], Member | str] = {}

    @classmethod
    def of(cls, loaded: Loaded, graph: Graph, train: bool = False) -> "Family | None":
        """The family of a loaded model, None where it is not known how it was made.

        One for every graph: members that were made for one question are there for the next.
        """
        if loaded.recipe is None:
            return None
        family = _FAMILIES.get(graph)
        if family is None or family.loaded is not loaded or family.train != train:
            family = _FAMILIES[graph] = cls(loaded, loaded.recipe, graph, train)
        return family if family.arguments else None

    def member(self, values: Values, most: float = math.inf) -> Member | str:
        """The member with other integers than the model in some places, or why there is none.

        Args:
            values: all integers, or those that are others.
            most: parameters, beyond which it is not traced.
        """
        if self._unended >= _TRIES:
            return "code of the model came to no end at other sizes"
        key = frozenset(item for item in values.items() if self.base.get(item[0]) != item[1])
        if key not in self._made:
            try:
                self._made[key] = self._ending(dict(key), most)
            except _TooManyParameters as error:
                return str(error)  # which may be few enough for others
            except Exception as error:  # whatever a constructor or a forward pass raises
                first = (str(error).strip().splitlines() or [""])[0]
                self._made[key] = f"{type(error).__name__}: {first}"
        return self._made[key]

    def scalars(self, values: Values) -> int | None:
        """How many parameters a member has, None where there is no such model."""
        model = self._built(values)
        return None if model is None else _scalars(model)

    def tensors(self, values: Values) -> dict[str, tuple[int, ...]] | None:
        """The shapes of the parameters of a member, which is not traced, by name."""
        model = self._built(values)
        return None if model is None else trained(model)

    def _built(self, values: Values) -> torch.nn.Module | None:
        try:
            with ending(self._patience):
                return self._again(values)[0]
        except Unended:
            self._unended += 1
        except Exception:  # whatever a constructor raises
            pass
        return None

    def _ending(self, values: dict[Place, int], most: float) -> Member | str:
        """The member, unless a loop of the model does not end at its sizes."""
        try:
            with ending(self._patience):
                return self._make(values, most)
        except Unended as end:
            self._unended += 1
            return f"code of the model came to no end at {end.place!r}"

    def _again(self, values: Values) -> tuple[torch.nn.Module, Any]:
        own = {p: n for p, n in values.items() if p in self.arguments}
        return self.recipe.again(changed(self.recipe.arguments, own))

    def _make(self, values: dict[Place, int], most: float) -> Member:
        model, example = self._again(values)
        scalars = _scalars(model)
        if scalars > most:
            raise _TooManyParameters(f"{scalars:,} parameters are more than {most:,}")
        given = {p: n for p, n in values.items() if p in self.given}
        inputs = as_inputs(example) if example is not None else self._resized(given)
        check_fits(model, inputs)
        loaded = Loaded(model, inputs, self.loaded.name, self.loaded.spec)
        graph = self._traced(loaded)
        check_lookups(graph, self._unsure)
        loaded.inputs = _within(graph, inputs)
        return Member({**self.base, **values}, loaded, graph)

    def _traced(self, loaded: Loaded) -> Graph:
        """Recorded, which is fast, unless that is no way for this architecture."""
        if self._recordable:
            try:
                return record_loaded(loaded, train=self.train)
            except Exception:
                if self._made:  # it was one for another member
                    raise
                self._recordable = False
        return trace_loaded(loaded, train=self.train)

    def _resized(self, values: Mapping[Place, int]) -> Inputs:
        return resized(self.inputs, {**self.given, **values})


def trained(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of what is trained of a model, by name."""
    return {n: tuple(w.shape) for n, w in model.named_parameters() if w.requires_grad}


def _scalars(model: torch.nn.Module) -> int:
    return sum(map(math.prod, trained(model).values()))


_FAMILIES: WeakKeyDictionary[Graph, Family] = WeakKeyDictionary()


def _bounded(graph: Graph, inputs: Inputs) -> Inputs:
    """The inputs with a bound for those integers of which all entries index one table."""
    found = {
        key: r.widest
        for key, r in leaf_ranges(graph, inputs).items()
        if r.low.numel() == 1 and not int(r.low) and r.high.numel() == 1
    }
    return replace(inputs, bounds={**found, **inputs.bounds})


def _within(graph: Graph, inputs: Inputs) -> Inputs:
    """The inputs with integers that its tables have rows for."""
    ranges = leaf_ranges(graph, inputs)
    if not ranges:
        return inputs
    return draw(inputs, torch.Generator().manual_seed(0), ranges=ranges)


def name_of(place: Place) -> str:
    """How a place is called: `n_embd`, `depths[0]`, `length of input_ids`."""
    if place[0] == "input":
        return f"{place[1]}.shape[{place[2]}]"
    if place[0] == "bound":
        return f"values of {place[1]}"
    return spelled(place)
