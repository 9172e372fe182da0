"""Sequences of different lengths in one row, as torch.nn.utils.rnn packs them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten

Again = Callable[..., Any]  # records an operation, and gives back its result


def pack(again: Again, x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """What ``aten._pack_padded_sequence`` gives, by a look-up of rows.

    ``x`` is [time, batch, ...], or the other way round with ``batch_first``; ``lengths`` has values
    and falls. The result is [sum(lengths), ...], and how many sequences there are at every time.
    """
    if batch_first:
        x = again(aten.transpose.int, x, 0, 1)
    counts = [int((lengths > time).sum()) for time in range(int(lengths[0]))]
    rows = [time * x.shape[1] + i for time, count in enumerate(counts) for i in range(count)]
    flat = again(aten.reshape.default, x, [-1, *x.shape[2:]])
    with torch.inference_mode(False):
        places, sizes = torch.tensor(rows), torch.tensor(counts)
    return again(aten.index_select.default, flat, 0, places), sizes
