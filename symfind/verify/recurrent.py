"""Recurrent layers and cells step by step, as torch documents them: their kernels know no batches.

What reaches the gates of a step is Wx + b from the input and Uh + c from the state.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

States = tuple[Tensor, ...]  # of one layer and way: what it writes, and a cell where it has one
Step = Callable[[Tensor, Tensor, States], States]  # from what reaches the gates, and the states


def _elman(act: Callable[[Tensor], Tensor]) -> Step:
    return lambda given, kept, states: (act(given + kept),)


def _gated(given: Tensor, kept: Tensor, states: States) -> States:
    """A gated recurrent unit (Cho et al., 2014)."""
    reset, update, new = given.chunk(3, -1)
    was_reset, was_update, was_new = kept.chunk(3, -1)
    new = (new + (reset + was_reset).sigmoid() * was_new).tanh()
    return (new + (update + was_update).sigmoid() * (states[0] - new),)


def _memory(given: Tensor, kept: Tensor, states: States) -> States:
    """Long short-term memory (Hochreiter and Schmidhuber, 1997)."""
    put, forget, new, out = (given + kept).chunk(4, -1)
    cell = forget.sigmoid() * states[1] + put.sigmoid() * new.tanh()
    return out.sigmoid() * cell.tanh(), cell


def _cell(step: Step) -> Callable[..., Any]:
    def cell(
        x: Tensor, hx: Tensor | Sequence[Tensor], w: Tensor, u: Tensor,
        b: Tensor | None = None, c: Tensor | None = None,
    ) -> Any:  # fmt: skip
        states = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        found = step(F.linear(x, w, b), F.linear(states[0], u, c), states)
        return found if len(found) > 1 else found[0]

    return cell


def _layers(func: Any, step: Step) -> Callable[..., Any]:
    def layers(*args: Any, **kwargs: Any) -> Any:
        packed = kwargs or len(args) != 9 or not isinstance(args[3], bool)
        if packed or (args[5] and args[6]):  # sequences of several lengths, or dropout
            return func(*args, **kwargs)
        x, hx, params, biases, number, _, _, two, first = args
        return _stacked(step, x, hx, params, biases, number, 2 if two else 1, first)

    return layers


def _stacked(
    step: Step, x: Tensor, hx: Tensor | Sequence[Tensor], params: Sequence[Tensor], biases: bool,
    number: int, ways: int, first: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """What the last layer writes, [time, batch, width], and the last states of all."""
    x = x.transpose(0, 1) if first else x
    begun = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    each, last = len(params) // (number * ways), list[States]()
    for layer in range(number):
        outs = []
        for way in range(ways):
            place = layer * ways + way
            own = list(params[place * each : (place + 1) * each])
            projection = own.pop() if each % 2 else None
            y, states = _along(step, x, tuple(s[place] for s in begun), own, projection, way == 1)
            outs.append(y)
            last.append(states)
        x = torch.cat(outs, -1)
    ends = tuple(torch.stack(states) for states in zip(*last, strict=True))
    return x.transpose(0, 1) if first else x, *ends


def _along(
    step: Step, x: Tensor, states: States, params: Sequence[Tensor], projection: Tensor | None,
    backward: bool,
) -> tuple[Tensor, States]:  # fmt: skip
    """One layer, one way: what it writes at every time, and its states at the last that it sees."""
    (w, u), (b, c) = params[:2], params[2:] or (None, None)
    given, written = F.linear(x, w, b), list[Tensor]()
    for one in reversed(given) if backward else given:
        states = step(one, F.linear(states[0], u, c), states)
        if projection is not None:
            states = (F.linear(states[0], projection), *states[1:])
        written.append(states[0])
    return torch.stack(written[::-1] if backward else written), states


_STEPS: dict[str, Step] = {
    "lstm": _memory, "gru": _gated, "rnn_tanh": _elman(torch.tanh), "rnn_relu": _elman(torch.relu),
}  # fmt: skip
SPELLED: dict[Any, Any] = {
    **{f: _layers(f, step) for name, step in _STEPS.items() for f in [getattr(torch, name)]},
    **{getattr(torch, f"{name}_cell"): _cell(step) for name, step in _STEPS.items()},
}
