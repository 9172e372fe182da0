"""Losses of checkpoints on batches of data, and along the segment between two of them."""

import copy
import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from symfind.errors import InputError, LoadError
from symfind.load import Inputs
from symfind.load.files import AsWritten
from symfind.load.outputs import results
from symfind.orbit.group import State
from symfind.orbit.statistics import batch_norms, counting, unseen

POINTS = 11  # of a segment
Loss = Callable[[Tensor, Any], Tensor]
Batch = tuple[Any, Any]


def read_data(spec: str) -> tuple[list[Batch], Loss | None]:
    """Batches of a Python file, and its loss where it has one.

    Args:
        spec: `data.py:batches`. The attribute is an iterable of pairs (inputs, targets), or a
            function that returns one; `loss(outputs, targets)` in the same file is used if there.

    Raises:
        LoadError: the file or the attribute is not there, or fails.
        InputError: there is no data in it, or it is not made of pairs.
    """
    path, _, name = spec.rpartition(":")
    path, name = (path, name) if path else (name, "batches")
    file = Path(path)
    if not file.is_file():
        raise LoadError(f"--data {spec}: no such file {path}")
    loader = AsWritten("symfind_data", str(file))
    module_spec = importlib.util.spec_from_file_location("symfind_data", file, loader=loader)
    if file.suffix != ".py" or module_spec is None:
        raise LoadError(f"--data {spec}: {path} is no Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        loader.exec_module(module)
        found = getattr(module, name, None)
        found = found() if callable(found) else found
        batches = None if found is None else list(found)
    except Exception as error:
        raise LoadError(f"--data {spec}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.resolve().parent))
    if batches is None:
        raise LoadError(f"--data {spec}: {path} has no {name!r}")
    return checked(batches, f"--data {spec}"), getattr(module, "loss", None)


def checked(batches: Iterable[Any], label: str) -> list[Batch]:
    """Pairs of inputs and targets.

    Raises:
        InputError: there are none, or they are no pairs.
    """
    found = list(batches)
    if not found:
        raise InputError(f"{label}: there is no data in it")
    for one in found:
        if not isinstance(one, tuple | list) or len(one) != 2:
            raise InputError(f"{label}: batches are pairs (inputs, targets)")
        for value in _tensors(one):
            if not value.numel():
                raise InputError(f"{label}: a batch is empty")
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise InputError(f"{label}: a batch holds numbers that are NaN or infinite")
    return [(x, y) for x, y in found]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one)


def usual_loss(outputs: Tensor, targets: Any) -> Tensor:
    """Cross entropy of classes in the last dimension, squared error of real targets."""
    if targets.is_floating_point():
        return F.mse_loss(outputs, targets.to(outputs))
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))


def first(outputs: Sequence[Tensor]) -> Tensor:
    """The first of several output tensors."""
    return outputs[0]


@dataclass
class Objective:
    """The mean loss of a model's checkpoints on batches.

    Attributes:
        model: a copy of the model; its weights are never read.
        batches: pairs of inputs and targets.
        loss: of outputs and targets.
        dtype: in which it is evaluated.
        seen: batches from which statistics of batch norms are estimated.
        picked: what of all output tensors the loss is given: the first.
    """

    model: nn.Module
    batches: Sequence[Batch]
    loss: Loss
    dtype: torch.dtype
    seen: Sequence[Batch]
    picked: Callable[[Sequence[Tensor]], Tensor] = first

    @classmethod
    def of(
        cls,
        model: nn.Module,
        batches: Iterable[Any],
        loss: Loss | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "Objective":
        """With a copy of the model in a dtype.

        Raises:
            InputError: there is no data.
        """
        own = copy.deepcopy(model)
        if any(p.is_meta for p in own.parameters()):
            buffers = {n: b.detach().clone() for n, b in own.named_buffers() if not b.is_meta}
            own = own.to_empty(device="cpu")
            for name, value in buffers.items():
                own.get_buffer(name).copy_(value)
        own = own.to(dtype).eval().requires_grad_(False)
        found = [(_real(x, dtype), _real(y, dtype)) for x, y in checked(batches, "the data")]
        return cls(own, found, loss or usual_loss, dtype, found)

    def __call__(self, state: State, batches: Sequence[Batch] | None = None) -> Tensor:
        """Mean over batches, each counted alike.

        Raises:
            InputError: the model or the loss fails on the data, or no weight matters to the loss.
        """
        values = self.values(state)
        chosen = self.batches if batches is None else batches
        outputs = [(self.outputs(values, x), y) for x, y in chosen]
        try:
            loss = torch.stack([self.loss(out, y) for out, y in outputs]).mean()
        except Exception as error:
            line = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"the loss fails on the data: {type(error).__name__}: {line}"
            ) from error
        if torch.is_grad_enabled() and any(v.requires_grad for v in values.values()):
            attached(loss, "the loss")
        return loss

    def among(self, state: State, batch: Batch) -> Tensor:
        """The loss on one batch, where batch norms use the statistics of the batch itself.

        Raises:
            InputError: as of a call.
        """
        norms = batch_norms(self.model)
        with counting(norms):
            return self({**state, **unseen(norms)}, [batch])

    @torch.no_grad()
    def estimated(self, state: State) -> State:
        """A checkpoint with statistics of batch norms that are those of its own weights.

        Raises:
            InputError: the model fails on the data, as batch norms do on batches of one.
        """
        norms = batch_norms(self.model)
        fresh = unseen(norms)
        values = {**self.values(state), **fresh}
        with counting(norms):
            for x, _ in self.seen if norms else ():
                self.outputs(values, x)
        return {**state, **fresh}

    def values(self, state: State) -> dict[str, Tensor]:
        """A checkpoint in the dtype of the model."""
        return {n: v.to(self.dtype) if v.is_floating_point() else v for n, v in state.items()}

    def outputs(self, values: Mapping[str, Tensor], x: Any) -> Tensor:
        """What the model makes of inputs.

        Raises:
            InputError: it fails on them.
        """
        if isinstance(x, Inputs):
            args, kwargs = x.args, x.kwargs
        else:
            args = x if isinstance(x, tuple) else () if isinstance(x, dict) else (x,)
            kwargs = x if isinstance(x, dict) else {}
        try:
            found = torch.func.functional_call(self.model, dict(values), args, kwargs)
        except Exception as error:
            line = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"the model fails on the data: {type(error).__name__}: {line}"
            ) from error
        return self.picked([tensor for _, tensor in results(found)])


def attached(value: Tensor, what: str) -> None:
    """See that something depends on weights of which derivatives are asked.

    Raises:
        InputError: it does not.
    """
    if not value.requires_grad:
        raise InputError(
            f"{what} does not depend on the weights; of several outputs of a model, the first is "
            "what a loss is given"
        )


def _real(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return tuple(_real(v, dtype) for v in value)
    if isinstance(value, dict):
        return {k: _real(v, dtype) for k, v in value.items()}
    return value


def between(a: State, b: State, part: float) -> dict[str, Tensor]:
    """The point of a segment: (1 − part) a + part b; integers are those of a."""
    return {
        n: v + part * (b[n] - v) if v.is_floating_point() and b[n] is not v else v
        for n, v in a.items()
    }


@torch.no_grad()
def losses_along(objective: Objective, a: State, b: State, points: int = POINTS) -> list[float]:
    """Losses at equal steps of the segment; between the ends with statistics of their own.

    Raises:
        InputError: the loss of an end is no finite number.
    """
    inner = [objective.estimated(between(a, b, k / (points - 1))) for k in range(1, points - 1)]
    losses = [float(objective(state)) for state in (a, *inner, b)]
    if not (math.isfinite(losses[0]) and math.isfinite(losses[-1])):
        raise InputError(f"the losses of the two checkpoints are {losses[0]} and {losses[-1]}")
    return losses


def barrier(losses: Sequence[float]) -> float:
    """The largest excess over the straight line between the ends; infinite where one is NaN."""
    if any(math.isnan(x) for x in losses):
        return math.inf
    n = len(losses) - 1
    line = [losses[0] + k / n * (losses[-1] - losses[0]) for k in range(n + 1)]
    return max(0.0, *(x - y for x, y in zip(losses, line, strict=True)))
