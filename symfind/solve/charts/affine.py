"""Weights that are affine in parameters, w = A θ + b, and changes of these that make none: A ν = 0.

A sum of a matrix and its transpose has no part of what is skew, and of two triangles that meet on a
diagonal one may take there what the other gives.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.numerics.decompose import right
from symfind.numerics.tolerances import EXACT
from symfind.ops.facts import facts
from symfind.solve.charts.partial import adding, plain_wires, small, split
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.trace.graph import Graph, Op

_MOST = 4_000_000  # entries of A
_FAINT = 1e-6  # of A, relative: singular values that are neither there nor absent
_SAME = 1e-9  # of slopes at two points, relative
_ROUNDING = 1e-12  # of values, relative to the terms that they are sums of
_SLOPES, _VALUES = 6, 64  # points at which each is looked at
_LOW, _HIGH = -6.0, 30.0  # decades of sizes; what is further out is there for want of an infinity
_PATTERNS = {"triu", "tril", "as_strided", "unfold", "roll"}
_LINEAR = _PATTERNS | {
    "add",
    "sub",
    "stack",
    "cat",
    "mul",
    "div",
    "neg",
    "sum",
    "mean",
    "where",
    "masked_fill",
}


def affine_ops(graph: Graph) -> dict[Op, tuple[Sequence[Op], Tensor]]:
    """Operations that make such weights, each with its parameters, and with A for all of them."""
    if not small(graph):
        return {}
    found = {}
    for op in graph.ops:
        made = op.trainable and not op.varies and op.target != "parameter"
        if made and op.users and all(u.varies or u.target == "output" for u in op.users):
            one = _image(op)
            if one is not None:
                found[op] = one
    return found


def _image(op: Op) -> tuple[Sequence[Op], Tensor] | None:
    """Of an operation that is affine in parameters that nothing else reads: these, and A."""
    inside = dict.fromkeys(_behind(op))
    roots = [x for x in inside if x.target == "parameter"]
    if any(u not in inside and u is not op for x in inside for u in x.users):
        return None
    constants = {y for x in (*inside, op) for y in x.operands if not y.trainable}
    entries = math.prod(op.shape or ()) * sum(math.prod(x.shape or ()) for x in roots)
    steps = [x for x in (*inside, op) if x not in roots]
    plain = all(x.base in _LINEAR or facts(x).moves for x in steps)
    patterned = any(math.prod(c.shape or ()) > 1 for c in constants) and len(roots) == 1
    again = any(len(x.users) > 1 for x in inside)  # some entry may come twice
    patterned |= plain and (again or any(x.base in _PATTERNS for x in steps))
    if not patterned or not 0 < entries <= _MOST:
        return None
    rng = torch.Generator().manual_seed(0)
    shapes = [x.shape or () for x in roots]
    try:
        one, *others = (_slope(op, roots, x) for x in points(shapes, rng, _SLOPES))
        size = float(one.abs().max())
        if not size or not all(same(one, x) for x in others):
            return None
        if not _adds_up(op, roots, one, points(shapes, rng, _VALUES)):
            return None
    except (LookupError, RuntimeError, NotImplementedError):
        return None
    values = torch.linalg.svdvals(one)
    if bool(((values > EXACT * size) & (values < _FAINT * values[0])).any()):
        return None  # next to nothing is not to be divided by
    return roots, one


def same(one: Tensor, two: Tensor) -> bool:
    """Whether two slopes are one but for rounding."""
    return float((one - two).abs().max()) <= _SAME * float(one.abs().max())


def _behind(op: Op) -> Iterator[Op]:
    """Operations on parameters that it rests on."""
    stack, seen = list(op.operands), set[Op]()
    while stack:
        x = stack.pop()
        if x.trainable and x not in seen:
            seen.add(x)
            yield x
            stack += x.operands


def points(
    shapes: Sequence[Sequence[int]], rng: torch.Generator, number: int
) -> Iterator[list[Tensor]]:
    """Two of size one, and others of all sizes, of all entries alike or each of its own.

    What holds about one and not far out (a bound, a threshold, a window) is met by some of them.
    """
    for at in range(number):
        drawn = [torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes]
        sizes = [
            torch.rand(s if at % 2 else (), generator=rng, dtype=torch.float64) for s in shapes
        ]
        if at > 1:
            drawn = [
                x * 10 ** (_LOW + (_HIGH - _LOW) * u) for x, u in zip(drawn, sizes, strict=True)
            ]
        yield drawn


def _adds_up(op: Op, roots: Sequence[Op], slope: Tensor, at: Iterator[Sequence[Tensor]]) -> bool:
    """Whether values are A θ + b, all finite: a derivative sees no step, and no detached part."""
    rest: Tensor | None = None
    for theta in at:
        env = Environment(dict(zip((x.key for x in roots), theta, strict=True)))
        value, flat = env.value_of(op).reshape(-1), torch.cat([x.reshape(-1) for x in theta])
        rest = value - slope @ flat if rest is None else rest
        terms = slope.abs() @ flat.abs() + rest.abs() + 1.0
        if not bool(((value - slope @ flat - rest).abs() <= _ROUNDING * terms).all()):
            return False
    return True


def _slope(op: Op, roots: Sequence[Op], at: Sequence[Tensor]) -> Tensor:
    def run(*theta: Tensor) -> Tensor:
        env = Environment(dict(zip((x.key for x in roots), theta, strict=True)))
        return env.value_of(op).reshape(-1)

    parts = torch.autograd.functional.jacobian(run, tuple(at))
    return torch.cat([part.reshape(len(part), -1) for part in parts], 1)


def unmade_families(
    affine: Mapping[Op, tuple[Sequence[Op], Tensor]],
    sources: Mapping[str, p.Source],
    known: Sequence[Family],
) -> list[Family]:
    """What changes parameters and no weight.

    Args:
        affine: what is made, of which parameters, and A.
        sources: the wires of all parameters.
        known: families that may say as much.
    """
    if not affine:
        return []

    def unmade() -> Iterator[Family]:
        for roots, slope in affine.values():
            s, vh = right(slope)
            null = vh[int((s > EXACT * s[0]).sum()) :]
            if len(null):
                yield kernel(plain_wires([sources[x.key] for x in roots]), null)

    return adding(unmade(), known, {name: wire.shape for name, wire in sources.items()})


def kernel(wires: Sequence[p.Source], null: Tensor) -> NullFamily:
    """Constant changes of some parameters, in one row: [number, entries of all]."""

    def width(sizes: Sizes | None) -> int:
        return len(null) if sizes is None else 0  # a twin has other coordinates

    def build(env: Environment, c: Tensor) -> Moves:
        return split(wires, c @ null.to(c), env)

    return NullFamily(kind="inert" if len(wires) == 1 else "parallel", sources=tuple(wires),
                      width=width, build=build)  # fmt: skip
