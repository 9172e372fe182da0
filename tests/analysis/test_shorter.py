"""Checks on the first positions of a long sequence, and what these do not show."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from symfind.analysis import shorter as module
from symfind.analysis.shorter import Shorter, shorter
from symfind.analysis.subject import Subject
from symfind.load import resolve
from symfind.trace import trace_loaded

LONG, WIDTH = 200, 4


class Positions(nn.Module):
    """Tokens and positions under a layer norm, and, where asked, something of the last ones."""

    def __init__(self, window: int = 0) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(7, WIDTH), nn.Embedding(LONG, WIDTH)
        self.norm, self.head = nn.LayerNorm(WIDTH, eps=0.0), nn.Linear(WIDTH, 3)
        self.window = window

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        if self.window and tokens.shape[1] > self.window:
            x = x - x[:, :1]
        return self.head(self.norm(x))


def _shorter(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Shorter | None:
    monkeypatch.setattr(module, "_HEAVY", 1)
    loaded = resolve(model, torch.zeros(1, LONG, dtype=torch.int64))
    subject = Subject(loaded, trace_loaded(loaded), "raw", False, "cpu", 0, lambda text: None)
    return shorter(subject, 1)


@dataclass(frozen=True)
class Field:
    """A vector field on the table of positions."""

    kind: str
    id: str = "field"
    parameters: tuple[str, ...] = ("places.weight",)

    def coefficients(self, rng: torch.Generator) -> Tensor:
        return torch.randn(LONG, generator=rng, dtype=torch.float64)

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        table = theta["places.weight"]
        match self.kind:
            case "every row alike":
                moved = table * c[0]
            case "a row that is not read":
                moved = torch.zeros_like(table)
                moved[LONG - 1] = c[:WIDTH]
            case "what the norm does not see":
                moved = c[:, None].expand_as(table).contiguous()
            case _:
                moved = table.flip(0) * c[0]
        return {"places.weight": moved}

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        raise NotImplementedError


def test_the_shorter_call_reads_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _shorter(Positions(), monkeypatch)
    assert found is not None
    assert found.described == {"tokens": f"i64[1,{module.LENGTH}]"}
    unread = found.unread["places.weight"]
    assert unread.tolist() == [i >= module.LENGTH for i in range(LONG)]


@pytest.mark.parametrize(
    ("kind", "covered"),
    [
        ("every row alike", True),
        ("what the norm does not see", True),
        ("a row that is not read", False),
        ("rows by other rows", False),
    ],
)
def test_rows_that_are_not_read(kind: str, covered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _shorter(Positions(), monkeypatch)
    assert found is not None
    rng = torch.Generator().manual_seed(0)
    assert found.covers(Field(kind), rng) is covered


def test_another_computation_is_not_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _shorter(Positions(window=100), monkeypatch) is None
