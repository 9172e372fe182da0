"""Rows of a Jacobian in bounded memory."""

import torch
from torch import Tensor

_COPIES = 4  # of every row that is folded into others


class RowSpace:
    """Rows of a Jacobian in bounded memory.

    Until it is full the rows are kept as they are; those that come later are added, with random
    weights, to several random ones that are there (a sparse embedding, as in Cohen, "Nearly tight
    oblivious subspace embeddings by trace inequalities", 2016). Its row space is always contained
    in that of all rows, so that its rank is never more than theirs, and almost surely not less.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.capacity = columns + columns // 8 + 64
        self.rows = 0
        self._store: Tensor | None = None
        self._rng = torch.Generator().manual_seed(columns)

    def add(self, block: Tensor) -> None:
        """Add rows, shape (rows, columns)."""
        if self._store is None:
            self._store = block.new_empty(self.capacity, self.columns)
        room = max(0, self.capacity - self.rows)
        kept, folded = block[:room], block[room:]
        self._store[self.rows : self.rows + len(kept)] = kept
        self.rows += len(block)
        if len(folded):
            place = torch.randint(self.capacity, (_COPIES, len(folded)), generator=self._rng)
            weight = torch.randn(*place.shape, 1, generator=self._rng, dtype=torch.float64)
            for p, w in zip(place.to(block.device), weight.to(block), strict=True):
                self._store.index_add_(0, p, folded * w)

    def matrix(self) -> Tensor:
        """What represents all rows, at most `capacity` of them."""
        assert self._store is not None
        return self._store[: min(self.rows, self.capacity)]
