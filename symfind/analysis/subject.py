"""What is analysed: the loaded model with its graph, and how its function is evaluated."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from symfind.analysis.draws import (
    Draw,
    accepted,
    drawn,
    is_float,
    is_integer,
    partly,
    together,
)
from symfind.analysis.marks import marks
from symfind.analysis.wider import wider
from symfind.errors import InputError, SymfindError
from symfind.load import Inputs, Loaded
from symfind.load.inputs import leaves
from symfind.points import Manner, enliven
from symfind.trace import Graph
from symfind.trace.blame import place
from symfind.trace.lookups import leaf_ranges
from symfind.twin.epsilon import guarded, hidden, visible
from symfind.verify import Function
from symfind.verify.function import Liven
from symfind.verify.traced import TracedFunction, agrees, differentiable

LIVE = 30_000_000  # parameters of a graph that is run to draw a point
DIFFERENTIATED = 20_000  # parameters, up to which it is seen whether derivatives are right
_DRAWS = ((20_000, 11), (1_000_000, 3), (LIVE, 1))  # of inputs besides, by parameters


@dataclass(frozen=True)
class Subject:
    """A model under analysis, and the circumstances.

    Attributes:
        loaded: the model with its inputs.
        graph: its trace.
        output: "raw" or "softmax".
        train: whether batch statistics are those of training.
        device: where it is evaluated.
        seed: of all random numbers.
        tell: called with a line on what is being done.
        discover: whether discovery looks at all of what is unexplained, however long it takes.
        discovery: whether it looks at all.
        without: kinds of families that are not derived.
    """

    loaded: Loaded
    graph: Graph
    output: Any
    train: bool
    device: str
    seed: int
    tell: Callable[[str], None]
    discover: bool = False
    discovery: bool = True
    without: frozenset[str] = frozenset()

    @property
    def mode(self) -> Literal["eval", "train"]:
        """As in the report."""
        return "train" if self.train else "eval"

    def function(self) -> Function:
        """The model as a function of its parameters, in float64, at points where units live.

        Evaluated by its graph where the model's own derivatives are not those of its function.
        """
        return self._function(self.liven if self.live else None, self._by_graph)

    @functools.cached_property
    def _by_graph(self) -> bool:
        """Whether the graph has derivatives that the model lacks, and the same values."""
        live = self.liven if self.live else None
        plain, traced = self._function(live), self._function(live, by_graph=True)
        if plain.count > DIFFERENTIATED or not self.graph.outputs:
            return False
        try:
            if differentiable(plain, self.seed):
                return False
            return agrees(traced, plain, self._samples(), self.seed)
        except Exception:  # whatever a model raises: that is for those who evaluate it to say
            return False

    @functools.cached_property
    def hidden(self) -> bool:
        """Whether some eps is too small for its effect to be seen in double precision."""
        return any(op.trainable and hidden(op) for op in self.graph.ops)

    @functools.cached_property
    def guarded(self) -> bool:
        """Whether some eps is so small that its effect is a small one."""
        return any(op.trainable and guarded(op) for op in self.graph.ops)

    @functools.cached_property
    def raised(self) -> Function | None:
        """The model with every eps large enough to be seen, which changes no generic rank.

        None where the graph is not known to be the model.
        """
        if not (self.live and self.graph.outputs):
            return None
        traced = self._function(self.liven, by_graph=True)
        # any points will do to compare values, and those at which units live take longest
        for plain in (self._function(), self._function(self.liven)):
            try:
                if not agrees(traced, plain, self._samples(), self.seed):
                    return None
                break
            except Exception:  # whatever a model raises: that is for those who evaluate it to say
                continue
        else:
            return None
        assert isinstance(traced, TracedFunction)
        traced.adjust = visible
        return traced

    def _samples(self) -> list[Inputs]:
        rng, fresh = torch.Generator().manual_seed(self.seed), self.fresh()
        return [self.loaded.inputs, fresh(rng), fresh(rng)]

    def _function(self, liven: Liven | None = None, by_graph: bool = False) -> Function:
        made = self._made(TracedFunction if by_graph else Function, liven)
        if isinstance(made, TracedFunction):
            made.graph = self.graph
        return made

    def _made(self, kind: type[Function], liven: Liven | None) -> Function:
        return kind(
            self.loaded.model,
            self.loaded.inputs.args,
            self.loaded.inputs.kwargs,
            train=self.train,
            output=self.output,
            device=self.device,
            liven=liven,
        )

    @property
    def live(self) -> bool:
        """Whether the graph is small enough to be run at every point that is drawn."""
        return sum(math.prod(op.shape or ()) for op in self.graph.parameters.values()) <= LIVE

    def liven(
        self, theta: Mapping[str, torch.Tensor], rng: torch.Generator, manner: Manner
    ) -> dict[str, Any]:
        """A point at which units live, over the given inputs and others, from a random one."""
        fresh = self.fresh()
        size = sum(value.numel() for value in theta.values())
        draws = next(n for most, n in _DRAWS if size <= most)
        if draws > 1 and self._single:
            draws = 2 * draws + 1  # what is pooled has one value for each example
        given = [self.loaded.inputs, *(fresh(rng) for _ in range(draws))]
        return enliven(self.graph, theta, [self._named(one) for one in given], rng, manner)

    @property
    def _single(self) -> bool:
        """Whether inputs are one example of real numbers."""
        tensors = [x for _, x in leaves(self.loaded.inputs) if isinstance(x, torch.Tensor)]
        single = all(x.ndim == 0 or x.shape[0] == 1 for x in tensors)
        return single and any(is_float(x) for x in tensors)

    def _named(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """By the names of the graph's inputs."""
        values = [leaf for _, leaf in leaves(inputs) if isinstance(leaf, torch.Tensor)]
        return {op.key: v for op, v in zip(self.graph.inputs, values, strict=False)}

    def fresh(self) -> Draw:
        """What draws inputs over their full domain, as far as the model takes them."""
        return self._accepted

    @functools.cached_property
    def _accepted(self) -> Draw:
        ranges = leaf_ranges(self.graph, self.loaded.inputs)
        return accepted(self.loaded.inputs, ranges, self._function())

    def many(self, count: int) -> Draw:
        """What draws so many examples at once where the model takes them, else as many as given."""
        start = self.loaded.inputs
        return (
            together(start, leaf_ranges(self.graph, start), count, self._function()) or self.fresh()
        )

    def wider(self) -> dict[str, Draw]:
        """What draws inputs beyond the given ones, by what is different about them."""
        start = self.loaded.inputs
        ranges = leaf_ranges(self.graph, start, bounded=False)
        found = wider(start, ranges, marks(self.graph))
        held = {key for key, leaf in leaves(start) if is_integer(leaf)} - drawn(start, self.fresh())
        if not held:
            return found
        # what may not be drawn is as it is in all of them
        free = frozenset(key for key, _ in leaves(start)) - held
        return {what: partly(way, start, free) for what, way in found.items()}


def probed(function: Function, rng: torch.Generator) -> Mapping[str, torch.Tensor]:
    """A random point at which the function has been evaluated once.

    Raises:
        InputError: as `probe`.
    """
    with _on_example_inputs():
        theta = function.random_point(rng)
        function(theta)
    return theta


def probe(function: Function, theta: Mapping[str, torch.Tensor]) -> None:
    """Evaluate once: what fails here fails because of the inputs, or is not finite.

    Raises:
        InputError: the forward pass raises, or is not finite; the message names the line.
    """
    with _on_example_inputs():
        function(theta)


@contextmanager
def _on_example_inputs() -> Iterator[None]:
    try:
        yield
    except (SymfindError, MemoryError):
        raise
    except Exception as error:
        if "allocate memory" in str(error):
            raise
        at = place(error)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the model fails on its example inputs: {type(error).__name__}: {reason}"
            + (f" at {at!r}" if at else "")
            + ". Give inputs of the shapes, dtypes and ranges that forward expects (--input; an "
            "upper bound for integers is written 'i64<VOCAB>[1,128]')"
        ) from error
