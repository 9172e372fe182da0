"""From which integers the entries of an input are drawn.

One tensor of integers often holds columns of different meaning (head, relation, tail; categorical
fields; a step beside a class), so that a range belongs to an entry and not to a tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_MANY = 8  # rows of an example from which the range of a column can be told


@dataclass(frozen=True)
class Range:
    """Least integers, and those above the largest, by entry.

    Attributes:
        low: inclusive; broadcasts to the shape of the input.
        high: exclusive; broadcasts likewise.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def below(cls, bound: int) -> "Range":
        """The same for all entries, from zero."""
        return cls(torch.tensor(0), torch.tensor(max(bound, 1)))

    @property
    def widest(self) -> int:
        """A bound above all entries."""
        return int(self.high.max()) if self.high.numel() else 1

    def draw(self, shape: list[int], rng: torch.Generator) -> Tensor:
        """Uniform integers; more rows than the range knows of follow those that it knows."""
        if self.low.numel() == 1 and self.high.numel() == 1:
            return torch.randint(int(self.low), int(self.high), shape, generator=rng)
        low, high = (_rows(t, shape).expand(shape) for t in (self.low, self.high))
        share = torch.rand(shape, generator=rng, dtype=torch.float64)
        span = (high - low).clamp(min=1)
        return low + (share * span).long().clamp(max=span - 1)

    def within(self, other: "Range") -> "Range":
        """Where both allow it; where they exclude each other, the other."""
        low, high = torch.maximum(self.low, other.low), torch.minimum(self.high, other.high)
        possible = low < high
        return Range(
            torch.where(possible, low, other.low), torch.where(possible, high, other.high)
        ).packed()

    def packed(self) -> "Range":
        """The same in as few numbers as it takes."""
        low, high = torch.broadcast_tensors(self.low, self.high)
        for dim in range(low.ndim):
            if low.shape[dim] > 1 and all(
                bool((t == t.narrow(dim, 0, 1)).all()) for t in (low, high)
            ):
                low, high = low.narrow(dim, 0, 1), high.narrow(dim, 0, 1)
        if low.numel() == 1:
            low, high = low.reshape(()), high.reshape(())
        return Range(low.contiguous(), high.contiguous())


def observed(value: Tensor) -> Range:
    """What an example says: by column where it has rows enough, else for all of it."""
    if not value.numel() or value.is_meta:
        return Range.below(1)
    value = value.detach().cpu().long()
    columns = value.ndim > 1 and value.shape[0] >= _MANY
    low, high = (
        (value.amin(0, True), value.amax(0, True)) if columns else (value.min(), value.max())
    )
    return Range(low.clamp(max=0), high + 1).packed()


def resampled(value: Tensor, shape: list[int], rng: torch.Generator) -> Tensor:
    """Entries that the example has in the same column, in another order and combination."""
    if value.ndim == 0 or not value.numel() or value.is_meta:
        return value
    rows = torch.randint(value.shape[0], shape, generator=rng).to(value.device)
    return value.gather(0, rows) if value.ndim == 1 else _by_column(value, rows)


def _by_column(value: Tensor, rows: Tensor) -> Tensor:
    return value.flatten(1).gather(0, rows.flatten(1)).reshape(rows.shape)


def _rows(bound: Tensor, shape: list[int]) -> Tensor:
    if bound.ndim and bound.shape[0] not in (1, shape[0]) and bound.ndim == len(shape):
        return bound[torch.arange(shape[0]) % bound.shape[0]]
    return bound


def scalars(ranges: Mapping[str, Range]) -> dict[str, int]:
    """One bound for each input, above all its entries."""
    return {key: found.widest for key, found in ranges.items()}
