"""The group of a model at work on its checkpoints."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from symfind.errors import InputError
from symfind.orbit import Element
from symfind.orbit.align import Way, align_states, way_between
from symfind.orbit.checkpoint import Checkpoint, distance, read_checkpoint, same_kind
from symfind.orbit.element import change
from symfind.orbit.given import given_step
from symfind.orbit.imitation import imitation
from symfind.orbit.objective import Loss, Objective
from symfind.session.session import Output, Session, Tell, open

Weights = str | Path | Mapping[str, Tensor]

_TOGETHER = 64  # random inputs in a batch
HOLDS = 1e-9  # largest change of the outputs in float64 that counts as none


@dataclass(frozen=True)
class Applied:
    """A checkpoint on which an element has acted.

    Attributes:
        weights: by the names and in the dtypes of the file.
        element: what acted.
        residual: change of the outputs in float64, relative to their size.
        rounded: the same when the result is rounded to the dtypes of the file.
        moved: change of the trained tensors, relative to their size.
        parameters: those that moved.
    """

    weights: dict[str, Tensor] = field(repr=False)
    element: Element
    residual: float
    rounded: float
    moved: float
    parameters: tuple[str, ...]

    def to_json(self) -> str:
        """What was done, without the weights."""
        return json.dumps(
            {
                "schema": "symfind.applied/1",
                "residual": self.residual,
                "rounded": self.rounded,
                "moved": self.moved,
                "parameters": list(self.parameters),
                "element": self.element.to_dict(),
            },
            indent=2,
        )


def applied(session: Session, checkpoint: Checkpoint, element: Element) -> Applied:
    """An element acting on a checkpoint, checked on the model itself.

    Raises:
        InputError: the outputs change: what was derived does not hold at this checkpoint.
    """
    function, before = session.subject.function(), checkpoint.state
    after = element.apply(before)
    residual = held(session, checkpoint, after)
    names = [n for n in session.group.shapes if after[n] is not before[n]]
    return Applied(
        checkpoint.replaced(after),
        element,
        residual,
        change(function, before, checkpoint.rounded(after)),
        distance(before, after, list(session.group.shapes)),
        tuple(names),
    )


def apply(
    model: nn.Module | str,
    weights: Weights,
    site: str,
    matrix: str | Tensor,
    example_inputs: Any = None,
    output: Output = "raw",
    device: str = "cpu",
    seed: int = 0,
    *,
    progress: Tell = None,
    **options: Any,
) -> Applied:
    """Put a given matrix of the group at one site of a checkpoint.

    Args:
        model: a module, or a spec as on the command line.
        weights: a safetensors file, a torch file without code, or tensors by name.
        site: id of a connected group, as in the `places` of a report.
        matrix: `hadamard`, `random`, a file that holds one tensor, or a tensor: [n, n], or
            [*copies, n, n]; positive scales where the site is a scaling.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        device: where the model is evaluated.
        seed: of what is drawn.
        progress: called with a line on what is being done.
        options: as of `symfind.open`.

    Raises:
        InputError: the matrix is not in the group at the site, or the checkpoint has NaN.
        LoadError: the spec or the checkpoint cannot be loaded.
        TraceError: the model cannot be traced.
    """
    session = open(model, example_inputs, output, device, seed, progress=progress, **options)
    checkpoint = read_checkpoint(session.loaded.model, weights)
    step = given_step(session.group, site, matrix, seed)
    return applied(session, checkpoint, Element(session.group, (step,)))


@dataclass(frozen=True)
class Alignment:
    """Two checkpoints of which one was moved along its orbit towards the other.

    Attributes:
        a: the first, by the names and in the dtypes of its file: as it was (gauge "own"), or in
            the gauge in which both were compared.
        b: the second, moved.
        distance: of their trained tensors, relative to the size of the first.
        barrier: the largest excess of the loss on the segment over the straight line; None without
            data or steps.
        element: what led the second there.
        residual: change of the second's outputs in float64, relative to their size.
        rounded: the same when the result is rounded to the dtypes of the file.
        ways: vanilla, permutations only, whole group, learned.
        shares: of the squared distance, what each kind of symmetry took away.
        notes: what has no unique form.
        unrest: the part of the weights that the last sweep towards the common gauge moved:
            zero where it was reached, else both are compared in a gauge that is not quite one.
        imitated: whether losses are those of random inputs, the squared distance of outputs from
            what lies between the outputs of both.
        chosen: the way that gave `b`: the last, unless an earlier one has a lower barrier.
    """

    a: dict[str, Tensor] = field(repr=False)
    b: dict[str, Tensor] = field(repr=False)
    distance: float
    barrier: float | None
    element: Element = field(repr=False)
    residual: float
    rounded: float
    ways: tuple[Way, ...]
    shares: dict[str, float]
    notes: tuple[str, ...] = ()
    unrest: float = 0.0
    imitated: bool = False
    chosen: str = ""

    def to_json(self) -> str:
        """What was found, without the weights."""
        return json.dumps(
            {
                "schema": "symfind.alignment/1",
                "distance": self.distance,
                "barrier": self.barrier,
                "imitated": self.imitated,
                "chosen": self.chosen,
                "residual": self.residual,
                "rounded": self.rounded,
                "ways": [
                    {
                        "name": w.name,
                        "distance": w.distance,
                        "barrier": w.barrier,
                        "losses": list(w.losses),
                    }
                    for w in self.ways
                ],
                "shares": self.shares,
                "notes": list(self.notes),
                "gauge": {"at_rest": not self.unrest, "step": self.unrest},
                "element": self.element.to_dict(),
            },
            indent=2,
        )


def align(
    model: nn.Module | str,
    a: Weights,
    b: Weights,
    example_inputs: Any = None,
    output: Output = "raw",
    device: str = "cpu",
    seed: int = 0,
    *,
    loss: Loss | None = None,
    data: Iterable[Any] | None = None,
    train_data: Iterable[Any] | None = None,
    steps: int = 0,
    only: Literal["", "permutations"] = "",
    gauge: Literal["common", "own"] = "common",
    discover: bool = False,
    progress: Tell = None,
    **options: Any,
) -> Alignment:
    """Move one checkpoint along its orbit to where another one is nearest.

    Both are brought to a common gauge, and permutations, rotations, phases and signs are found by
    coordinate descent. With data the barrier is measured, and lowered where `steps` are asked for.
    Where steps are asked for and there is no data, inputs are drawn at random, and the barrier is
    how far outputs on the segment are from the segment between those of both checkpoints.

    Args:
        model: a module, or a spec as on the command line.
        a: the checkpoint that stays: a file, or tensors by name.
        b: the checkpoint that is moved.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        device: where the model is evaluated.
        seed: of all random numbers.
        loss: of outputs and targets; cross entropy or squared error without, by the targets.
        data: batches, pairs of inputs and targets, on which barriers are measured.
        train_data: batches on which the learned alignment lowers the loss; `data` without.
        steps: of the learned alignment.
        only: "permutations": nothing else.
        gauge: "common": `a` is given in the gauge in which both were compared; "own": `a` is as it
            was, and `b` has followed it there.
        discover: act by what discovery finds, too; for models that it can look at (small ones).
        progress: called with a line on what is being done.
        options: as of `symfind.open`.

    Raises:
        InputError: the checkpoints are equal or of two kinds, have NaN, or there is no data.
        LoadError: the spec or a checkpoint cannot be loaded.
        TraceError: the model cannot be traced.
    """
    if steps < 0 or only not in ("", "permutations") or gauge not in ("common", "own"):
        raise InputError(
            "steps are none or more, only is '' or 'permutations', gauge is 'common' or 'own'"
        )
    if loss is not None and data is None:
        raise InputError("a loss needs data")
    session = open(model, example_inputs, output, device, seed, progress=progress, **options)
    one = read_checkpoint(session.loaded.model, a, "a" if isinstance(a, Mapping) else "")
    two = read_checkpoint(session.loaded.model, b, "b" if isinstance(b, Mapping) else "")
    same_kind(one, two)
    group = session.whole_group if discover else session.group
    tell = progress or (lambda text: None)
    if all(one.state[n].equal(two.state[n]) for n in group.shapes):
        raise InputError(
            f"{one.label} and {two.label} hold the same trained weights: nothing to align"
        )
    objective = None
    if data is not None:
        objective = Objective.of(session.loaded.model, data, loss)
    elif steps and train_data is None and not only:
        subject, inputs = session.subject, session.loaded.inputs
        objective = imitation(
            session.loaded.model, inputs, subject.many(_TOGETHER), one.state, two.state, seed
        )
    lowered = objective
    if train_data is not None:
        lowered = Objective.of(session.loaded.model, train_data, loss)
        if objective is not None:
            objective.seen = lowered.batches
    found = align_states(
        group, one.state, two.state, objective, lowered, steps, only == "permutations", tell, seed
    )
    element, first, second, ways = found.of_b, found.a, found.b, found.ways
    if gauge == "own":
        if found.of_a.steps:
            element = found.of_a.inverse().compose(element)
            first, second = one.state, element.apply(two.state)
        ways = (*ways, way_between(group, objective, "in the gauge of a", first, second))
    # what is near in another gauge need not be in this, and what is near have no lower barrier
    last = _best(ways) if objective or gauge == "own" else ways[-1]
    if last is not ways[-1]:
        element = found.plain if last is ways[1] else Element(group)
        first, second = one.state, element.apply(two.state)
    residual = held(session, two, second)
    return Alignment(
        one.replaced(first), two.replaced(second), last.distance, last.barrier, element, residual,
        change(session.subject.function(), two.state, two.rounded(second)),
        ways, found.shares, found.notes, found.unrest, objective is not None and data is None,
        last.name,
    )  # fmt: skip


def _best(ways: Sequence[Way]) -> Way:
    """The last of several, unless permutations alone, or nothing, have a lower barrier.

    Without data, unless they are nearer.
    """
    return min(
        (ways[-1], ways[1], ways[0]), key=lambda w: w.distance if w.barrier is None else w.barrier
    )


def held(session: Session, checkpoint: Checkpoint, after: Mapping[str, Tensor]) -> float:
    """The change of the outputs, which must be none.

    Raises:
        InputError: it is not.
    """
    residual = change(session.subject.function(), checkpoint.state, after)
    if not residual <= HOLDS:
        raise InputError(
            f"{checkpoint.label}: the outputs change by {residual:.1e} where they must not; a "
            "family does not hold on this checkpoint, and nothing was written"
        )
    return residual
