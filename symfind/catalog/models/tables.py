"""Networks on categories: recommendations, words."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.models import Built, integers
from symfind.load.meta import build_light

# rows of the tables for the Criteo display advertising challenge
CRITEO = (1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27,
          14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572)  # fmt: skip


def relu_chain(*widths: int) -> nn.Sequential:
    """Linear maps, each with ReLU after it."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


class DLRM(nn.Module):
    """Pairwise inner products of embeddings (Naumov et al. 2019)."""

    pairs: Tensor

    def __init__(self, rows: tuple[int, ...], size: int, d_dense: int) -> None:
        """Set the rows of every table and the size of embeddings."""
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, size) for n in rows)
        self.bottom = relu_chain(d_dense, 512, 256, 64, size)
        pairs = (len(rows) + 1) * len(rows) // 2
        self.top = nn.Sequential(relu_chain(size + pairs, 512, 256), nn.Linear(256, 1))
        below = torch.tril_indices(len(rows) + 1, len(rows) + 1, offset=-1)
        self.register_buffer("pairs", below[0] * (len(rows) + 1) + below[1])

    def forward(self, dense: Tensor, rows: Tensor) -> Tensor:
        """Click probability of dense features [n, 13] and one row of each table [n, tables]."""
        x = self.bottom(dense)
        found = [table(rows[:, k]) for k, table in enumerate(self.tables)]
        stack = torch.stack([x, *found], dim=1)
        inner = (stack @ stack.transpose(1, 2)).flatten(1)[:, self.pairs]
        return torch.sigmoid(self.top(torch.cat([x, inner], dim=1)))


def dlrm(size: int = 16, d_dense: int = 13) -> Built:
    """The network for the Criteo data."""
    model = build_light(lambda: DLRM(CRITEO, size, d_dense))
    return model, (torch.randn(8, d_dense), integers(min(CRITEO), 8, len(CRITEO)))


class NCF(nn.Module):
    """NeuMF (He et al. 2017): products of embeddings beside a network of others."""

    def __init__(self, users: int, items: int, size: int) -> None:
        """Set the tables and the number of predictive factors."""
        super().__init__()
        self.user, self.item = nn.Embedding(users, size), nn.Embedding(items, size)
        self.user_mlp, self.item_mlp = nn.Embedding(users, 4 * size), nn.Embedding(items, 4 * size)
        self.mlp = relu_chain(8 * size, 4 * size, 2 * size, size)
        self.head = nn.Linear(2 * size, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Preference of users [n] for items [n]."""
        product = self.user(user) * self.item(item)
        deep = self.mlp(torch.cat([self.user_mlp(user), self.item_mlp(item)], dim=-1))
        return torch.sigmoid(self.head(torch.cat([product, deep], dim=-1)))


def ncf(users: int = 6040, items: int = 3706, size: int = 8) -> Built:
    """The network for MovieLens-1M."""
    return NCF(users, items, size), (integers(users, 64), integers(items, 64))


class SkipGram(nn.Module):
    """Inner products of words and contexts (Mikolov et al. 2013)."""

    def __init__(self, vocabulary: int, size: int) -> None:
        """Set the tables."""
        super().__init__()
        self.words, self.contexts = nn.Embedding(vocabulary, size), nn.Embedding(vocabulary, size)

    def forward(self, word: Tensor, context: Tensor) -> Tensor:
        """Log-probability of pairs of words [n] and contexts [n]."""
        return F.logsigmoid((self.words(word) * self.contexts(context)).sum(dim=-1))


def word2vec(vocabulary: int = 692000, size: int = 300) -> Built:
    """The published vocabulary and size."""
    model = build_light(lambda: SkipGram(vocabulary, size))
    return model, (integers(vocabulary, 64), integers(vocabulary, 64))
