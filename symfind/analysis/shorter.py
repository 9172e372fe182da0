"""Fewer positions for the checks, where they would cost minutes and nothing but tables reads them.

A sequence of tokens is cut where the graph of the shorter call is that of the whole one but for
sizes. Which rows of a table the shorter call reads is asked of its derivatives; a generator that
moves other rows is checked on the shorter call only where it treats all rows alike, or where what
it does to them does not depend on them and is null in the place of rows that are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.generator import Generator
from symfind.analysis.subject import Subject
from symfind.budget import Unended
from symfind.errors import SymfindError
from symfind.load import Inputs
from symfind.load.inputs import describe, leaves, map_leaves
from symfind.trace import Graph, Op, trace_loaded, walk
from symfind.trace.ending import ending
from symfind.verify import Function
from symfind.verify.function import Point
from symfind.verify.infinite import finite
from symfind.verify.sampling import normal

LENGTH = 64  # positions that are left
_HEAVY = 5_000_000_000  # parameters times positions, from which they are cut
_PATIENCE = 60.0  # seconds in which the model has to come to an end on them
_SAME = 1e-9  # relative difference of a field on rows that were permuted, and permuted itself


@dataclass(frozen=True)
class Shorter:
    """A model on fewer positions.

    Attributes:
        subject: the model with the shorter inputs.
        function: the same as a function of its parameters.
        theta: a random point.
        unread: which rows of parameters do not matter to it, by name, where there are any.
        pulled: of these parameters, the derivatives of a random sum of all outputs at the point.
    """

    subject: Subject
    function: Function
    theta: Point
    unread: Mapping[str, Tensor]
    pulled: Mapping[str, Tensor]

    @property
    def described(self) -> dict[str, str]:
        """The shorter inputs, as the report spells them."""
        loaded = self.subject.loaded
        return describe(loaded.inputs, loaded.model)

    def covers(self, generator: Generator, rng: torch.Generator) -> bool:
        """Whether what holds on these positions holds for all entries that a generator moves."""
        names = [name for name in generator.parameters if name in self.unread]
        if not names:
            return True
        c = generator.coefficients(rng).to(self.function.device, torch.float64)
        field = generator.direction(self.theta, c)
        names = [n for n in names if n in field and bool((field[n][self.unread[n]] != 0).any())]
        some = _Field(generator, self.theta, c, field)
        if all(some.uniform(name, rng) for name in names):
            return True
        return len(field) == 1 and some.constant(names[0], rng) and self._blind(some, names[0], rng)

    def _blind(self, some: "_Field", name: str, rng: torch.Generator) -> bool:
        """Whether what a field does to unread rows is null in the place of those that are read.

        All at once, each with a random weight in the place of a random row: what changes no output
        changes no random sum of outputs, and what changes any changes it with probability one.
        """
        unread, moved = self.unread[name], some.field[name]
        read = torch.nonzero(~unread)[:, 0].cpu()
        place = read[torch.randint(len(read), (int(unread.sum()),), generator=rng)]
        weights = torch.randn(len(place), generator=rng, dtype=torch.float64).to(moved)
        rows = moved[unread] * weights.reshape(-1, *[1] * (moved.ndim - 1))
        folded = torch.zeros_like(moved).index_add_(0, place.to(moved.device), rows)
        drawn = normal(moved.shape, rng).to(moved)
        drawn[unread] = 0.0
        pulled = self.pulled[name]
        seen, usual = (abs(float((pulled * d).sum())) / float(d.norm()) for d in (folded, drawn))
        return seen <= _SAME * usual


@dataclass(frozen=True)
class _Field:
    """A random element of a generator at a point."""

    generator: Generator
    theta: Point
    c: Tensor
    field: Mapping[str, Tensor]

    def uniform(self, name: str, rng: torch.Generator) -> bool:
        """Whether each row of a table is moved as every other.

        That is so where permuted rows give the permuted field, and the same on all other tensors.
        """
        order = torch.randperm(len(self.field[name]), generator=rng).to(self.c.device)
        return self._gives(
            {**self.theta, name: self.theta[name][order]},
            {**self.field, name: self.field[name][order]},
        )

    def constant(self, name: str, rng: torch.Generator) -> bool:
        """Whether it does not depend on the table that it moves."""
        drawn = normal(self.theta[name].shape, rng)
        return self._gives({**self.theta, name: drawn.to(self.c)}, self.field)

    def _gives(self, theta: Point, wanted: Mapping[str, Tensor]) -> bool:
        there = self.generator.direction(theta, self.c)
        return there.keys() == wanted.keys() and all(
            float((there[n] - w).norm()) <= _SAME * float(w.norm()) for n, w in wanted.items()
        )


def shorter(subject: Subject, parameters: int) -> Shorter | None:
    """The model on fewer positions, where it has so many that checks on all of them cost minutes.

    Args:
        subject: the model.
        parameters: how many it has.

    Returns:
        None where its inputs are no long sequences of tokens, or where the shorter call is another
        computation.
    """
    inputs = _cut(subject.loaded.inputs, parameters)
    if inputs is None:
        return None
    loaded = replace(subject.loaded, inputs=inputs)
    try:
        with ending(_PATIENCE):
            graph = trace_loaded(loaded, train=subject.train)
        if not same_but_for_sizes(subject.graph, graph):
            return None
        one = replace(subject, loaded=loaded, graph=graph)
        function = one.function()
        theta = function.random_point(torch.Generator().manual_seed(subject.seed + 1))
        return Shorter(one, function, theta, *_unread(function, theta, subject.seed))
    except (SymfindError, RuntimeError, ValueError, IndexError, TypeError, Unended):
        return None  # it cannot be called so


def _cut(inputs: Inputs, parameters: int) -> Inputs | None:
    """The first positions of all inputs that are as long as the tokens."""
    tokens = (x for _, x in leaves(inputs) if isinstance(x, Tensor) and _discrete(x))
    length = next((x.shape[1] for x in tokens if x.ndim > 1), 0)
    if length <= 2 * LENGTH or parameters * length < _HEAVY:
        return None

    def cut(_: str, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        for axis in range(1, leaf.ndim):
            if leaf.shape[axis] == length:
                leaf = leaf.narrow(axis, 0, LENGTH)
        return leaf

    return map_leaves(inputs, cut)


def _discrete(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex())


def _unread(
    function: Function, theta: Point, seed: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rows of tables that the outputs do not depend on, where there are any, and derivatives.

    Raises:
        InputError: the outputs are not finite.
    """
    rng = torch.Generator().manual_seed(seed + 3)
    with torch.enable_grad(), function.scope():
        leaves = {n: v.detach().requires_grad_() for n, v in theta.items()}
        value = function.evaluate(leaves, function.inputs)
        finite(value.detach(), "the output", theta)
        weights = torch.randn(value.shape, generator=rng, dtype=torch.float64).to(value)
        found = torch.autograd.grad(value, list(leaves.values()), weights, allow_unused=True)
    pulled = {n: torch.zeros_like(v) if g is None else g
              for (n, v), g in zip(theta.items(), found, strict=True) if v.ndim > 1}  # fmt: skip
    rows = {n: (g == 0).flatten(1).all(1) for n, g in pulled.items()}
    unread = {name: mask for name, mask in rows.items() if bool(mask.any())}
    return unread, {name: pulled[name] for name in unread}


def same_but_for_sizes(whole: Graph, part: Graph) -> bool:
    """Whether two graphs are one computation on inputs of other sizes.

    Constants may differ, and the part may take slices where the whole takes everything.
    """
    pairs = _paired(_moving(whole), _moving(part))
    if pairs is None:
        return False
    partner = {id(b): a for a, b in pairs}
    for op in _moving(part):
        if id(op) not in partner:  # a slice stands for what it is of
            partner[id(op)] = partner.get(id(op.operands[0]), op)
    return all(_same(a, b, partner) for a, b in pairs)


def _moving(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if not op.constant]


def _paired(whole: Sequence[Op], part: Sequence[Op]) -> list[tuple[Op, Op]] | None:
    pairs: list[tuple[Op, Op]] = []
    rest = iter(part)
    for a in whole:
        b = next((x for x in rest if x.target == a.target or x.target != "aten.slice.Tensor"), None)
        if b is None or b.target != a.target:
            return None
        pairs.append((a, b))
    return pairs if all(x.target == "aten.slice.Tensor" for x in rest) else None


def _same(a: Op, b: Op, partner: Mapping[int, Op]) -> bool:
    """Whether two operations are one on operands that are partners."""
    ours = [x for x in walk((a.args, a.kwargs)) if not x.constant]
    theirs = [partner[id(x)] for x in walk((b.args, b.kwargs)) if not x.constant]
    joined = [id(x) for x in ours] == [id(x) for x in theirs]
    shapes = a.target != "parameter" or (a.key == b.key and a.shape == b.shape)
    return joined and shapes and _settings(a) == _settings(b)


def _settings(op: Op) -> list[Any]:
    """What an operation is given besides operands and sizes."""
    found: list[Any] = []

    def visit(tree: Any) -> None:
        if isinstance(tree, (tuple, list)):
            for item in tree:
                visit(item)
        elif isinstance(tree, Mapping):
            for key in tree:
                visit(tree[key])
        elif isinstance(tree, (float, str, bool, torch.dtype)):
            found.append(tree)

    visit((op.args, op.kwargs))
    return found


def split(
    generators: Sequence[Generator], where: Shorter, seed: int
) -> tuple[list[Generator], list[Generator]]:
    """Generators that are checked on fewer positions, and those that need all of them."""
    rng = torch.Generator().manual_seed(seed + 2)
    covered = [where.covers(g, rng) for g in generators]
    few = [g for g, ok in zip(generators, covered, strict=True) if ok]
    return few, [g for g, ok in zip(generators, covered, strict=True) if not ok]
