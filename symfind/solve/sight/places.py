"""Which places of a wire are those of another: under a window, and in a view."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.graph.index_map import Run
from symfind.solve.spans.zeros import Masks, slices


def met(
    seen: Tensor, alive: Tensor, taps: int, stride: int, padding: int, dilation: int
) -> tuple[Tensor, Tensor]:
    """Along one dimension, which places any tap meets, and which taps meet a place.

    What is padding is no place.

    Args:
        seen: which results are looked at, shape [outs].
        alive: which places are not zero, shape [places].
        taps: of the kernel.
        stride: of the window.
        padding: before the first place.
        dilation: places between taps.
    """
    at = torch.arange(len(seen))[:, None] * stride - padding + torch.arange(taps) * dilation
    inside = (at >= 0) & (at < len(alive)) & seen[:, None]
    places = torch.zeros(len(alive), dtype=torch.bool)
    places[at[inside]] = True
    return places, (inside & alive[at.clamp(0, len(alive) - 1)]).any(0)


def regrouped(
    run: Run, above: Mapping[int, Tensor], ins: Sequence[int], outs: Sequence[int]
) -> Masks:
    """Coordinates of some dimensions for those of others that are a view of them.

    Args:
        run: the dimensions of both.
        above: what holds of coordinates of the others, whatever the rest are.
        ins: sizes of all dimensions of the operand.
        outs: of the result.
    """
    known = [above.get(d, torch.zeros(outs[d], dtype=torch.bool)) for d in run.outs]
    whole = torch.zeros((), dtype=torch.bool)
    for mask in known:
        whole = whole[..., None] | mask
    whole = whole.reshape([ins[d] for d in run.ins])
    return {d: slices(whole, i) for i, d in enumerate(run.ins)}
