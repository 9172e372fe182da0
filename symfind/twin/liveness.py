"""Points at which every unit of a twin sees all pieces of its piecewise linear activation.

Among a handful of channels some are always off, or always on, at most random points, and a clip at
six is never reached; then more is null than the architecture makes so. Any point bounds the generic
nullity from above, hence points may be chosen: offsets are moved, and gains scaled, until every
unit sees both sides of every kink.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.trace import Graph, Op, replace
from symfind.trace.kernels import run, widen

_KINKED = {"relu", "leaky_relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max",
           "threshold", "hardswish", "hardsigmoid", "prelu", "rrelu", "elu", "celu",
           "selu"}  # fmt: skip
_FIXED = {"relu6": (0.0, 6.0), "hardswish": (-3.0, 3.0), "hardsigmoid": (-3.0, 3.0)}
_BOUNDED = {"hardtanh", "clamp", "clamp_min", "clamp_max", "threshold"}  # kinks are arguments
_SPREAD = 0.3  # of the standard deviation: how far from the middle a unit switches
_FAR = 2.0  # kinks that are further apart than this are out of reach of a wire of unit spread
_GUARD = 100.0  # bounds as large as this guard against overflow, and are not to be reached
_BIAS = {"batch_norm": 2, "linear": 2, "conv1d": 2, "conv2d": 2, "conv3d": 2, "addmm": 0,
         "conv_transpose2d": 2, "group_norm": 3, "layer_norm": 3}  # fmt: skip
_GAIN = {"batch_norm": 1, "linear": 1, "conv1d": 1, "conv2d": 1, "conv3d": 1, "addmm": 2,
         "conv_transpose2d": 1, "group_norm": 2, "layer_norm": 2}  # fmt: skip
_CPU = torch.device("cpu")


def enliven(
    graph: Graph,
    theta: Mapping[str, Tensor],
    inputs: Sequence[Mapping[str, Tensor]],
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """Move biases before rectifiers, and scale and turn the gains of batch normalisations.

    Args:
        graph: what is run.
        theta: a random point.
        inputs: several draws.
        rng: the source of randomness.

    Returns:
        Another point.
    """
    if not any(_name(op) in _KINKED for op in graph.ops):
        return dict(theta)
    walk = _Walk(dict(theta), inputs, rng)
    with torch.no_grad():
        for op in graph.ops:
            walk.visit(op)
    return walk.theta


class _Walk:
    def __init__(
        self,
        theta: dict[str, Tensor],
        inputs: Sequence[Mapping[str, Tensor]],
        rng: torch.Generator,
    ) -> None:
        self.theta, self.inputs, self.rng = theta, inputs, rng
        self.values: dict[int, list[Any]] = {}

    def visit(self, op: Op) -> None:
        if _name(op) in _KINKED and isinstance(op.args[0], Op):
            self._middle(op.args[0], kinks(op))
        self._run(op)
        if _name(op) == "batch_norm" and _free(op.args[1]):
            spread = self._flat(op, 1).std(1).clamp(min=1e-6)
            # relu(γ relu(x) + β) is relu(γ x + β) where γ > 0 > β: then the first kink is hidden
            rectified = self._flat(op.args[0], 1).amin(1) == 0.0
            gain = self.theta[op.args[1].key]
            self.theta[op.args[1].key] = torch.where(rectified, -gain.abs(), gain) / spread
            self._refresh([op.args[1], op])

    def _run(self, op: Op) -> None:
        if op.target == "input":
            self.values[id(op)] = [widen(x[op.key]) for x in self.inputs]
        elif op.target == "parameter" and op.trainable:
            self.values[id(op)] = [self.theta[op.key]] * len(self.inputs)
        elif op.constant:
            from symfind.trace.constants import evaluate

            self.values[id(op)] = [evaluate(op)] * len(self.inputs)
        else:
            self.values[id(op)] = [
                run(op, replace(op.args, self._at(i)), replace(op.kwargs, self._at(i)), _CPU)
                for i in range(len(self.inputs))
            ]

    def _at(self, i: int) -> Any:
        return lambda x: self.values[id(x)][i]

    def _flat(self, op: Op, dim: int) -> Tensor:
        """All values of each channel: shape (channels, values)."""
        return torch.cat([v.movedim(dim, 0).flatten(1) for v in self.values[id(op)]], 1)

    def _refresh(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self._run(op)

    def _middle(self, op: Op, kinks: tuple[float, ...]) -> None:
        """Move what is added to a wire so that every channel of it has values beyond all kinks."""
        path = _path(op)
        if path is None:
            return
        bias, chain = path
        channels = self.theta[bias.key].numel()
        dim = _channel_dim(chain[0])
        shape = op.shape or ()
        if dim >= len(shape) or shape[dim] != channels:
            return
        apart = max(kinks) - min(kinks)
        if apart > _FAR:
            self._widen(op, chain, dim, apart / 2)
        flat = self._flat(op, dim)
        noise = torch.randn(channels, generator=self.rng, dtype=torch.float64)
        middle = (max(kinks) + min(kinks)) / 2
        move = middle + _SPREAD * flat.std(1) * noise - flat.mean(1)
        self.theta[bias.key] = self.theta[bias.key] + move.reshape(self.theta[bias.key].shape)
        self._refresh([bias, *chain])

    def _widen(self, op: Op, chain: list[Op], dim: int, spread: float) -> None:
        """Scale the gain, or the weights, that a wire comes from."""
        gain = chain[0].args[_GAIN[_name(chain[0])]]
        if not _free(gain):
            return
        now = float(self._flat(op, dim).std(1).mean())
        self.theta[gain.key] = self.theta[gain.key] * (spread / max(now, 1e-6))
        self._refresh([gain, *chain])


def kinks(op: Op) -> tuple[float, ...]:
    """Where the slope of an activation jumps."""
    name = _name(op)
    if name not in _BOUNDED:
        return _FIXED.get(name, (0.0,))
    given = [op.args[1]] if name == "threshold" else [*op.args[1:3], *_named(op)]
    found = tuple(float(x) for x in given if isinstance(x, (int, float)) and abs(x) < _GUARD)
    return found or ((-1.0, 1.0) if name == "hardtanh" else (0.0,))


def _named(op: Op) -> list[Any]:
    return [op.kwargs[key] for key in ("min", "max", "min_val", "max_val") if key in op.kwargs]


def _name(op: Op) -> str:
    return op.target.removeprefix("aten.").split(".")[0]


def _free(x: Any) -> bool:
    return isinstance(x, Op) and x.target == "parameter" and x.trainable


def _path(op: Op) -> tuple[Op, list[Op]] | None:
    """The nearest operation that adds a bias to a wire, and what leads from there to the wire."""
    chain: list[Op] = []
    while True:
        chain.append(op)
        place = _BIAS.get(_name(op))
        if place is not None:
            bias = op.args[place] if place < len(op.args) else None
            return (bias, chain[::-1]) if isinstance(bias, Op) and _free(bias) else None
        wires = [x for x in op.operands if x.varies]
        if _name(op) not in ("add", "view") or not wires:
            return None
        # of the summands of a shortcut, the branch that has a bias
        op = next((x for x in wires if _name(x) in _BIAS), wires[0])


def _channel_dim(op: Op) -> int:
    rank = len(op.shape or ())
    if _name(op) in ("linear", "addmm", "layer_norm"):
        return rank - 1
    return 1
