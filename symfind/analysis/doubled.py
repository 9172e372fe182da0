"""A batch of one: whether what is derived there holds beside a second example.

A batch of one hides that a model mixes its examples: less their mean all are zero, a softmax over
them is one. What is derived is then true of the given inputs, and false for all others. Where two
examples at once give other values than each by itself, every generator is held against both.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.analysis.subject import LIVE, Subject
from symfind.load import Inputs
from symfind.load.inputs import leaves, map_leaves
from symfind.report.words import some_of
from symfind.verify import Function, verify
from symfind.verify.function import Point

_SAME = 1e-9  # relative: what rounding leaves of sums over outputs in another order


def on_a_batch_of_one(found: Derived, subject: Subject, theta: Point | None) -> str:
    """A sentence on what holds for a batch of one alone; empty where nothing is known to.

    Args:
        found: what was derived, and holds on the given inputs.
        subject: the model with these.
        theta: a random point.
    """
    if theta is None or found.parameters > LIVE or not found.redundant:
        return ""
    if not _single(subject.loaded.inputs):
        return ""
    try:
        return _said(found, subject, theta)
    except Exception:  # whatever a model raises at a batch that it does not want
        return ""


def _said(found: Derived, subject: Subject, theta: Point) -> str:
    rng, fresh = torch.Generator().manual_seed(subject.seed), subject.fresh()
    function, one, two = subject.function(), fresh(rng), fresh(rng)
    both = beside(one, two)
    if not mixed(function, theta, one, two, both):
        return ""
    pairs = found.generators(found.groups, found.factors)
    outcome = verify(function, [g for g, _ in pairs], both, rng=rng, points=[theta])
    false = [(g, k) for g, k in pairs if g.id in outcome.failed]
    return _sentence(found, {k for _, k in false}) if false else ""


def _sentence(found: Derived, factors: set[int]) -> str:
    some = [found.factors[k] for k in sorted(factors)]
    names = list(dict.fromkeys(name for f in some for name in f.parameters))
    total = sum(f.total for f in some)
    return (
        "The model mixes what lies along the first axis of its inputs, of which the given ones "
        f"have one row: with two, up to {total:,} of the derived directions change the output "
        f"({some_of(names)}). What is said holds for one row; analyse with more (--input)."
    )


def _single(inputs: Inputs) -> bool:
    return any(_row(x) and x.ndim > 1 for _, x in leaves(inputs))


def beside(one: Inputs, two: Inputs) -> Inputs:
    """Two examples as one batch: tensors of one row have two, the others are those of the first."""
    others: Mapping[str, Any] = dict(leaves(two))

    def joined(key: str, leaf: Any) -> Any:
        return torch.cat([leaf, others[key]]) if _row(leaf) else leaf

    return map_leaves(one, joined)


def mixed(function: Function, theta: Point, one: Inputs, two: Inputs, both: Inputs) -> bool:
    """Whether two examples at once give other values than each of them alone, in any order."""
    rest = dict(leaves(one))
    other = map_leaves(two, lambda key, x: x if _row(x) else rest[key])
    alone = torch.cat([function(theta, one), function(theta, other)])
    together = function(theta, both)
    if len(alone) != len(together):
        return True
    scale = max(float(alone.abs().max()), 1e-300)
    return not all(
        abs(float(_sum(alone / scale, k) - _sum(together / scale, k))) <= _SAME * len(alone)
        for k in (1, 2, 3)
    )


def _row(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.ndim > 0 and leaf.shape[0] == 1


def _sum(values: Tensor, power: int) -> Tensor:
    return (values**power).sum()
